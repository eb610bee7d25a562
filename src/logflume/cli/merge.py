"""Records of several partitions in one stream, in the order of their timestamps.

A partition's own order always holds: a record with an older stamp than the one before it counts as of the same
time. Works on whole batches of formatted lines, so that the merge costs little a record.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from logflume._native.columns import RecordBatch
    from logflume._native.partition_reader import PartitionReader

__all__ = ["Feed", "merged"]

_FETCH_RECORDS = 20_000
_FETCH_BYTES = 4 << 20
_LAST = (1 << 63) - 1


class Feed:
    """One partition's lines, up to `end` (exclusive; None: what there is)."""

    def __init__(
        self,
        reader: PartitionReader,
        end: int | None,
        form: Callable[[RecordBatch], list[bytes]],
    ) -> None:
        self.reader = reader
        self.end = end
        self.done = False
        self._form = form
        self._newest = -1
        self.lines: list[bytes] = []
        self.stamps: list[int] = []

    def fill(self, *, timed: bool) -> None:
        """More lines, or `done`. Without `timed` there are no stamps: nobody is there to be merged with."""
        if self.lines or self.done:
            return
        batch = self.reader.read(_FETCH_RECORDS, _FETCH_BYTES)
        count = len(batch)
        if self.end is not None and self.reader.position >= self.end:
            self.done = True
            if self.reader.position > self.end:
                count = int(batch.offsets.searchsorted(self.end))
        if not count:
            self.done = True
            return
        lines = self._form(batch)
        self.lines = lines if count == len(lines) else lines[:count]
        if timed:
            import numpy  # here, because it takes longer to import than a short log to print

            stamps = numpy.maximum.accumulate(batch.timestamps[:count])
            numpy.maximum(stamps, self._newest, out=stamps)
            self._newest = int(stamps[-1])
            self.stamps = stamps.tolist()

    def take(self, until: int) -> tuple[list[bytes], list[int]]:
        """The lines whose stamps are not above `until`."""
        from bisect import bisect_right

        count = bisect_right(self.stamps, until)
        taken = self.lines[:count], self.stamps[:count]
        self.lines, self.stamps = self.lines[count:], self.stamps[count:]
        return taken


def merged(feeds: list[Feed]) -> Iterator[list[bytes]]:
    """Lists of lines until every feed is done."""
    timed = len(feeds) > 1
    while True:
        for feed in feeds:
            feed.fill(timed=timed)
        waiting = [feed for feed in feeds if feed.lines]
        if not waiting:
            return
        if len(waiting) == 1 and all(feed.done for feed in feeds if not feed.lines):
            yield waiting[0].lines
            waiting[0].lines = []
            continue
        # Behind the earliest of the last stamps known, a feed may still bring something older.
        frontier = min((f.stamps[-1] for f in waiting if not f.done), default=_LAST)
        lines: list[bytes] = []
        stamps: list[int] = []
        for feed in waiting:
            more, their = feed.take(frontier)
            lines += more
            stamps += their
        order = sorted(range(len(lines)), key=stamps.__getitem__)
        yield [lines[i] for i in order]
