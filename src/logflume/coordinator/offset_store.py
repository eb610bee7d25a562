"""Committed offsets of groups: appended to a partition of `__consumer_offsets`, read back from it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from uuid import UUID

from logflume.config.names import check_group
from logflume.errors import InvalidRecord, LockTimeout, RecordTooLarge
from logflume.observe import get_logger
from logflume.types import OffsetAndMetadata, TopicPartition

from .internal_partition import Batch, InternalPartition, Reader, catch_up
from .offset_transactions import PendingCommits
from .offsets_schema import (
    NO_LEADER_EPOCH,
    OffsetCommitKey,
    OffsetCommitValue,
    decode_key,
    decode_value,
    encode_key,
    encode_value,
)

__all__ = ["METADATA_BYTES_MAX", "OffsetStore"]

METADATA_BYTES_MAX = 4096
"""Kafka's default of offset.metadata.max.bytes."""

BATCH_BYTES = 1 << 19

_logger = get_logger(__name__)


class OffsetStore:
    """The committed offsets in one partition of `__consumer_offsets`. Not thread-safe.

    Keeps the last value of every key in memory, as bytes, and reads what was appended since before
    it answers: so commits by other processes are seen, and the log alone is the truth. Borrows the
    partition, which its opener closes. Methods raise what reading and appending raise
    (CorruptRecord, DiskFull, Closed ...).

    `topic_id(topic)` gives a topic's id, if it has one. Then commits carry it, as Kafka 4 writes
    them, and one for an earlier topic of the same name, deleted since, is not taken for one of this.
    Commits of transactions count from their transaction's end on, when it was committed.
    `on_other(key, value)` is told of all other records that are read: a broker's groups.
    `lock_timeout_s`: how long writing may wait for the partition's lock, once; while its holder does not let go of it,
    further writes raise LockTimeout at once. By default as long as the directory says, each time.
    """

    def __init__(
        self,
        log: InternalPartition,
        *,
        topic_id: Callable[[str], UUID | None] | None = None,
        on_other: Callable[[bytes, bytes | None], None] | None = None,
        lock_timeout_s: float | None = None,
    ) -> None:
        self._log = log
        self._lock_timeout_s = lock_timeout_s
        self._stuck = False
        self.on_other = on_other
        self._topic_id = topic_id
        self._reader: Reader | None = None
        self._transactions = PendingCommits(log)
        self._latest: dict[bytes, bytes] = {}

    # Writing

    def commit(
        self,
        group: str,
        offsets: Mapping[TopicPartition, OffsetAndMetadata],
        *,
        durable: bool = True,
        now_ms: int | None = None,
    ) -> None:
        """Store where a group stands, in one batch.

        With `durable` it survives power loss when this returns, without it the death of the
        process. `now_ms` (ms since 1970) is the commit's time, the wall clock's by default. Raises
        InvalidGroup, InvalidRecord (a negative offset), RecordTooLarge (a note over
        METADATA_BYTES_MAX bytes); then nothing is stored.
        """
        keys, values = self.encode(group, offsets, now_ms=now_ms)
        self._append(keys, values, durable=durable)

    def encode(
        self,
        group: str,
        offsets: Mapping[TopicPartition, OffsetAndMetadata],
        *,
        now_ms: int | None = None,
    ) -> tuple[list[bytes], list[bytes | None]]:
        """Keys and values of what `commit` would append, for a producer that appends them in its transaction."""
        check_group(group)
        stamp = time.time_ns() // 1_000_000 if now_ms is None else now_ms
        keys = [encode_key(group, topic, partition) for topic, partition in offsets]
        values = [self._value(where.topic, entry, stamp) for where, entry in offsets.items()]
        return keys, values

    def delete(
        self,
        group: str,
        partitions: Iterable[TopicPartition] | None = None,
        *,
        durable: bool = True,
    ) -> int:
        """Forget a group's offsets, all or those named, by tombstones; returns how many there were."""
        wanted = None if partitions is None else set(partitions)
        return self._delete(
            lambda key: (
                key.group == group
                and (wanted is None or TopicPartition(key.topic, key.partition) in wanted)
            ),
            durable=durable,
        )

    def delete_topic(self, topic: str, *, durable: bool = True) -> int:
        """Forget all groups' offsets of a topic that is deleted; returns how many there were."""
        return self._delete(lambda key: key.topic == topic, durable=durable)

    def append(self, records: Sequence[tuple[bytes, bytes | None]], *, durable: bool) -> None:
        """Append other records (keys and values, a broker's groups) in one batch."""
        keys, values = [key for key, _ in records], [value for _, value in records]
        self._append(keys, values, durable=durable)

    # Reading

    def committed(self, group: str, partition: TopicPartition) -> OffsetAndMetadata | None:
        """Where the group stands in a partition; None when it never committed there.

        Raises InvalidRecord when the stored value is not one.
        """
        self.refresh()
        key = encode_key(group, *partition)
        data = self._latest.get(key)
        if data is None:
            # Version 0, of Kafka before 0.9: the same but for the number.
            data = self._latest.get(b"\0\0" + key[2:])
        return None if data is None else self._entry(group, partition, data)

    def offsets(self, group: str) -> dict[TopicPartition, OffsetAndMetadata]:
        """Everything a group committed, sorted by partition."""
        self.refresh()
        found = {
            TopicPartition(key.topic, key.partition) for key in self._keys() if key.group == group
        }
        entries = {partition: self.committed(group, partition) for partition in sorted(found)}
        return {partition: entry for partition, entry in entries.items() if entry is not None}

    def everything(self) -> Iterator[tuple[str, TopicPartition, OffsetAndMetadata]]:
        """What all groups committed, in one go."""
        self.refresh()
        found = {(key.group, TopicPartition(key.topic, key.partition)) for key in self._keys()}
        for group, where in found:
            entry = self.committed(group, where)
            if entry is not None:
                yield group, where, entry

    def groups(self) -> list[str]:
        """Groups with committed offsets here, sorted."""
        self.refresh()
        return sorted({key.group for key in self._keys()})

    def refresh(self) -> None:
        """Read what was appended since the last time, by whomever."""
        if self._reader is None:
            self._reader = self._log.reader(self._log.start_offset)
        catch_up(self._log, self._reader, self._take_batch)

    def _take_batch(self, batch: Batch, first: int) -> None:
        assert self._reader is not None
        self._take(self._transactions.sift(batch, first, self._reader.position))

    def is_undecided(self, group: str, partition: TopicPartition) -> bool:
        """Whether a transaction is open that may move the group's position here (Kafka's UNSTABLE_OFFSET_COMMIT)."""
        self.refresh()
        return self._transactions.has(encode_key(group, *partition))

    def _take(self, records: Iterable[tuple[bytes | None, bytes | None]]) -> None:
        for key, value in records:
            # Only committed offsets are kept; a broker's own notes on groups can be large.
            if key is None or key[:2] not in (b"\0\1", b"\0\0"):
                if key is not None and self.on_other is not None:
                    self.on_other(key, value)
                continue
            if value is None:
                self._latest.pop(key, None)
            else:
                self._latest[key] = value

    def _keys(self) -> list[OffsetCommitKey]:
        found = []
        for data in self._latest:
            try:
                key = decode_key(data)
            except InvalidRecord as error:
                _logger.warning(
                    "unreadable commit passed over", path=self._log.path, why=str(error)
                )
                continue
            if isinstance(key, OffsetCommitKey):
                found.append(key)
        return found

    def _value(self, topic: str, entry: OffsetAndMetadata, stamp: int) -> bytes | None:
        if entry.offset < 0:
            raise InvalidRecord(reason=f"offset {entry.offset} cannot be committed")
        size = len(entry.metadata.encode("utf-8", "surrogatepass"))
        if size > METADATA_BYTES_MAX:
            raise RecordTooLarge(
                size=size, limit=METADATA_BYTES_MAX, property="offset.metadata.max.bytes"
            )
        epoch = NO_LEADER_EPOCH if entry.leader_epoch is None else entry.leader_epoch
        topic_id = self._topic_id(topic) if self._topic_id is not None else None
        return encode_value(
            OffsetCommitValue(entry.offset, epoch, entry.metadata, stamp, topic_id=topic_id)
        )

    def _entry(
        self, group: str, partition: TopicPartition, data: bytes
    ) -> OffsetAndMetadata | None:
        try:
            value = decode_value(data)
        except InvalidRecord as error:
            where = f"commit of group {group!r} for {partition} in {self._log.path}"
            raise InvalidRecord(reason=f"{where}: {error.reason}") from error
        if value.topic_id is not None and self._topic_id is not None:
            present = self._topic_id(partition.topic)
            if present is not None and present != value.topic_id:
                return None
        epoch = None if value.leader_epoch == NO_LEADER_EPOCH else value.leader_epoch
        return OffsetAndMetadata(value.offset, value.metadata, epoch)

    def _delete(self, is_wanted: Callable[[OffsetCommitKey], bool], *, durable: bool) -> int:
        self.refresh()
        keys = []
        for data in self._latest:
            try:
                key = decode_key(data)
            except InvalidRecord:
                continue  # `groups` tells of it
            if isinstance(key, OffsetCommitKey) and is_wanted(key):
                keys.append(data)
        self._append(keys, [None] * len(keys), durable=durable)
        return len(keys)

    def _append(
        self, keys: Sequence[bytes], values: Sequence[bytes | None], *, durable: bool
    ) -> None:
        if not keys:
            return
        wait_s = 0.0 if self._stuck else self._lock_timeout_s
        try:
            first = self._log.append_many(
                values, keys, batch_bytes=BATCH_BYTES, lock_timeout_s=wait_s
            )
        except LockTimeout:
            self._stuck = self._lock_timeout_s is not None
            raise
        self._stuck = False
        if durable:
            self._log.sync(first + len(keys))
