"""When a partition is compacted, and from where to where: Kafka's rules, with its checkpoint.

Offsets of one log, from old to new::

    start ............ first_dirty ............ uncleanable ............ end
          compared once             to be compared           active segment, too young, or
          with all before           now                      behind an open transaction
"""

from __future__ import annotations

import time

from logflume._native.compaction import compact_once, first_timestamp
from logflume.config.kinds import LONG_MAX
from logflume.errors import Closed, UnknownTopicOrPartition
from logflume.types import CompactionReport, NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from logflume._native.partition_log import PartitionLog
    from logflume.config.topic import TopicConfig
    from logflume.types import SegmentInfo

__all__ = ["Cleanable", "compact", "is_due", "look"]


class Cleanable(NamedTuple):
    """What there is to compact."""

    first_dirty: int
    uncleanable: int
    clean_bytes: int
    dirty_bytes: int

    @property
    def dirty_ratio(self) -> float:
        """Share of bytes that no pass has seen; 0 when there are none at all."""
        total = self.clean_bytes + self.dirty_bytes
        return self.dirty_bytes / total if total else 0.0


def look(
    partition: PartitionLog, config: TopicConfig, checkpoint: int | None, now_ms: int
) -> Cleanable:
    """What a pass would work on. `checkpoint`: where the last one ended, if there was one."""
    segments = partition.segments()
    start = partition.start_offset
    # Outside the log it tells of another log: of one that was cut, or whose records were deleted.
    trusted = checkpoint is not None and start <= checkpoint <= partition.end_offset
    first_dirty = checkpoint if trusted and checkpoint is not None else start
    uncleanable = segments[-1].base_offset
    dirty = [s for s in segments[:-1] if s.end_offset > first_dirty]
    if config.min_compaction_lag_ms > 0:
        young = now_ms - config.min_compaction_lag_ms
        uncleanable = next((s.base_offset for s in dirty if s.max_timestamp > young), uncleanable)
    uncleanable = max(first_dirty, uncleanable)
    return Cleanable(
        first_dirty,
        uncleanable,
        clean_bytes=_bytes(s for s in segments[:-1] if s.end_offset <= first_dirty),
        dirty_bytes=_bytes(s for s in dirty if s.base_offset < uncleanable),
    )


def _bytes(segments: Iterable[SegmentInfo]) -> int:
    return sum(segment.size for segment in segments)


def is_due(partition: PartitionLog, config: TopicConfig, found: Cleanable, now_ms: int) -> bool:
    """Whether enough is dirty, or something has been dirty for max.compaction.lag.ms."""
    if not found.dirty_bytes:
        return False
    if found.dirty_ratio > config.min_cleanable_dirty_ratio:
        return True
    if config.max_compaction_lag_ms == LONG_MAX:
        return False
    oldest = min(
        (
            timestamp
            for segment in partition.segments()[:-1]
            if segment.end_offset > found.first_dirty and segment.base_offset < found.uncleanable
            and (timestamp := first_timestamp(partition, segment.base_offset)) > 0
        ),
        default=now_ms,
    )  # fmt: skip
    return oldest < now_ms - config.max_compaction_lag_ms


def compact(
    partition: PartitionLog,
    config: TopicConfig,
    found: Cleanable,
    *,
    now_ms: int,
    map_bytes: int,
    producer_expiration_ms: int,
    record: Callable[[int], None],
) -> CompactionReport | None:
    """Pass after pass until nothing is dirty; None when another is compacting the partition, or it was
    deleted or closed meanwhile.

    `record` puts the end of each pass into the checkpoint. Raises as `compact_once`; passes that were
    recorded are not done again.
    """
    began = time.monotonic()
    first_dirty = found.first_dirty
    totals = {"keys": 0, "bytes_read": 0, "bytes_removed": 0, "records_removed": 0, "segments_removed": 0}  # fmt: skip
    passes = 0
    while True:
        try:
            done = compact_once(
                partition,
                first_dirty=first_dirty,
                uncleanable=found.uncleanable,
                now_ms=now_ms,
                delete_retention_ms=config.delete_retention_ms,
                map_bytes=map_bytes,
                producer_expiration_ms=producer_expiration_ms,
            )
        except (Closed, UnknownTopicOrPartition):
            return None
        if done is None:
            return None
        passes += 1
        for name in totals:
            totals[name] += getattr(done, name)
        first_dirty = max(first_dirty, done.next_dirty)
        if done.segments_read:
            record(first_dirty)
        if done.next_dirty >= done.uncleanable:
            break
    return CompactionReport(
        partition.topic,
        partition.partition,
        start_offset=partition.start_offset,
        end_offset=first_dirty,
        passes=passes,
        seconds=time.monotonic() - began,
        **totals,
    )
