"""Records for members of share groups: batches as they lie in the segments, and which of their records are whose."""

from __future__ import annotations

from logflume._native.fetch import read_batches
from logflume.config.kinds import INT_MAX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from logflume._native.partition import Partition
    from logflume.coordinator.share import Acquired

__all__ = ["ShareReads"]


class ShareReads:
    """What one request reads of a partition. `read` is the engine's eye on the log.

    `max_bytes` and, unless it is exact, `max_records` are reached with a whole batch; the first batch is always taken.
    """

    def __init__(
        self, log: Partition, *, max_records: int, max_bytes: int, exact: bool, committed: bool
    ) -> None:
        self._log = log
        self._exact = exact
        self._records_left = INT_MAX if exact else max_records
        self._bytes_left = max_bytes
        self._committed = committed
        self._batches: dict[int, tuple[int, memoryview]] = {}

    def read(
        self, first: int, last: int | None, max_records: int
    ) -> tuple[list[tuple[int, int]], int]:
        """Runs of offsets that exist from `first` on, up to `last`, and the offset behind what was looked at."""
        log = self._log
        end = log.last_stable_offset if self._committed else log.end_offset
        upper = end if last is None else min(last + 1, end)
        runs: list[tuple[int, int]] = []
        if first >= upper or self._bytes_left <= 0 or self._records_left <= 0:
            return runs, first
        left = min(max_records, self._records_left)
        end = first
        for base, batch_last, is_data, view in read_batches(
            log, first, upper, self._bytes_left, self._committed
        ):
            end = batch_last + 1
            if not is_data:
                continue
            run = max(base, first), min(batch_last, upper - 1)
            runs.append(run)
            if base not in self._batches:
                self._batches[base] = batch_last, view
                self._bytes_left -= len(view)
            count = run[1] - run[0] + 1
            left -= count
            if not self._exact:
                self._records_left -= count
            if left <= 0:
                break
        return runs, min(end, upper) if last is not None else end

    def batches(self, acquired: Iterable[Acquired]) -> list[memoryview]:
        """Those that hold acquired records, in order."""
        found: list[memoryview] = []
        spans = sorted((one.first, one.last) for one in acquired)
        at = 0
        for base, (last, view) in sorted(self._batches.items()):
            while at < len(spans) and spans[at][1] < base:
                at += 1
            if at < len(spans) and spans[at][0] <= last:
                found.append(view)
        return found
