"""What consumers write into the protocol fields of JoinGroup and SyncGroup: subscriptions, assignments.

Source: ConsumerProtocolSubscription.json and ConsumerProtocolAssignment.json in Kafka's clients. Both
begin with a version; newer ones only add fields at the end, so an unknown version is read as the last known.
"""

from __future__ import annotations

from collections.abc import Iterable

from logflume.errors import InvalidRecord
from logflume.types import TopicPartition

from .record_fields import FieldReader, FieldWriter

__all__ = [
    "CONSUMER_PROTOCOL",
    "decode_assignment",
    "decode_topics",
    "encode_assignment",
    "encode_subscription",
]

CONSUMER_PROTOCOL = "consumer"
"""Protocol type of groups whose members are consumers (Kafka Connect and others have their own)."""

VERSION = 0
NULL = -1


def decode_topics(metadata: bytes) -> frozenset[str] | None:
    """Topics that a subscription names; None when the bytes are none."""
    reader = FieldReader(metadata, "subscription of a consumer")
    try:
        reader.int16()
        return frozenset(reader.array(FieldReader.string))
    except InvalidRecord:
        return None


def encode_subscription(topics: Iterable[str]) -> bytes:
    """A subscription of version 0, without user data."""
    out = FieldWriter(VERSION)
    out.array(topics, FieldWriter.string)
    out.int32(NULL)
    return out.done()


def encode_assignment(partitions: Iterable[TopicPartition]) -> bytes:
    """An assignment of version 0, without user data."""
    by_topic: dict[str, list[int]] = {}
    for topic, number in sorted(partitions):
        by_topic.setdefault(topic, []).append(number)

    def write(out: FieldWriter, item: tuple[str, list[int]]) -> None:
        out.string(item[0])
        out.int32s(item[1])

    out = FieldWriter(VERSION)
    out.array(by_topic.items(), write)
    out.int32(NULL)
    return out.done()


def decode_assignment(data: bytes) -> tuple[TopicPartition, ...]:
    """Partitions of an assignment, sorted; none where the bytes are no assignment."""

    def topic(reader: FieldReader) -> list[TopicPartition]:
        name = reader.string()
        return [TopicPartition(name, number) for number in reader.array(FieldReader.int32)]

    reader = FieldReader(data, "assignment of a consumer")
    try:
        reader.int16()
        return tuple(sorted(where for found in reader.array(topic) for where in found))
    except InvalidRecord:
        return ()
