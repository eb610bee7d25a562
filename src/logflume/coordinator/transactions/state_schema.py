"""Keys and values of `__transaction_state`, byte for byte as Kafka writes them.

A record without value (tombstone) takes back what was known of its transactional id.
Source: TransactionLogKey.json and TransactionLogValue.json in Kafka's transaction-coordinator, 4.3.
"""

from __future__ import annotations

from logflume.coordinator.record_fields import FieldReader, FieldWriter
from logflume.errors import InvalidRecord
from logflume.types import TopicPartition

from .entry import Entry, State

__all__ = ["decode_key", "decode_value", "encode_key", "encode_value"]

KEY_VERSION = 0
VALUE_VERSION_PLAIN = 0
VALUE_VERSION_FLEXIBLE = 1

_TAG_PREVIOUS_PRODUCER_ID = 0
_TAG_NEXT_PRODUCER_ID = 1
_TAG_CLIENT_VERSION = 2
_TAG_NEXT_PRODUCER_EPOCH = 3


def encode_key(transactional_id: str) -> bytes:
    """The key of an id's records. Raises InvalidRecord when the id is too long."""
    writer = FieldWriter(KEY_VERSION)
    writer.string(transactional_id)
    return writer.done()


def decode_key(data: bytes | memoryview) -> str:
    """The transactional id. Raises InvalidRecord for another version, or a key that ends early or goes on."""
    reader = FieldReader(data, "key of __transaction_state")
    version = reader.int16()
    if version != KEY_VERSION:
        raise InvalidRecord(reason=f"key of __transaction_state: version {version}")
    transactional_id = reader.string()
    reader.end()
    return transactional_id


def encode_value(entry: Entry) -> bytes:
    """The value of an id's record: version 0, or 1 where a field needs it that 0 lacks."""
    tags = {
        tag: value.to_bytes(size, "big", signed=True)
        for tag, value, size, default in (
            (_TAG_PREVIOUS_PRODUCER_ID, entry.previous_producer_id, 8, -1),
            (_TAG_NEXT_PRODUCER_ID, entry.next_producer_id, 8, -1),
            (_TAG_CLIENT_VERSION, entry.client_version, 2, 0),
            (_TAG_NEXT_PRODUCER_EPOCH, entry.next_producer_epoch, 2, -1),
        )
        if value != default
    }
    version = VALUE_VERSION_FLEXIBLE if tags else VALUE_VERSION_PLAIN
    writer = FieldWriter(version, flexible=bool(tags))
    writer.int64(entry.producer_id)
    writer.int16(entry.producer_epoch)
    writer.int32(entry.timeout_ms)
    writer.int8(entry.state)
    if entry.state is State.EMPTY:
        writer.no_array()
    else:
        writer.array(_by_topic(entry.partitions).items(), _put_topic)
    writer.int64(entry.updated_ms)
    writer.int64(entry.started_ms)
    writer.tags(tags)
    return writer.done()


def decode_value(transactional_id: str, data: bytes | memoryview) -> Entry:
    """What is known of an id. Raises InvalidRecord for an unknown version or state, or bytes that do not fit."""
    what = f"value of __transaction_state for {transactional_id!r}"
    version = int.from_bytes(bytes(data[:2]), "big", signed=True)
    if not VALUE_VERSION_PLAIN <= version <= VALUE_VERSION_FLEXIBLE:
        raise InvalidRecord(reason=f"{what}: version {version}")
    reader = FieldReader(data, what, flexible=version == VALUE_VERSION_FLEXIBLE)
    reader.int16()
    producer_id, epoch, timeout_ms, number = (
        reader.int64(),
        reader.int16(),
        reader.int32(),
        reader.int8(),
    )
    if number not in State.__members__.values():
        raise InvalidRecord(reason=f"{what}: state {number}")
    topics = reader.array_or_none(_take_topic) or []
    updated_ms, started_ms = reader.int64(), reader.int64()
    tags = reader.tags()
    reader.end()

    def tagged(tag: int, default: int) -> int:
        return int.from_bytes(tags[tag], "big", signed=True) if tag in tags else default

    return Entry(
        transactional_id=transactional_id,
        producer_id=producer_id,
        producer_epoch=epoch,
        timeout_ms=timeout_ms,
        state=State(number),
        partitions=tuple(sorted(place for topic in topics for place in topic)),
        updated_ms=updated_ms,
        started_ms=started_ms,
        previous_producer_id=tagged(_TAG_PREVIOUS_PRODUCER_ID, -1),
        next_producer_id=tagged(_TAG_NEXT_PRODUCER_ID, -1),
        client_version=tagged(_TAG_CLIENT_VERSION, 0),
        next_producer_epoch=tagged(_TAG_NEXT_PRODUCER_EPOCH, -1),
    )


def _by_topic(partitions: tuple[TopicPartition, ...]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for topic, partition in partitions:
        found.setdefault(topic, []).append(partition)
    return found


def _put_topic(writer: FieldWriter, item: tuple[str, list[int]]) -> None:
    writer.string(item[0])
    writer.int32s(item[1])
    writer.tags()


def _take_topic(reader: FieldReader) -> list[TopicPartition]:
    topic = reader.string()
    places = [TopicPartition(topic, number) for number in reader.array(FieldReader.int32)]
    reader.tags()
    return places
