"""Copying one partition: from where the copy ends to where the original does, at the same offsets.

The copy's own end is the position: it is known to be right whatever died when, so nothing is stored beside it.
"""

from __future__ import annotations

import time
from itertools import pairwise

from logflume._native.batches import encode_batch
from logflume.config import ProducerConfig
from logflume.config.consumer import ConsumerConfig
from logflume.errors import CopyDiffers, OffsetGap, Timeout
from logflume.types import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Protocol

    from logflume._native.columns import Record, RecordBatch
    from logflume.bridge.archive import Archive
    from logflume.client.log import Log

    class Writer(Protocol):
        """Appends records that keep their offsets."""

        def write(self, batch: RecordBatch) -> None: ...
        def close(self) -> None: ...


__all__ = ["PartitionCopy", "Step", "open_copy"]

_STEP_BYTES = 4 << 20
_STEP_RECORDS = 50_000
_WAIT_S = 0.2
_PATIENCE_S = 120.0
_COMMITTED = (
    "read_uncommitted"
    if ConsumerConfig.options["isolation.level"].refused is not None
    else "read_committed"
)


class Step(NamedTuple):
    """What one step copied."""

    records: int
    size: int
    """Bytes."""
    end_offset: int
    """Of the copy, exclusive."""


class PartitionCopy:
    """One partition on its way. Not thread-safe. Close it."""

    def __init__(
        self, source: Log | Archive, target: Log | Archive, topic: str, number: int
    ) -> None:
        self.topic = topic
        self.partition = number
        self.source: Any = source.partition(topic, number)
        self.target: Any = target.partition(topic, number)

    def check(self) -> int:
        """Where the copy ends. Raises CopyDiffers when what it ends with is not what the original has there."""
        at = int(self.target.end_offset)
        if at > self.source.end_offset:
            self._differ(self.source.end_offset, "the copy has more records than the original")
        if at > max(self.target.start_offset, self.source.start_offset):
            pair = [_last_before(side, at) for side in (self.source, self.target)]
            if None not in pair and pair[0] != pair[1]:
                self._differ(at - 1, "the copy's last record is another one")
        return at

    def _differ(self, offset: int, reason: str) -> None:
        raise CopyDiffers(topic=self.topic, partition=self.partition, offset=offset, reason=reason)

    def step(self) -> Step | None:
        """Copy some more; None when the copy has all there is. Raises what reading and appending raise."""
        raise NotImplementedError

    def close(self) -> None:
        """Free what it holds open."""


def _last_before(log: Any, offset: int) -> tuple[Any, ...] | None:
    """The record at `offset` - 1; None where compaction or a transaction's marker left none there."""
    batch = log.read_batch(offset - 1, 1)
    if not len(batch) or batch.offsets[0] != offset - 1:
        return None
    record = batch[0]
    return (record.offset, record.timestamp, record.key, record.value, record.headers)


class _BatchCopy(PartitionCopy):
    """Directory to directory: whole batches, byte for byte, transactions and their markers among them."""

    def __init__(self, source: Log, target: Log | Archive, topic: str, number: int) -> None:
        super().__init__(source, target, topic, number)
        at = max(self.check(), self.source.start_offset)
        self._reader = self.source.batches(at)

    def step(self) -> Step | None:
        raw = self._reader.read(_STEP_BYTES)
        if raw is None:
            return None
        self.target.append_at(raw.view, raw.base_offset)
        return Step(raw.record_count, raw.size, raw.end_offset)


class _RecordCopy(PartitionCopy):
    """From or to a cluster: committed records, taken apart and put together again."""

    def __init__(self, source: Log, target: Log | Archive, topic: str, number: int) -> None:
        super().__init__(source, target, topic, number)
        at = max(self.check(), self.source.start_offset)
        self._consumer = source.consumer(
            auto_offset_reset="earliest", enable_auto_commit=False, isolation_level=_COMMITTED
        )
        self._consumer.assign([(topic, number)])
        self._consumer.seek(topic, number, at)
        self._writer: Writer = _writer_to(target, self)

    def step(self) -> Step | None:
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            batch = self._consumer.poll_batch(timeout=_WAIT_S, max_records=_STEP_RECORDS)
            if batch is not None:
                self._writer.write(batch)
                return Step(len(batch), batch.nbytes, int(batch.offsets[-1]) + 1)
            if not any(self._consumer.lag().values()):
                return None
            if time.monotonic() > deadline:
                raise Timeout(what=f"records of {self.topic}-{self.partition}", seconds=_PATIENCE_S)

    def close(self) -> None:
        self._consumer.close()
        self._writer.close()


def _writer_to(target: Log | Archive, copy: PartitionCopy) -> Writer:
    from logflume.client.log import Log

    if isinstance(target, Log) and target.engine.is_remote:
        return _ClusterWriter(target, copy)
    return _DirectoryWriter(target, copy)


class _DirectoryWriter:
    """Into a directory: batches are made at the records' offsets, gaps between them are kept."""

    def __init__(self, target: Log | Archive, copy: PartitionCopy) -> None:
        self._copy = copy
        codec = target[copy.topic].config.compression_type
        self._codec = {"producer": "none", "uncompressed": "none"}.get(codec, codec)

    def write(self, batch: RecordBatch) -> None:
        for run in _runs(batch):
            base = run[0].offset
            data = encode_batch(run, codec=self._codec, base_offset=base)
            self._copy.target.append_at(data, base)

    def close(self) -> None:
        """Nothing is open."""


_BATCH_RECORDS = 1000
_BATCH_BYTES = 512 << 10


def _runs(batch: RecordBatch) -> Iterator[list[Record]]:
    """Records with offsets that follow each other, so many as make a batch."""
    run: list[Record] = []
    size = 0
    for record in batch:
        length = len(record.value or b"") + len(record.key or b"")
        broken = run and record.offset != run[-1].offset + 1
        if broken or len(run) >= _BATCH_RECORDS or size + length > _BATCH_BYTES:
            if run:
                yield run
            run, size = [], 0
        run.append(record)
        size += length
    if run:
        yield run


class _ClusterWriter:
    """Into a cluster, which gives offsets itself: the same ones while there is no gap, which is checked each time."""

    def __init__(self, target: Log, copy: PartitionCopy) -> None:
        self._copy = copy
        engine: Any = target.engine
        config = target.engine.parse(
            ProducerConfig, {"acks": "all", "linger.ms": 0, "compression.type": "lz4"}
        )
        self._core = engine.producer_core(config, lambda: None)

    def write(self, batch: RecordBatch) -> None:
        copy = self._copy
        at = int(self._copy.target.end_offset)
        first, last = int(batch.offsets[0]), int(batch.offsets[-1])
        if first != at or last - first + 1 != len(batch):
            offset = first if first != at else _first_gap(batch)
            raise OffsetGap(topic=copy.topic, partition=copy.partition, offset=offset)
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
        if given != first or end != last + 1:
            raise CopyDiffers(
                topic=copy.topic,
                partition=copy.partition,
                offset=given,
                reason="somebody else writes to the copy",
            )

    def close(self) -> None:
        self._core.close()


def _first_gap(batch: RecordBatch) -> int:
    offsets: list[int] = batch.offsets.tolist()
    return next(after for before, after in pairwise(offsets) if after != before + 1)


def open_copy(source: Log, target: Log | Archive, topic: str, number: int) -> PartitionCopy:
    """The copy of one partition, which exists on both sides."""
    if source.engine.is_remote or target.engine.is_remote:
        return _RecordCopy(source, target, topic, number)
    return _BatchCopy(source, target, topic, number)
