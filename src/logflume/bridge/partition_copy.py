"""Copying one partition: from where the copy ends to where the original does, at the same offsets.

The copy's own end is the position: it is known to be right whatever died when, so nothing is stored beside it.
"""

from __future__ import annotations

import time
from typing import cast

from logflume._native.batches import BatchScan, encode_batch
from logflume._native.row_picker import pick_rows
from logflume.bridge.cluster_writer import ClusterWriter, TranslatingWriter
from logflume.errors import CopyDiffers, Timeout
from logflume.types import NamedTuple, TopicPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Protocol

    from logflume._native.batch_reader import RawBatches
    from logflume._native.columns import Record, RecordBatch
    from logflume.bridge.archive import Archive
    from logflume.bridge.offset_map import OffsetMap
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
        self.limit: int | None = None
        """Where an archive's state is to end (exclusive), while one is made: a last stable offset, a batch's end."""
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
        for view, base in _without_gaps(raw):
            self.target.append_at(view, base)
        return Step(raw.record_count, raw.size, raw.end_offset)


def _without_gaps(raw: RawBatches) -> Iterator[tuple[memoryview, int]]:
    """A run in parts whose batches follow each other: compaction leaves holes between them, which stay holes."""
    if raw.record_count == raw.end_offset - raw.base_offset:
        yield raw.view, raw.base_offset
        return
    start, base, following = 0, raw.base_offset, raw.base_offset
    for batch in BatchScan(raw.view):
        if batch.base_offset != following:
            yield raw.view[start : batch.position], base
            start, base = batch.position, batch.base_offset
        following = batch.last_offset + 1
    yield raw.view[start:], base


class _RecordCopy(PartitionCopy):
    """From or to a cluster: committed records, taken apart and put together again."""

    step_records = _STEP_RECORDS

    def __init__(self, source: Log, target: Log | Archive, topic: str, number: int) -> None:
        super().__init__(source, target, topic, number)
        at = max(self.check(), self.source.start_offset)
        self._consumer = source.consumer(
            auto_offset_reset="earliest", enable_auto_commit=False, isolation_level="read_committed"
        )
        self._consumer.assign([(topic, number)])
        self._consumer.seek(topic, number, at)
        self._writer = self._writer_to(target)

    def _writer_to(self, target: Log | Archive) -> Writer:
        from logflume.client.log import Log

        if isinstance(target, Log) and target.engine.is_remote:
            return ClusterWriter(target, self)
        return _DirectoryWriter(target, self)

    def step(self) -> Step | None:
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            if self.limit is not None and self._position() >= self.limit:
                return None
            batch = self._consumer.poll_batch(timeout=_WAIT_S, max_records=self.step_records)
            if batch is not None:
                if not len(batch := self._inside(batch)):
                    return None
                self._writer.write(batch)
                return Step(len(batch), batch.nbytes, int(batch.offsets[-1]) + 1)
            if not any(self._consumer.lag().values()) or self._waits():
                return None
            if time.monotonic() > deadline:
                raise Timeout(what=f"records of {self.topic}-{self.partition}", seconds=_PATIENCE_S)

    def _waits(self) -> bool:
        """Whether nothing but an open transaction is in the way: what it has is nobody's yet."""
        return bool(self._position() >= self.source.last_stable_offset)

    def _position(self) -> int:
        return self._consumer.position(self.topic, self.partition)

    def _inside(self, batch: RecordBatch) -> RecordBatch:
        """Of a batch what lies before the limit; the rest is read again when there is another limit."""
        limit = self.limit
        if limit is None or batch.offsets[-1] < limit:
            return batch
        self._consumer.seek(self.topic, self.partition, limit)
        return pick_rows([record for record in batch if record.offset < limit])

    def close(self) -> None:
        self._consumer.close()
        self._writer.close()


class _TranslatedCopy(_RecordCopy):
    """To a cluster, where records get the offsets that come."""

    step_records = 10_000  # a step's note stays a small record, were each record a run of its own

    def __init__(
        self, source: Log, target: Log, topic: str, number: int, offsets: OffsetMap
    ) -> None:
        self._offsets = offsets
        super().__init__(source, target, topic, number)

    def _writer_to(self, target: Log | Archive) -> Writer:
        return TranslatingWriter(cast("Log", target), self, self._offsets)

    def check(self) -> int:
        """Where to go on in the source. Raises CopyDiffers when the copy's last record is not the one noted."""
        where = TopicPartition(self.topic, self.partition)
        end = int(self.target.end_offset)
        if not self._offsets.has(where):
            # Begun at the same offsets, or not at all.
            at = super().check()
            self._offsets.same(where, at)
            return at
        if end > self._offsets.end(where)[1]:
            self._differ(end, "somebody else writes to the copy")
        self._offsets.cut(where, end)
        at, noted = self._offsets.end(where)
        if noted != end:
            self._differ(end, "records of the copy are missing")
        if end > self.target.start_offset and at > self.source.start_offset:
            ours, theirs = _last_before(self.source, at), _last_before(self.target, end)
            if ours is not None and theirs is not None and ours[1:] != theirs[1:]:
                self._differ(end - 1, "the copy's last record is another one")
        return at


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


def open_copy(
    source: Log,
    target: Log | Archive,
    topic: str,
    number: int,
    offsets: OffsetMap | None = None,
) -> PartitionCopy:
    """The copy of one partition, which exists on both sides. `offsets`: those of the copy may be others."""
    if offsets is not None:
        return _TranslatedCopy(source, cast("Log", target), topic, number, offsets)
    if source.engine.is_remote or target.engine.is_remote:
        return _RecordCopy(source, target, topic, number)
    return _BatchCopy(source, target, topic, number)
