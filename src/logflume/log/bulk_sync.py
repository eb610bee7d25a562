"""Many partitions onto the disk at once."""

from __future__ import annotations

import threading

from logflume.errors import LogflumeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from logflume._native.partition_log import PartitionLog

__all__ = ["sync_partitions", "sync_together"]

_TOGETHER_FROM = 8  # partitions; below, starting threads costs what they save
_THREADS = 4


def sync_together(partitions: Sequence[PartitionLog]) -> None:
    """Sync partitions side by side, when they are many: the disk flushes once for all who ask meanwhile.

    For whoever syncs each of them next and finds it done. Failures are not told here: a partition whose sync
    failed tells him.
    """
    if len(partitions) < _TOGETHER_FROM:
        return
    rest = iter(partitions)
    threads = [threading.Thread(target=_sync_each, args=(rest,)) for _ in range(_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def sync_partitions(partitions: Iterable[PartitionLog]) -> None:
    """Return when all that these partitions hold is on disk. Raises SyncFailed."""
    dirty = [p for p in partitions if p.durable_offset < p.end_offset]
    sync_together(dirty)
    for partition in dirty:
        partition.sync()


def _sync_each(rest: Iterator[PartitionLog]) -> None:
    for partition in rest:
        try:
            partition.sync()
        except LogflumeError:
            continue
