"""One partition of a cluster, read and written directly."""

from __future__ import annotations

import time

from logflume._native.columns import RecordBatch
from logflume._native.row_picker import pick_rows
from logflume.client.cluster.offsets import END, START
from logflume.errors import OffsetOutOfRange, UnsupportedByEngine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from logflume._native.columns import Record
    from logflume.client.cluster.cluster import Cluster

__all__ = ["ClusterPartition", "ClusterReader"]

_READ_S = 60.0
_LOOKUP_RUN = 1000  # offsets that lie so close together are read in one go
_TOOLS = "Kafka's own tools (kafka-log-dirs, kafka-dump-log)"
_COPIES = "read_batch(), a consumer, or logflume.bridge on a stopped Kafka's directory"
_SENT = "a producer: the cluster gives offsets and sequences itself"
_PRODUCERS = "kafka-transactions, Kafka's own tool"
_UNSUPPORTED = {
    "aborted": _PRODUCERS,
    "append_at": _SENT,
    "append_batches": _SENT,
    "append_raw": _SENT,
    "batches": _COPIES,
    "configure": "log.alter_topic()",
    "delete_old_segments": "log.delete_records(), or the topic's retention",
    "expire": "the topic's retention",
    "mark_deleted": "log.delete_topic()",
    "open_transactions": _PRODUCERS,
    "path": _TOOLS,
    "producer": _PRODUCERS,
    "producers": _PRODUCERS,
    "recovery": "the brokers' logs: they recover by themselves",
    "reopen_after_fork": "logflume.open() in the child",
    "roll": "the topic's segment.ms and segment.bytes",
    "segments": _TOOLS,
    "trim": _TOOLS,
}
"""What looks at a partition's files, and what to use instead."""


class ClusterPartition:
    """See logflume.Partition. Thread-safe. Each call asks the cluster; records are fetched ahead while reading on."""

    closed = False

    def __init__(self, cluster: Cluster, topic: str, number: int) -> None:
        self._cluster = cluster
        self.topic = topic
        self.partition = number

    def __getattr__(self, name: str) -> NoReturn:
        if name in _UNSUPPORTED:
            raise UnsupportedByEngine(what=f"Partition.{name}", instead=_UNSUPPORTED[name])
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @property
    def gone(self) -> bool:
        """The topic was deleted, or is not there yet. One of the same name counts as this one."""
        return self.topic not in self._cluster.topics(internal=True)

    # ---- where it begins and ends

    @property
    def start_offset(self) -> int:
        """First offset that can be read."""
        return self._cluster.readers.offset_at(self.topic, self.partition, START)

    @property
    def end_offset(self) -> int:
        """Offset of the next record to be read by everybody: all below are on all brokers in sync."""
        return self._cluster.readers.offset_at(self.topic, self.partition, END)

    @property
    def durable_offset(self) -> int:
        """As end_offset: on a cluster what is visible is replicated."""
        return self.end_offset

    @property
    def last_stable_offset(self) -> int:
        """Below it every transaction is decided; what a read_committed reader may see."""
        return self._cluster.committed_readers.offset_at(self.topic, self.partition, END)

    def set_start_offset(self, offset: int) -> None:
        """Records before `offset` are deleted. Raises OffsetOutOfRange."""
        self._cluster.delete_records(self.topic, self.partition, offset)

    def offset_for_time(self, timestamp: int) -> int | None:
        """Offset of the first record at or after `timestamp` (ms), or None when there is none."""
        found = self._cluster.readers.offset_at(self.topic, self.partition, max(0, timestamp))
        return None if found < 0 else found

    # ---- reading

    def read(self, offset: int) -> Record:
        """The record at `offset`. Raises OffsetOutOfRange."""
        batch = self.read_batch(offset, 1)
        if not len(batch) or batch.offsets[0] != offset:
            raise self._out_of_range(offset)
        return batch[0]

    def _out_of_range(self, offset: int) -> OffsetOutOfRange:
        return OffsetOutOfRange(
            topic=self.topic,
            partition=self.partition,
            offset=offset,
            start_offset=self.start_offset,
            end_offset=self.end_offset,
        )

    def read_batch(
        self,
        offset: int,
        max_records: int = 100_000,
        max_bytes: int = 1 << 20,
        *,
        read_committed: bool = False,
    ) -> RecordBatch:
        """Records from `offset` on, about `max_bytes`, at least one unless it is the end.

        Raises OffsetOutOfRange, Timeout.
        """
        if offset < 0:
            raise self._out_of_range(offset)
        cluster = self._cluster
        readers = cluster.committed_readers if read_committed else cluster.readers
        return readers.read(self.topic, self.partition, offset, max_records, max_bytes, _READ_S)

    def lookup(self, offsets: Any) -> RecordBatch:
        """The records at `offsets` (int64 array or sequence), in that order. Raises OffsetOutOfRange."""
        import numpy

        wanted = numpy.asarray(offsets, dtype=numpy.int64).tolist()
        found: dict[int, Record] = {}
        for offset in sorted(set(wanted)):
            if offset in found:
                continue
            near = offset + _LOOKUP_RUN
            last = max(o for o in wanted if o < near)
            self._look_up(offset, last, set(wanted), found)
        return pick_rows([found[offset] for offset in wanted])

    def _look_up(self, first: int, last: int, wanted: set[int], found: dict[int, Record]) -> None:
        at = first
        while at <= last:
            batch = self.read_batch(at, last - at + 1, 1 << 30)
            if not len(batch):
                break
            for record in batch:
                if record.offset in wanted:
                    found[record.offset] = record
            at = int(batch.offsets[-1]) + 1
        missing = [o for o in wanted if first <= o <= last and o not in found]
        if missing:
            raise self._out_of_range(min(missing))

    def reader(self, offset: int | None = None, *, read_committed: bool = False) -> ClusterReader:
        """Reads on from `offset` (default: the start)."""
        start = self.start_offset if offset is None else offset
        return ClusterReader(self, start, read_committed=read_committed)

    def wait(self, offset: int, timeout: float, *, read_committed: bool = False) -> bool:
        """Return when `offset` can be read (True), or after `timeout` seconds (False)."""
        deadline = time.monotonic() + timeout
        while (self.last_stable_offset if read_committed else self.end_offset) <= offset:
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(left, 0.05))
        return True

    # ---- writing

    def append(
        self, value: Any, key: Any = None, headers: Any = None, timestamp: int | None = None
    ) -> int:
        """Append one record and return its offset: visible, and on all brokers in sync."""
        delivery = self._cluster.appender.send(
            self.topic, value, key, headers, self.partition, timestamp
        )
        return int(delivery.result().offset)

    def append_many(
        self, values: Any, keys: Any = None, timestamps: Any = None, headers: Any = None
    ) -> int:
        """Append records; returns the offset of the first. Those of other writers may lie between them."""
        count, first = self._cluster.appender.append_many(
            self.topic, values, keys, self.partition, timestamps, headers
        )
        return first if count else self.end_offset

    def sync(self, offset: int | None = None) -> None:
        """Return when everything appended through this log is acknowledged by all brokers in sync."""
        self._cluster.appender.flush()

    def close(self) -> None:
        """Nothing of it is held open: it can be used on."""

    def __repr__(self) -> str:
        return f"<Partition {self.topic}-{self.partition} of {self._cluster.path}>"


class ClusterReader:
    """Records of a partition in offset order, from a position that moves. One thread at a time."""

    def __init__(
        self, partition: ClusterPartition, offset: int, *, read_committed: bool = False
    ) -> None:
        self.log = partition
        self.position = offset
        self.read_committed = read_committed

    def next_batch(self) -> NoReturn:
        """The cluster's client does not tell batches apart. Raises UnsupportedByEngine."""
        raise UnsupportedByEngine(what="PartitionReader.next_batch", instead="read()")

    def seek_batch(self, offset: int) -> NoReturn:
        """As next_batch."""
        raise UnsupportedByEngine(what="PartitionReader.seek_batch", instead="seek()")

    def seek(self, offset: int) -> None:
        """Go on at `offset`."""
        self.position = offset

    def seek_to_time(self, timestamp: int) -> tuple[int, int] | None:
        """Go to the first record at or after `timestamp` (ms): its offset and own time; None, and nothing moves."""
        found = self.log.offset_for_time(timestamp)
        if found is None:
            return None
        self.position = found
        return found, self.log.read(found).timestamp

    def read(self, max_records: int = 100_000, max_bytes: int = 1 << 20) -> RecordBatch:
        """What comes next; empty at the end. Raises OffsetOutOfRange, Timeout."""
        batch = self.log.read_batch(
            self.position, max_records, max_bytes, read_committed=self.read_committed
        )
        if len(batch):
            self.position = int(batch.offsets[-1]) + 1
        return batch
