"""Keys and values of `__consumer_offsets`, byte for byte as Kafka writes them.

A key begins with its version (int16), which says what kind of record it is: 0 and 1 a committed
offset, 2 the metadata of a classic group, 3 and above the metadata of newer kinds of group. A
value begins with its version too; a record without value (tombstone) takes back what its key says.
Source: OffsetCommitKey.json and OffsetCommitValue.json in Kafka's group-coordinator, 4.3.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from uuid import UUID

from logflume.errors import InvalidRecord

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
STRING_SIZE_MAX = 0x7FFF
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
    return b"".join(
        (
            OFFSET_COMMIT_KEY_VERSION.to_bytes(2, "big"),
            _string(group),
            _string(topic),
            partition.to_bytes(4, "big"),
        )
    )


def encode_value(value: OffsetCommitValue) -> bytes:
    """Value of a committed offset, in the version that Kafka 4 chooses for its fields.

    That is 3, or 4 where there is a topic id (the older versions lack it). Raises InvalidRecord
    when the metadata is too long or an expiry is set, which only version 1 had.
    """
    if value.expire_timestamp != NO_TIMESTAMP:
        raise InvalidRecord(reason="an expiry per commit belongs to value version 1, not written")
    fixed = struct.pack(">qi", value.offset, value.leader_epoch)
    stamp = struct.pack(">q", value.commit_timestamp)
    if value.topic_id is None:
        head = VALUE_VERSION_PLAIN.to_bytes(2, "big")
        return head + fixed + _string(value.metadata) + stamp
    text = value.metadata.encode("utf-8", "surrogatepass")
    return b"".join(
        (
            VALUE_VERSION_WITH_TOPIC_ID.to_bytes(2, "big"),
            fixed,
            _uvarint(len(text) + 1),
            text,
            stamp,
            b"\x01",  # one tagged field
            _uvarint(TAG_TOPIC_ID),
            _uvarint(16),
            value.topic_id.bytes,
        )
    )


def decode_key(data: bytes | memoryview) -> OffsetCommitKey | GroupMetadataKey | OtherKey:
    """What a record is about. Raises InvalidRecord for a key that ends early or goes on."""
    reader = _Reader(data, "key of __consumer_offsets")
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
    reader = _Reader(data, "value of __consumer_offsets")
    version = reader.int16()
    if not 0 <= version <= VALUE_VERSION_WITH_TOPIC_ID:
        raise InvalidRecord(reason=f"offset commit value of version {version}; known are 0 to 4")
    offset = reader.int64()
    leader_epoch = reader.int32() if version >= VALUE_VERSION_PLAIN else NO_LEADER_EPOCH
    flexible = version >= VALUE_VERSION_WITH_TOPIC_ID
    metadata = reader.compact_string() if flexible else reader.string()
    commit_timestamp = reader.int64()
    expire_timestamp = reader.int64() if version == 1 else NO_TIMESTAMP
    topic_id = reader.tagged_uuid(TAG_TOPIC_ID) if flexible else None
    reader.end()
    return OffsetCommitValue(
        offset, leader_epoch, metadata, commit_timestamp, expire_timestamp, topic_id
    )


def _string(text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    if len(data) > STRING_SIZE_MAX:
        raise InvalidRecord(reason=f"a string of {len(data)} bytes; {STRING_SIZE_MAX} is the most")
    return len(data).to_bytes(2, "big") + data


def _uvarint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


class _Reader:
    """Takes fields off the front of a buffer; every step is checked against its end."""

    def __init__(self, data: bytes | memoryview, what: str) -> None:
        self._data = bytes(data)
        self._position = 0
        self._what = what

    def _take(self, size: int) -> bytes:
        if not 0 <= size <= len(self._data) - self._position:
            raise InvalidRecord(reason=f"{self._what} ends early, at byte {len(self._data)}")
        start = self._position
        self._position += size
        return self._data[start : self._position]

    def int16(self) -> int:
        return int.from_bytes(self._take(2), "big", signed=True)

    def int32(self) -> int:
        return int.from_bytes(self._take(4), "big", signed=True)

    def int64(self) -> int:
        return int.from_bytes(self._take(8), "big", signed=True)

    def string(self) -> str:
        return self._text(self.int16())

    def compact_string(self) -> str:
        return self._text(self.uvarint() - 1)

    def _text(self, size: int) -> str:
        try:
            return self._take(size).decode("utf-8", "surrogatepass")
        except UnicodeDecodeError as error:
            raise InvalidRecord(reason=f"{self._what}: {error}") from error

    def uvarint(self) -> int:
        value = 0
        for shift in range(0, 35, 7):
            byte = self._take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise InvalidRecord(reason=f"{self._what} has a variable-length number over five bytes")

    def tagged_uuid(self, wanted_tag: int) -> UUID | None:
        """The id under a tag; other tagged fields are passed over, as the protocol asks."""
        found = None
        for _ in range(self.uvarint()):
            tag = self.uvarint()
            field = self._take(self.uvarint())
            if tag == wanted_tag:
                if len(field) != 16:
                    raise InvalidRecord(reason=f"{self._what} has a topic id of {len(field)} bytes")
                found = UUID(bytes=field)
        return found

    def end(self) -> None:
        if self._position != len(self._data):
            extra = len(self._data) - self._position
            raise InvalidRecord(reason=f"{self._what} goes on for {extra} bytes after its end")
