"""One partition of an archive on its way into a directory."""

from __future__ import annotations

from logflume.bridge.archive.cuts import parts_of
from logflume.bridge.archive.filler import filler_batch
from logflume.bridge.partition_copy import PartitionCopy, Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume.bridge.archive.archive import Archive
    from logflume.client.log import Log
    from logflume.types import TopicPartition

__all__ = ["Restoring"]


class Restoring(PartitionCopy):
    """Up to its end in the archive, or to a cut, exclusive. Not thread-safe."""

    def __init__(
        self, archive: Archive, target: Log | Archive, where: TopicPartition, cut: int | None
    ) -> None:
        super().__init__(archive, target, *where)
        self._cut = cut
        at = self.check()
        self._reader = self.source.batches(at)

    def check(self) -> int:
        """As PartitionCopy; a copy that stands behind the cut is one of a later time."""
        at = super().check()
        if self._cut is not None and at > self._cut:
            self._differ(self._cut, "the copy has records of a later time")
        return at

    def step(self) -> Step | None:
        raw = self._reader.read()
        if raw is None or (self._cut is not None and raw.base_offset >= self._cut):
            return None
        start = int(self.target.end_offset)
        stop = raw.end_offset if self._cut is None else min(raw.end_offset, self._cut)
        if raw.base_offset >= start and raw.end_offset == stop:
            self.target.append_at(raw.view, raw.base_offset)
            return Step(raw.record_count, raw.size, stop)
        # The end that is wanted, or the one that is there, lies inside of a batch.
        records = 0
        for part in parts_of(raw.view, start, stop):
            self.target.append_at(part.data, part.base_offset)
            records += part.records
        return Step(records, raw.size, stop)

    def finish(self) -> None:
        """The log begins where the original does, also where nothing is left of it, and is on the disk."""
        start = int(self.source.start_offset)
        if self._cut is not None:
            start = min(start, self._cut)
        if self.target.end_offset < start:
            self.target.append_at(filler_batch(start - 1), start - 1)
        if self.target.start_offset < start:
            self.target.set_start_offset(start)
        self.target.sync()
