"""Keys and values of `__share_group_state`, byte for byte as Kafka writes them.

A key begins with what kind of record it is (int16): 0 a snapshot, the whole state of one share partition; 1 an
update, what changed since. A snapshot without value takes the state back.
Source: ShareSnapshotKey/Value.json and ShareUpdateKey/Value.json of Kafka's share-coordinator, 4.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from logflume.coordinator.offsets_schema import java_hash
from logflume.coordinator.record_fields import FieldReader, FieldWriter
from logflume.errors import InvalidRecord
from logflume.types import NamedTuple

from .states import RecordState, StateBatch

__all__ = [
    "NO_EPOCH",
    "NO_OFFSET",
    "ShareKey",
    "Snapshot",
    "Update",
    "decode_key",
    "decode_snapshot",
    "decode_update",
    "encode_snapshot",
    "encode_snapshot_key",
    "encode_update",
    "encode_update_key",
    "state_partition_for",
    "topic_uuid",
]

SNAPSHOT_KEY = 0
UPDATE_KEY = 1
VALUE_VERSION = 0
TAG_COMPLETE_COUNT = 0
NO_COUNT = -1
NO_OFFSET = -1
"""A state that was made, and whose start is chosen when it is first read; an update that moves no start."""
NO_EPOCH = -1

_DURABLE = (RecordState.AVAILABLE, RecordState.ACKNOWLEDGED, RecordState.ARCHIVED)


class ShareKey(NamedTuple):
    """A share partition: what a group does with a partition of a topic."""

    group: str
    topic_id: UUID
    partition: int


@dataclass(frozen=True, slots=True)
class Update:
    """What changed. `complete_count`: offsets from the start on that are done; -1 in what Kafka before 4.2 wrote."""

    snapshot_epoch: int
    leader_epoch: int
    start_offset: int
    complete_count: int
    batches: tuple[StateBatch, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All there is. Times in ms since 1970. `state_epoch` grows when somebody resets the state."""

    snapshot_epoch: int
    state_epoch: int
    leader_epoch: int
    start_offset: int
    complete_count: int
    create_ms: int
    write_ms: int
    batches: tuple[StateBatch, ...]


def topic_uuid(text: str) -> UUID:
    """A topic's id from Kafka's 22 characters. Raises InvalidRecord."""
    from base64 import urlsafe_b64decode

    try:
        return UUID(bytes=urlsafe_b64decode(text + "=="))
    except ValueError as error:
        raise InvalidRecord(reason=f"topic id {text!r}: {error}") from error


def state_partition_for(key: ShareKey, partition_count: int) -> int:
    """The partition of `__share_group_state` that has the state, as Kafka computes it."""
    from base64 import urlsafe_b64encode

    topic_id = urlsafe_b64encode(key.topic_id.bytes).rstrip(b"=").decode()
    value = java_hash(f"{key.group}:{topic_id}:{key.partition}")
    return 0 if value == -(1 << 31) else abs(value) % partition_count


# Keys


def encode_snapshot_key(key: ShareKey) -> bytes:
    """Key of a snapshot."""
    return _key(SNAPSHOT_KEY, key)


def encode_update_key(key: ShareKey) -> bytes:
    """Key of an update."""
    return _key(UPDATE_KEY, key)


def _key(kind: int, key: ShareKey) -> bytes:
    out = FieldWriter(kind)
    out.string(key.group)
    out.uuid(key.topic_id)
    out.int32(key.partition)
    return out.done()


def decode_key(data: bytes | memoryview) -> tuple[bool, ShareKey] | None:
    """(whether it is a snapshot's, whose it is); None for kinds that are not known here. Raises InvalidRecord."""
    reader = FieldReader(data, "key of __share_group_state")
    kind = reader.int16()
    if kind not in (SNAPSHOT_KEY, UPDATE_KEY):
        return None
    key = ShareKey(reader.string(), reader.uuid(), reader.int32())
    reader.end()
    return kind == SNAPSHOT_KEY, key


# Values


def encode_snapshot(value: Snapshot) -> bytes:
    """Value of a snapshot."""
    out = FieldWriter(VALUE_VERSION, flexible=True)
    out.int32(value.snapshot_epoch)
    out.int32(value.state_epoch)
    out.int32(value.leader_epoch)
    out.int64(value.start_offset)
    out.int64(value.create_ms)
    out.int64(value.write_ms)
    _write_batches(out, value.batches)
    _write_count(out, value.complete_count)
    return out.done()


def decode_snapshot(data: bytes | memoryview) -> Snapshot:
    """The reverse. Raises InvalidRecord."""
    reader = _reader(data, "snapshot of a share partition")
    epochs = reader.int32(), reader.int32(), reader.int32()
    start = reader.int64()
    times = reader.int64(), reader.int64()
    batches = tuple(reader.array(_read_batch))
    return Snapshot(*epochs, start, _read_count(reader), *times, batches)


def encode_update(value: Update) -> bytes:
    """Value of an update."""
    out = FieldWriter(VALUE_VERSION, flexible=True)
    out.int32(value.snapshot_epoch)
    out.int32(value.leader_epoch)
    out.int64(value.start_offset)
    _write_batches(out, value.batches)
    _write_count(out, value.complete_count)
    return out.done()


def decode_update(data: bytes | memoryview) -> Update:
    """The reverse. Raises InvalidRecord."""
    reader = _reader(data, "update of a share partition")
    epochs = reader.int32(), reader.int32()
    start = reader.int64()
    batches = tuple(reader.array(_read_batch))
    return Update(*epochs, start, _read_count(reader), batches)


def _reader(data: bytes | memoryview, what: str) -> FieldReader:
    reader = FieldReader(data, what, flexible=True)
    version = reader.int16()
    if version != VALUE_VERSION:
        raise InvalidRecord(reason=f"{what} of version {version}; known is {VALUE_VERSION}")
    return reader


def _write_batches(out: FieldWriter, batches: Sequence[StateBatch]) -> None:
    def batch(out: FieldWriter, item: StateBatch) -> None:
        out.int64(item.first)
        out.int64(item.last)
        out.int8(item.state)
        out.int16(item.delivery_count)
        out.tags()

    out.array(batches, batch)


def _read_batch(reader: FieldReader) -> StateBatch:
    first, last, state, count = reader.int64(), reader.int64(), reader.int8(), reader.int16()
    reader.tags()
    if state not in _DURABLE or not 0 <= first <= last:
        raise InvalidRecord(
            reason=f"offsets {first} to {last} of a share partition in state {state}"
        )
    return StateBatch(first, last, RecordState(state), count)


def _write_count(out: FieldWriter, count: int) -> None:
    out.tags(
        {} if count == NO_COUNT else {TAG_COMPLETE_COUNT: count.to_bytes(4, "big", signed=True)}
    )


def _read_count(reader: FieldReader) -> int:
    field = reader.tags().get(TAG_COMPLETE_COUNT)
    reader.end()
    return NO_COUNT if field is None else int.from_bytes(field, "big", signed=True)
