"""Records of `__consumer_offsets` that say who is in a group, byte for byte as Kafka writes them.

| key | says | value |
|---|---|---|
| 2 | classic group: generation, leader, members with subscription and assignment | versions 0 to 4, written as 3 |
| 3 | consumer group: its epoch | version 0 |
| 4 | consumer group: partition counts (before Kafka 4.1); only ever taken back here | |
| 5 | consumer group: a member and what it subscribes to | version 0 |
| 6 | consumer group: epoch of the target assignment | version 0 |
| 7 | consumer group: a member's target | version 0 |
| 8 | consumer group: what a member has, its epoch, what it must give up | version 0 |
| 10–15 | share groups: see `share_records` | |
| 16 | consumer group: topics that a regular expression stood for | version 0 |

A record without value takes back what its key says. Source: the schemas of Kafka's group-coordinator, 4.x.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID

from logflume.errors import InvalidRecord

from .record_fields import FieldReader, FieldWriter

__all__ = [
    "ClassicMemberRecord",
    "ClassicMetadata",
    "CurrentAssignment",
    "GroupKey",
    "IdPartition",
    "MemberMetadata",
    "Record",
    "decode_classic",
    "decode_current",
    "decode_epoch",
    "decode_group_key",
    "decode_member",
    "decode_regex",
    "decode_target",
    "encode_classic",
    "encode_current",
    "encode_epoch",
    "encode_group_key",
    "encode_member",
    "encode_regex",
    "encode_target",
    "ended",
    "flexible",
    "read_partitions",
    "write_partitions",
]

CLASSIC_GROUP = 2
CONSUMER_GROUP = 3
PARTITION_METADATA = 4
CONSUMER_MEMBER = 5
TARGET_EPOCH = 6
TARGET_MEMBER = 7
CURRENT_MEMBER = 8
SHARE_MEMBER = 10
SHARE_GROUP = 11
SHARE_TARGET_EPOCH = 12
SHARE_TARGET = 13
SHARE_CURRENT = 14
SHARE_PARTITIONS = 15
REGEX = 16

SHARE_KEYS = range(SHARE_MEMBER, SHARE_PARTITIONS + 1)
_OF_GROUPS = {
    CLASSIC_GROUP,
    CONSUMER_GROUP,
    PARTITION_METADATA,
    TARGET_EPOCH,
    SHARE_GROUP,
    SHARE_TARGET_EPOCH,
    SHARE_PARTITIONS,
}
_OF_MEMBERS = {CONSUMER_MEMBER, TARGET_MEMBER, CURRENT_MEMBER, REGEX}
_OF_MEMBERS |= {SHARE_MEMBER, SHARE_TARGET, SHARE_CURRENT}

CLASSIC_VALUE_VERSION = 3
NO_TIMESTAMP = -1
TAG_CLASSIC_MEMBER = 0
STRUCT_FOLLOWS = 1
"""Before a structure that may be null, in flexible versions; null is -1."""

Record = tuple[bytes, bytes | None]
"""Key and value; None takes back."""

IdPartition = tuple[UUID, int]
"""A partition by its topic's id, so that a topic made anew under the old name is another one."""

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class GroupKey:
    """What a record is about; `detail` is the member's id, or the regular expression, or ""."""

    version: int
    group: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ClassicMemberRecord:
    """A member of a classic group."""

    member_id: str
    instance_id: str | None
    client_id: str
    client_host: str
    rebalance_timeout_ms: int
    session_timeout_ms: int
    subscription: bytes
    assignment: bytes


@dataclass(frozen=True, slots=True)
class ClassicMetadata:
    """A classic group of one generation. `state_since_ms` is the wall clock, ms since 1970."""

    protocol_type: str
    generation: int
    protocol: str | None
    leader: str | None
    state_since_ms: int = NO_TIMESTAMP
    members: tuple[ClassicMemberRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class MemberMetadata:
    """A member of a consumer group as it described itself.

    `classic` is there for one that speaks the classic protocol: its session timeout (ms) and
    protocols with their metadata.
    """

    instance_id: str | None
    rack_id: str | None
    client_id: str
    client_host: str
    topics: tuple[str, ...]
    regex: str | None
    rebalance_timeout_ms: int
    assignor: str | None
    classic: tuple[int, tuple[tuple[str, bytes], ...]] | None = None


@dataclass(frozen=True, slots=True)
class CurrentAssignment:
    """Where a member of a consumer group stands. `state` is Kafka's number (see `consumer_member`)."""

    epoch: int
    previous_epoch: int
    state: int
    assigned: frozenset[IdPartition] = field(default_factory=frozenset)
    revoking: frozenset[IdPartition] = field(default_factory=frozenset)


# Keys


def encode_group_key(version: int, group: str, detail: str | None = None) -> bytes:
    """Key of a record; `detail` for the versions that have two fields: of members, and of expressions."""
    out = FieldWriter(version)
    out.string(group)
    if detail is not None:
        out.string(detail)
    return out.done()


def decode_group_key(data: bytes | memoryview) -> GroupKey | None:
    """The key; None for kinds that are not kept here (streams groups). Raises InvalidRecord."""
    reader = FieldReader(data, "key of __consumer_offsets")
    version = reader.int16()
    if version in _OF_GROUPS:
        key = GroupKey(version, reader.string())
    elif version in _OF_MEMBERS:
        key = GroupKey(version, reader.string(), reader.string())
    else:
        return None
    reader.end()
    return key


# Classic groups


def encode_classic(value: ClassicMetadata) -> bytes:
    """Value of key 2, in version 3: the one that Kafka 2.3 and later write."""
    out = FieldWriter(CLASSIC_VALUE_VERSION)
    out.string(value.protocol_type)
    out.int32(value.generation)
    out.string(value.protocol)
    out.string(value.leader)
    out.int64(value.state_since_ms)
    out.array(value.members, _write_classic_member)
    return out.done()


def _write_classic_member(out: FieldWriter, member: ClassicMemberRecord) -> None:
    out.string(member.member_id)
    out.string(member.instance_id)
    out.string(member.client_id)
    out.string(member.client_host)
    out.int32(member.rebalance_timeout_ms)
    out.int32(member.session_timeout_ms)
    out.bytes_(member.subscription)
    out.bytes_(member.assignment)


def decode_classic(data: bytes) -> ClassicMetadata:
    """The reverse, of versions 0 to 4. Raises InvalidRecord."""
    reader = FieldReader(data, "metadata of a classic group")
    version = reader.int16()
    if not 0 <= version <= 4:
        raise InvalidRecord(reason=f"classic group of version {version}; known are 0 to 4")
    reader.flexible = version >= 4

    def member(reader: FieldReader) -> ClassicMemberRecord:
        member_id = reader.string()
        instance_id = reader.string_or_none() if version >= 3 else None
        client_id, client_host = reader.string(), reader.string()
        rebalance_ms = reader.int32() if version >= 1 else None
        session_ms = reader.int32()
        found = ClassicMemberRecord(
            member_id,
            instance_id,
            client_id,
            client_host,
            session_ms if rebalance_ms is None else rebalance_ms,
            session_ms,
            reader.bytes_(),
            reader.bytes_(),
        )
        reader.tags()
        return found

    value = ClassicMetadata(
        protocol_type=reader.string(),
        generation=reader.int32(),
        protocol=reader.string_or_none(),
        leader=reader.string_or_none(),
        state_since_ms=reader.int64() if version >= 2 else NO_TIMESTAMP,
        members=tuple(reader.array(member)),
    )
    return ended(reader, value)


# Consumer groups


def encode_epoch(epoch: int) -> bytes:
    """Value of the keys 3 (the group's epoch) and 6 (the target assignment's)."""
    out = FieldWriter(0, flexible=True)
    out.int32(epoch)
    out.tags()
    return out.done()


def decode_epoch(data: bytes) -> int:
    """The reverse. Raises InvalidRecord."""
    reader = flexible(data, "epoch of a consumer group")
    return ended(reader, reader.int32())


def encode_member(value: MemberMetadata) -> bytes:
    """Value of key 5."""
    out = FieldWriter(0, flexible=True)
    out.string(value.instance_id)
    out.string(value.rack_id)
    out.string(value.client_id)
    out.string(value.client_host)
    out.array(value.topics, FieldWriter.string)
    out.string(value.regex)
    out.int32(value.rebalance_timeout_ms)
    out.string(value.assignor)
    out.tags({} if value.classic is None else {TAG_CLASSIC_MEMBER: _classic_part(*value.classic)})
    return out.done()


def _classic_part(session_timeout_ms: int, protocols: Iterable[tuple[str, bytes]]) -> bytes:
    def protocol(out: FieldWriter, named: tuple[str, bytes]) -> None:
        out.string(named[0])
        out.bytes_(named[1])
        out.tags()

    out = FieldWriter(flexible=True)
    out.int8(STRUCT_FOLLOWS)
    out.int32(session_timeout_ms)
    out.array(protocols, protocol)
    out.tags()
    return out.done()


def decode_member(data: bytes) -> MemberMetadata:
    """The reverse. Raises InvalidRecord."""
    reader = flexible(data, "member of a consumer group")
    fields = {
        "instance_id": reader.string_or_none(),
        "rack_id": reader.string_or_none(),
    }
    client_id, client_host = reader.string(), reader.string()
    topics = tuple(reader.array(FieldReader.string))
    # Kafka writes an empty expression for none.
    regex = reader.string_or_none() or None
    rebalance_ms = reader.int32()
    assignor = reader.string_or_none()
    part = reader.tags().get(TAG_CLASSIC_MEMBER)
    reader.end()
    classic = None if part is None else _decode_classic_part(part)
    return MemberMetadata(
        **fields,
        client_id=client_id,
        client_host=client_host,
        topics=topics,
        regex=regex,
        rebalance_timeout_ms=rebalance_ms,
        assignor=assignor,
        classic=classic,
    )


def _decode_classic_part(data: bytes) -> tuple[int, tuple[tuple[str, bytes], ...]] | None:
    def protocol(reader: FieldReader) -> tuple[str, bytes]:
        named = (reader.string(), reader.bytes_())
        reader.tags()
        return named

    reader = FieldReader(data, "classic member of a consumer group", flexible=True)
    if reader.int8() != STRUCT_FOLLOWS:
        return None
    return ended(reader, (reader.int32(), tuple(reader.array(protocol))))


def encode_target(partitions: Iterable[IdPartition]) -> bytes:
    """Value of key 7."""
    out = FieldWriter(0, flexible=True)
    write_partitions(out, partitions)
    out.tags()
    return out.done()


def decode_target(data: bytes) -> frozenset[IdPartition]:
    """The reverse. Raises InvalidRecord."""
    reader = flexible(data, "target of a member")
    return ended(reader, read_partitions(reader))


def encode_current(value: CurrentAssignment) -> bytes:
    """Value of key 8."""
    out = FieldWriter(0, flexible=True)
    out.int32(value.epoch)
    out.int32(value.previous_epoch)
    out.int8(value.state)
    write_partitions(out, value.assigned)
    write_partitions(out, value.revoking)
    out.tags()
    return out.done()


def decode_current(data: bytes) -> CurrentAssignment:
    """The reverse. Raises InvalidRecord."""
    reader = flexible(data, "assignment of a member")
    value = CurrentAssignment(
        reader.int32(),
        reader.int32(),
        reader.int8(),
        read_partitions(reader),
        read_partitions(reader),
    )
    return ended(reader, value)


def encode_regex(topics: Iterable[str], version: int, now_ms: int) -> bytes:
    """Value of key 16: what an expression stood for, at which version of the topics, when (wall clock, ms)."""
    out = FieldWriter(0, flexible=True)
    out.array(topics, FieldWriter.string)
    out.int64(version)
    out.int64(now_ms)
    out.tags()
    return out.done()


def decode_regex(data: bytes) -> tuple[str, ...]:
    """The topics. Raises InvalidRecord."""
    reader = flexible(data, "regular expression of a consumer group")
    topics = tuple(reader.array(FieldReader.string))
    reader.int64()
    reader.int64()
    return ended(reader, topics)


def flexible(data: bytes, what: str) -> FieldReader:
    """A reader behind the version of a value, which has to be 0. Raises InvalidRecord."""
    reader = FieldReader(data, what, flexible=True)
    version = reader.int16()
    if version != 0:
        raise InvalidRecord(reason=f"{what} of version {version}; known is 0")
    return reader


def ended(reader: FieldReader, value: _Value) -> _Value:
    """The value, if that was all of its bytes. Raises InvalidRecord."""
    reader.tags()
    reader.end()
    return value


def write_partitions(out: FieldWriter, partitions: Iterable[IdPartition]) -> None:
    """By topic, sorted."""
    by_topic: dict[UUID, list[int]] = {}
    for topic_id, number in sorted(partitions):
        by_topic.setdefault(topic_id, []).append(number)

    def topic(out: FieldWriter, item: tuple[UUID, list[int]]) -> None:
        out.uuid(item[0])
        out.int32s(item[1])
        out.tags()

    out.array(by_topic.items(), topic)


def read_partitions(reader: FieldReader) -> frozenset[IdPartition]:
    """The reverse. Raises InvalidRecord."""

    def topic(reader: FieldReader) -> list[IdPartition]:
        topic_id = reader.uuid()
        found = [(topic_id, number) for number in reader.array(FieldReader.int32)]
        reader.tags()
        return found

    read: Callable[[FieldReader], list[IdPartition]] = topic
    return frozenset(partition for found in reader.array(read) for partition in found)
