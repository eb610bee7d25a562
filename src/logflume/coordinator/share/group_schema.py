"""The two records of `__consumer_offsets` by which a Kafka knows of a share group that embedded members made.

| Key | Says |
|---|---|
| 11 | there is a share group, of which epoch |
| 15 | the topics whose share partitions have a state in `__share_group_state` |

Source: ShareGroupMetadataKey/Value.json and ShareGroupStatePartitionMetadataKey/Value.json, Kafka 4.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from logflume.coordinator.record_fields import FieldReader, FieldWriter
from logflume.errors import InvalidRecord

__all__ = [
    "InitializedTopic",
    "StatePartitions",
    "decode_state_partitions",
    "decode_share_group_key",
    "encode_group",
    "encode_group_key",
    "encode_state_partitions",
    "encode_state_partitions_key",
]

SHARE_GROUP = 11
STATE_PARTITIONS = 15


@dataclass(frozen=True, slots=True)
class InitializedTopic:
    """A topic, and those of its partitions that have a state."""

    topic_id: UUID
    name: str
    partitions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class StatePartitions:
    """Value of key 15: what is being made, what is there, and (by id and name) what is being deleted."""

    initializing: tuple[InitializedTopic, ...] = ()
    initialized: tuple[InitializedTopic, ...] = ()
    deleting: tuple[tuple[UUID, str], ...] = ()


def encode_group_key(group: str) -> bytes:
    """Key of a group's epoch."""
    return _key(SHARE_GROUP, group)


def encode_state_partitions_key(group: str) -> bytes:
    """Key of a group's topics."""
    return _key(STATE_PARTITIONS, group)


def _key(kind: int, group: str) -> bytes:
    out = FieldWriter(kind)
    out.string(group)
    return out.done()


def decode_share_group_key(data: bytes | memoryview) -> tuple[int, str] | None:
    """(kind, group) of one of these two keys; None for any other. Raises InvalidRecord."""
    reader = FieldReader(data, "key of a share group")
    kind = reader.int16()
    if kind not in (SHARE_GROUP, STATE_PARTITIONS):
        return None
    group = reader.string()
    reader.end()
    return kind, group


def encode_group(epoch: int, metadata_hash: int = 0) -> bytes:
    """Value of key 11."""
    out = FieldWriter(0, flexible=True)
    out.int32(epoch)
    out.int64(metadata_hash)
    out.tags()
    return out.done()


def encode_state_partitions(value: StatePartitions) -> bytes:
    """Value of key 15."""

    def topic(out: FieldWriter, item: InitializedTopic) -> None:
        out.uuid(item.topic_id)
        out.string(item.name)
        out.int32s(item.partitions)
        out.tags()

    def named(out: FieldWriter, item: tuple[UUID, str]) -> None:
        out.uuid(item[0])
        out.string(item[1])
        out.tags()

    out = FieldWriter(0, flexible=True)
    out.array(value.initializing, topic)
    out.array(value.initialized, topic)
    out.array(value.deleting, named)
    out.tags()
    return out.done()


def decode_state_partitions(data: bytes | memoryview) -> StatePartitions:
    """The reverse. Raises InvalidRecord."""

    def topic(reader: FieldReader) -> InitializedTopic:
        found = InitializedTopic(
            reader.uuid(), reader.string(), tuple(reader.array(FieldReader.int32))
        )
        reader.tags()
        return found

    def named(reader: FieldReader) -> tuple[UUID, str]:
        found = reader.uuid(), reader.string()
        reader.tags()
        return found

    reader = FieldReader(data, "topics of a share group", flexible=True)
    version = reader.int16()
    if version != 0:
        raise InvalidRecord(reason=f"topics of a share group of version {version}; known is 0")
    value = StatePartitions(
        tuple(reader.array(topic)), tuple(reader.array(topic)), tuple(reader.array(named))
    )
    reader.tags()
    reader.end()
    return value
