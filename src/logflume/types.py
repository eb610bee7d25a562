"""Small values that every layer passes around. They know nothing of files, locks or sockets.

All are named tuples: immutable, hashable, comparable, picklable, and a plain tuple
serves wherever one is taken. Other rooms build theirs on the `NamedTuple` made here.
"""

from __future__ import annotations

TYPE_CHECKING = False  # `typing` is not imported at run time: it costs seven milliseconds.
if TYPE_CHECKING:
    from typing import NamedTuple as NamedTuple

    from logflume._native.columns import RecordBatch
else:
    from collections import namedtuple

    class _NamedTupleType(type):
        """Makes a named tuple of a class body, as typing.NamedTuple does."""

        def __new__(cls, name, bases, body):
            if not bases:
                return super().__new__(cls, name, bases, body)
            names = list(body.pop("__annotations__"))
            defaults = [body.pop(field) for field in names if field in body]
            fields = namedtuple(name, names, defaults=defaults, module=body["__module__"])
            return type(name, (fields,), {**body, "__slots__": ()})

    class NamedTuple(metaclass=_NamedTupleType):
        """Stands in for typing.NamedTuple at run time."""


__all__ = [
    "AbortedTransaction",
    "AppendedBatches",
    "CompactionPass",
    "CompactionReport",
    "Cut",
    "LogBatch",
    "OffsetAndMetadata",
    "OffsetAndTimestamp",
    "OpenTransaction",
    "PartitionReport",
    "ProducerState",
    "RecordMetadata",
    "RecoveryReport",
    "SegmentInfo",
    "TopicPartition",
]


class TopicPartition(NamedTuple):
    """One partition of one topic; prints as its directory is called."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}-{self.partition}"


class OffsetAndMetadata(NamedTuple):
    """A committed position: the offset of the next record to read, and a note of the committer's."""

    offset: int
    metadata: str = ""
    leader_epoch: int | None = None


class OffsetAndTimestamp(NamedTuple):
    """The first record at or after a time: its offset and its own timestamp (ms since 1970)."""

    offset: int
    timestamp: int
    leader_epoch: int | None = None


class RecordMetadata(NamedTuple):
    """Where an acknowledged record went; `offset` is -1 when acks was 0 and none is known."""

    topic: str
    partition: int
    offset: int
    timestamp: int


class SegmentInfo(NamedTuple):
    """One segment of a partition; `end_offset` is exclusive, `size` is of the records, in bytes."""

    path: str
    base_offset: int
    end_offset: int
    size: int
    max_timestamp: int
    """The largest timestamp in it (ms since 1970), -1 when it holds no record."""
    sealed: bool
    """True once no more will be appended."""


class AppendedBatches(NamedTuple):
    """Where appended batches went: the first and the last offset, both inclusive."""

    base_offset: int
    last_offset: int
    append_time: int
    """ms since 1970; -1 unless the topic's timestamps are append times."""
    duplicate: bool
    """True when their producer had sent them before: nothing was written, the offsets are the old ones."""


class LogBatch(NamedTuple):
    """One batch of a partition as it was written: what it says about its producer, and its records."""

    records: RecordBatch
    """Empty for a marker, and for a batch that compaction emptied."""
    base_offset: int
    last_offset: int
    producer_id: int
    """-1: of no idempotent producer."""
    producer_epoch: int
    base_sequence: int
    transactional: bool
    marker: str | None
    """None for data; `commit` or `abort` end the transaction; `other` is what a newer Kafka may mean."""
    coordinator_epoch: int
    """Of a marker; -1 otherwise."""


class ProducerState(NamedTuple):
    """What a partition knows of an idempotent or transactional producer."""

    producer_id: int
    epoch: int
    last_sequence: int
    """Of the last record it wrote, -1 when none is remembered; the next one follows it (0 behind 2**31 - 1)."""
    last_offset: int
    """Of that record; -1 when none is remembered."""
    last_timestamp: int
    coordinator_epoch: int
    """Of its last transaction marker, -1 when there was none."""
    txn_first_offset: int
    """Where its open transaction begins, -1 when none is open."""


class OpenTransaction(NamedTuple):
    """A transaction in one partition that is neither committed nor aborted."""

    producer_id: int
    epoch: int
    first_offset: int
    last_timestamp: int
    """Of the producer's last batch (ms since 1970)."""


class AbortedTransaction(NamedTuple):
    """A transaction that was aborted: its first record, and its marker."""

    producer_id: int
    first_offset: int
    last_offset: int


class Cut(NamedTuple):
    """Bytes that recovery took off the end of a segment, because they were no whole batch."""

    path: str
    position: int
    """The file is kept up to here (byte)."""
    size: int
    """Bytes cut; a preallocated tail of zeroes does not count. 0 when the bytes were gone before."""
    reason: str


class PartitionReport(NamedTuple):
    """What recovery did to one partition."""

    topic: str
    partition: int
    start_offset: int
    end_offset: int
    clean: bool
    """True when it was closed properly and nothing was scanned."""
    bytes_scanned: int = 0
    cuts: tuple[Cut, ...] = ()


class CompactionPass(NamedTuple):
    """One pass over a partition: where the next begins, and what this one did."""

    next_dirty: int
    """First offset that was not compared with those before it; `uncleanable` when the pass went all the way."""
    uncleanable: int
    """First offset that could not be touched: of the active segment, or of one with an open transaction."""
    keys: int
    bytes_read: int
    bytes_removed: int
    records_read: int
    records_removed: int
    segments_read: int
    segments_removed: int


class CompactionReport(NamedTuple):
    """What compaction did to one partition. The bytes and segments that it removed count what became of all passes."""

    topic: str
    partition: int
    start_offset: int
    end_offset: int
    """Exclusive: from here on nothing was compacted."""
    passes: int
    """More than one: the key map held fewer keys than there were."""
    keys: int
    bytes_read: int
    bytes_removed: int
    records_removed: int
    segments_removed: int
    seconds: float


class RecoveryReport(NamedTuple):
    """What opening a directory found and did."""

    path: str
    seconds: float
    partitions: tuple[PartitionReport, ...] = ()

    @property
    def clean(self) -> bool:
        """True when every partition had been closed properly."""
        return all(partition.clean for partition in self.partitions)

    @property
    def cuts(self) -> tuple[Cut, ...]:
        """Everything that was cut, in all partitions."""
        return tuple(cut for partition in self.partitions for cut in partition.cuts)
