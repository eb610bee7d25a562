"""Records of `__consumer_offsets` that say who is in a share group (KIP-932), as Kafka 4.1 and later write them.

| key | says | value |
|---|---|---|
| 10 | a member and what it subscribes to | version 0 |
| 11 | the group's epoch, and a hash of its topics | version 0 |
| 12 | epoch of the target assignment | version 0, as that of key 6 |
| 13 | a member's target | version 0, as that of key 7 |
| 14 | what a member has, and its epoch | version 0 |
| 15 | partitions whose state is begun, there, or about to go | version 0 |

The state of share partitions itself is in `__share_group_state`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from .group_records import (
    SHARE_CURRENT,
    SHARE_GROUP,
    SHARE_MEMBER,
    SHARE_PARTITIONS,
    SHARE_TARGET,
    SHARE_TARGET_EPOCH,
    CurrentAssignment,
    MemberMetadata,
    ended,
    flexible,
    read_partitions,
    write_partitions,
)
from .record_fields import FieldReader, FieldWriter

__all__ = [
    "SHARE_CURRENT",
    "SHARE_GROUP",
    "SHARE_MEMBER",
    "SHARE_PARTITIONS",
    "SHARE_TARGET",
    "SHARE_TARGET_EPOCH",
    "SharePartitions",
    "SharedTopic",
    "decode_share_current",
    "decode_share_epoch",
    "decode_share_member",
    "decode_share_partitions",
    "encode_share_current",
    "encode_share_epoch",
    "encode_share_member",
    "encode_share_partitions",
]

NOT_SAID_MS = -1
NO_HASH = 0
"""Kafka's hash of topics: one that finds another than its own begins a new epoch, and that is all."""


class SharedTopic(NamedTuple):
    """A topic by name, and those of its partitions that are meant."""

    name: str
    partitions: frozenset[int]


@dataclass(frozen=True, slots=True)
class SharePartitions:
    """Value of key 15, by topic id."""

    initializing: Mapping[UUID, SharedTopic] = field(default_factory=dict)
    initialized: Mapping[UUID, SharedTopic] = field(default_factory=dict)
    deleting: Mapping[UUID, str] = field(default_factory=dict)


def encode_share_epoch(epoch: int) -> bytes:
    """Value of key 11."""
    out = FieldWriter(0, flexible=True)
    out.int32(epoch)
    out.int64(NO_HASH)
    out.tags()
    return out.done()


def decode_share_epoch(data: bytes) -> int:
    """The reverse. Raises InvalidRecord."""
    reader = flexible(data, "epoch of a share group")
    epoch = reader.int32()
    reader.int64()
    return ended(reader, epoch)


def encode_share_member(value: MemberMetadata) -> bytes:
    """Value of key 10."""
    out = FieldWriter(0, flexible=True)
    out.string(value.rack_id)
    out.string(value.client_id)
    out.string(value.client_host)
    out.array(value.topics, FieldWriter.string)
    out.tags()
    return out.done()


def decode_share_member(data: bytes) -> MemberMetadata:
    """The reverse. Raises InvalidRecord."""
    reader = flexible(data, "member of a share group")
    value = MemberMetadata(
        instance_id=None,
        rack_id=reader.string_or_none(),
        client_id=reader.string(),
        client_host=reader.string(),
        topics=tuple(reader.array(FieldReader.string)),
        regex=None,
        rebalance_timeout_ms=NOT_SAID_MS,
        assignor=None,
    )
    return ended(reader, value)


def encode_share_current(value: CurrentAssignment) -> bytes:
    """Value of key 14."""
    out = FieldWriter(0, flexible=True)
    out.int32(value.epoch)
    out.int32(value.previous_epoch)
    out.int8(value.state)
    write_partitions(out, value.assigned)
    out.tags()
    return out.done()


def decode_share_current(data: bytes) -> CurrentAssignment:
    """The reverse. Raises InvalidRecord."""
    reader = flexible(data, "assignment of a share group's member")
    value = CurrentAssignment(
        reader.int32(), reader.int32(), reader.int8(), read_partitions(reader)
    )
    return ended(reader, value)


def encode_share_partitions(value: SharePartitions) -> bytes:
    """Value of key 15."""
    out = FieldWriter(0, flexible=True)
    _write_topics(out, value.initializing)
    _write_topics(out, value.initialized)

    def deleting(out: FieldWriter, item: tuple[UUID, str]) -> None:
        out.uuid(item[0])
        out.string(item[1])
        out.tags()

    out.array(sorted(value.deleting.items()), deleting)
    out.tags()
    return out.done()


def _write_topics(out: FieldWriter, topics: Mapping[UUID, SharedTopic]) -> None:
    def topic(out: FieldWriter, item: tuple[UUID, SharedTopic]) -> None:
        out.uuid(item[0])
        out.string(item[1].name)
        out.int32s(sorted(item[1].partitions))
        out.tags()

    out.array(sorted(topics.items()), topic)


def decode_share_partitions(data: bytes) -> SharePartitions:
    """The reverse. Raises InvalidRecord."""

    def deleting(reader: FieldReader) -> tuple[UUID, str]:
        item = (reader.uuid(), reader.string())
        reader.tags()
        return item

    reader = flexible(data, "partitions of a share group")
    value = SharePartitions(
        dict(_read_topics(reader)), dict(_read_topics(reader)), dict(reader.array(deleting))
    )
    return ended(reader, value)


def _read_topics(reader: FieldReader) -> Iterable[tuple[UUID, SharedTopic]]:
    def topic(reader: FieldReader) -> tuple[UUID, SharedTopic]:
        topic_id, name = reader.uuid(), reader.string()
        item = (topic_id, SharedTopic(name, frozenset(reader.array(FieldReader.int32))))
        reader.tags()
        return item

    return reader.array(topic)
