"""Writing into a cluster, which gives offsets itself."""

from __future__ import annotations

from itertools import pairwise

from logflume.config import ProducerConfig
from logflume.errors import CopyDiffers, OffsetGap
from logflume.types import TopicPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume._native.columns import RecordBatch
    from logflume.bridge.offset_map import OffsetMap
    from logflume.bridge.partition_copy import PartitionCopy
    from logflume.client.log import Log

__all__ = ["ClusterWriter", "TranslatingWriter"]


class ClusterWriter:
    """At the same offsets as long as there is no gap, which is checked each time."""

    def __init__(self, target: Log, copy: PartitionCopy) -> None:
        self._copy = copy
        engine: Any = target.engine
        config = target.engine.parse(
            ProducerConfig, {"acks": "all", "linger.ms": 0, "compression.type": "lz4"}
        )
        self._core = engine.producer_core(config, lambda: None)

    def write(self, batch: RecordBatch) -> None:
        """Raises OffsetGap, CopyDiffers, and what sending raises."""
        copy = self._copy
        at = int(copy.target.end_offset)
        first, last = int(batch.offsets[0]), int(batch.offsets[-1])
        if first != at or last - first + 1 != len(batch):
            offset = first if first != at else _first_gap(batch)
            raise OffsetGap(topic=copy.topic, partition=copy.partition, offset=offset)
        self._send(batch, at)

    def _send(self, batch: RecordBatch, at: int) -> None:
        copy = self._copy
        headers = [record.headers or None for record in batch]
        _, given = self._core.append_many(
            copy.topic,
            batch.values.tolist(),
            batch.keys.tolist(),
            copy.partition,
            batch.timestamps.tolist(),
            headers if any(headers) else None,
        )
        end = int(copy.target.end_offset)
        if given != at or end != at + len(batch):
            raise CopyDiffers(
                topic=copy.topic,
                partition=copy.partition,
                offset=given,
                reason="somebody else writes to the copy",
            )

    def close(self) -> None:
        """Close the connection."""
        self._core.close()


class TranslatingWriter(ClusterWriter):
    """At the offsets that come, which are noted."""

    def __init__(self, target: Log, copy: PartitionCopy, offsets: OffsetMap) -> None:
        super().__init__(target, copy)
        self._offsets = offsets

    def write(self, batch: RecordBatch) -> None:
        """Raises CopyDiffers, and what sending raises."""
        where = TopicPartition(self._copy.topic, self._copy.partition)
        at = int(self._copy.target.end_offset)
        if self._offsets.end(where)[1] != at:
            raise CopyDiffers(
                topic=where.topic,
                partition=where.partition,
                offset=at,
                reason="somebody else writes to the copy",
            )
        self._offsets.note(where, at, batch.offsets.tolist())
        self._send(batch, at)


def _first_gap(batch: RecordBatch) -> int:
    offsets: list[int] = batch.offsets.tolist()
    return next(after for before, after in pairwise(offsets) if after != before + 1)
