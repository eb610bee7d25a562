"""Keys and values of `__consumer_offsets`, byte for byte as Kafka writes them.

A key begins with its version (int16), which says what kind of record it is: 0 and 1 a committed
offset, 2 the metadata of a classic group, 3 and above the metadata of newer kinds of group. A
value begins with its version too; a record without value (tombstone) takes back what its key says.
Source: OffsetCommitKey.json and OffsetCommitValue.json in Kafka's group-coordinator, 4.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from logflume.errors import InvalidRecord

from .record_fields import FieldReader, FieldWriter

__all__ = [
    "GroupMetadataKey",
    "OffsetCommitKey",
    "OffsetCommitValue",
    "OtherKey",
    "decode_key",
    "decode_value",
    "encode_key",
    "encode_value",
    "java_hash",
    "partition_for",
]

OFFSET_COMMIT_KEY_VERSION = 1
GROUP_METADATA_KEY_VERSION = 2
VALUE_VERSION_PLAIN = 3
VALUE_VERSION_WITH_TOPIC_ID = 4
NO_TIMESTAMP = -1
NO_LEADER_EPOCH = -1
TAG_TOPIC_ID = 0


@dataclass(frozen=True, slots=True)
class OffsetCommitKey:
    """A group's position in one partition."""

    group: str
    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class GroupMetadataKey:
    """Members of a classic group (Kafka's own); ours live in the group's file."""

    group: str


@dataclass(frozen=True, slots=True)
class OtherKey:
    """A key of a version that has no meaning here: newer groups, share groups, streams."""

    version: int


@dataclass(frozen=True, slots=True)
class OffsetCommitValue:
    """A committed offset: of the next record to read.

    `commit_timestamp` and `expire_timestamp` in ms since 1970; the latter is -1 except in
    version 1. `topic_id` is there when the committer named the topic by id (version 4).
    """

    offset: int
    leader_epoch: int = NO_LEADER_EPOCH
    metadata: str = ""
    commit_timestamp: int = NO_TIMESTAMP
    expire_timestamp: int = NO_TIMESTAMP
    topic_id: UUID | None = None


def java_hash(text: str) -> int:
    """Java's `String.hashCode`: over UTF-16 units, a signed 32-bit number."""
    value = 0
    for unit in memoryview(text.encode("utf-16-le", "surrogatepass")).cast("H"):
        value = (31 * value + unit) & 0xFFFFFFFF
    return value - (1 << 32) if value >> 31 else value


def partition_for(group: str, partition_count: int) -> int:
    """The partition of `__consumer_offsets` that holds a group's offsets, as Kafka computes it."""
    value = java_hash(group)
    # Kafka's Utils.abs: the one number that has no positive counterpart becomes 0.
    return 0 if value == -(1 << 31) else abs(value) % partition_count


def encode_key(group: str, topic: str, partition: int) -> bytes:
    """Key of a committed offset. Raises InvalidRecord when a name is too long."""
    out = FieldWriter(OFFSET_COMMIT_KEY_VERSION)
    out.string(group)
    out.string(topic)
    out.int32(partition)
    return out.done()


def encode_value(value: OffsetCommitValue) -> bytes:
    """Value of a committed offset, in the version that Kafka 4 chooses for its fields.

    That is 3, or 4 where there is a topic id (the older versions lack it). Raises InvalidRecord
    when the metadata is too long or an expiry is set, which only version 1 had.
    """
    if value.expire_timestamp != NO_TIMESTAMP:
        raise InvalidRecord(reason="an expiry per commit belongs to value version 1, not written")
    plain = value.topic_id is None
    version = VALUE_VERSION_PLAIN if plain else VALUE_VERSION_WITH_TOPIC_ID
    out = FieldWriter(version, flexible=not plain)
    out.int64(value.offset)
    out.int32(value.leader_epoch)
    out.string(value.metadata)
    out.int64(value.commit_timestamp)
    if value.topic_id is not None:
        out.tags({TAG_TOPIC_ID: value.topic_id.bytes})
    return out.done()


def decode_key(data: bytes | memoryview) -> OffsetCommitKey | GroupMetadataKey | OtherKey:
    """What a record is about. Raises InvalidRecord for a key that ends early or goes on."""
    reader = FieldReader(data, "key of __consumer_offsets")
    version = reader.int16()
    if version in (0, OFFSET_COMMIT_KEY_VERSION):
        key = OffsetCommitKey(
            group=reader.string(), topic=reader.string(), partition=reader.int32()
        )
        reader.end()
        return key
    if version == GROUP_METADATA_KEY_VERSION:
        group = GroupMetadataKey(group=reader.string())
        reader.end()
        return group
    return OtherKey(version=version)


def decode_value(data: bytes | memoryview) -> OffsetCommitValue:
    """A committed offset, of version 0 to 4. Raises InvalidRecord for anything else."""
    reader = FieldReader(data, "value of __consumer_offsets")
    version = reader.int16()
    if not 0 <= version <= VALUE_VERSION_WITH_TOPIC_ID:
        raise InvalidRecord(reason=f"offset commit value of version {version}; known are 0 to 4")
    offset = reader.int64()
    leader_epoch = reader.int32() if version >= VALUE_VERSION_PLAIN else NO_LEADER_EPOCH
    reader.flexible = version >= VALUE_VERSION_WITH_TOPIC_ID
    metadata = reader.string()
    commit_timestamp = reader.int64()
    expire_timestamp = reader.int64() if version == 1 else NO_TIMESTAMP
    topic_id = reader.tagged_uuid(TAG_TOPIC_ID)
    reader.end()
    return OffsetCommitValue(
        offset, leader_epoch, metadata, commit_timestamp, expire_timestamp, topic_id
    )
