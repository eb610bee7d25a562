"""What a commit's record carries in a header: where its batches lie, and those not yet on disk.

So one sync, of `__transaction_state`, makes a transaction durable however many partitions it has:
after a power loss the first opener writes anew what is missing in them.
"""

from __future__ import annotations

from dataclasses import dataclass

from logflume.coordinator.record_fields import FieldReader, FieldWriter
from logflume.errors import InvalidRecord
from logflume.types import TopicPartition

__all__ = ["REDO_HEADER", "PartitionRedo", "decode_redo", "encode_redo"]

REDO_HEADER = "logflume.redo"
VERSION = 0


@dataclass(frozen=True, slots=True)
class PartitionRedo:
    """One partition's part in a transaction.

    `topic_id`: as in the topic's metadata, empty for none. `first`: offset of the first record;
    `end`: behind the last. `batches`: (base offset, bytes), whole batches in order; none when all
    of them were on disk.
    """

    place: TopicPartition
    topic_id: str
    first: int
    end: int
    batches: tuple[tuple[int, bytes], ...] = ()


def encode_redo(parts: list[PartitionRedo]) -> bytes:
    """The header's value."""
    writer = FieldWriter(VERSION)
    writer.array(parts, _put_part)
    return writer.done()


def decode_redo(data: bytes | memoryview) -> list[PartitionRedo]:
    """What `encode_redo` was given. Raises InvalidRecord for another version, or bytes that do not fit."""
    reader = FieldReader(data, f"header {REDO_HEADER}")
    version = reader.int16()
    if version != VERSION:
        raise InvalidRecord(reason=f"header {REDO_HEADER}: version {version}")
    parts = reader.array(_take_part)
    reader.end()
    return parts


def _put_part(writer: FieldWriter, part: PartitionRedo) -> None:
    writer.string(part.place.topic)
    writer.int32(part.place.partition)
    writer.string(part.topic_id)
    writer.int64(part.first)
    writer.int64(part.end)
    writer.array(part.batches, _put_batches)


def _put_batches(writer: FieldWriter, item: tuple[int, bytes]) -> None:
    writer.int64(item[0])
    writer.bytes_(item[1])


def _take_part(reader: FieldReader) -> PartitionRedo:
    place = TopicPartition(reader.string(), reader.int32())
    topic_id, first, end = reader.string(), reader.int64(), reader.int64()
    return PartitionRedo(place, topic_id, first, end, tuple(reader.array(_take_batches)))


def _take_batches(reader: FieldReader) -> tuple[int, bytes]:
    return reader.int64(), reader.bytes_()
