"""A slow, obvious twin of the record batch v2 (magic 2): the reference of everybody's property tests.

Written from the protocol description of Kafka ("Record Batch", "Record", "Control Batches") and
independent of the native code; compressed records go through `codec_twin`. Errors are FormatError.

    data = encode_batch([Record(key=b"k", value=b"v", timestamp=1000)], base_offset=42)
    batch, end = decode_batch(data)
    batches = decode_batches(Path("00000000000000000000.log").read_bytes())
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from model import codec_twin

HEADER = struct.Struct(">qiibIhiqqqhii")  # base offset ... count: 61 bytes
HEADER_SIZE = 61
LENGTH_OVERHEAD = 12  # base offset and the length itself are not counted by the length
CRC_FROM = 21  # the CRC covers attributes to the end; the leader epoch is outside

CODEC_MASK = 0x07
APPEND_TIME = 0x08
TRANSACTIONAL = 0x10
CONTROL = 0x20
DELETE_HORIZON = 0x40

NO_TIMESTAMP = -1
CONTROL_ABORT, CONTROL_COMMIT = 0, 1


class FormatError(Exception):
    """The bytes are no whole, valid batch."""


@dataclass(frozen=True)
class Record:
    """One record. `timestamp` is what a reader sees: the batch's, where the topic stamps on append."""

    value: bytes | None = None
    key: bytes | None = None
    timestamp: int = NO_TIMESTAMP
    headers: tuple[tuple[bytes, bytes | None], ...] = ()
    offset: int = -1  # given by the batch; -1 before it is in one


@dataclass(frozen=True)
class Batch:
    """A decoded batch; `size` counts all its bytes."""

    base_offset: int
    last_offset_delta: int
    leader_epoch: int
    attributes: int
    base_timestamp: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    crc: int
    size: int
    records: tuple[Record, ...] = field(default=())

    @property
    def codec(self) -> int:
        return self.attributes & CODEC_MASK

    @property
    def append_time(self) -> bool:
        return bool(self.attributes & APPEND_TIME)

    @property
    def transactional(self) -> bool:
        return bool(self.attributes & TRANSACTIONAL)

    @property
    def control(self) -> bool:
        return bool(self.attributes & CONTROL)

    @property
    def last_offset(self) -> int:
        return self.base_offset + self.last_offset_delta


# Encoding


def encode_batch(
    records: Sequence[Record],
    *,
    base_offset: int = 0,
    codec: int = codec_twin.NONE,
    append_time: int | None = None,
    transactional: bool = False,
    control: bool = False,
    leader_epoch: int = 0,
    producer_id: int = -1,
    producer_epoch: int = -1,
    base_sequence: int = -1,
    offset_deltas: Sequence[int] | None = None,
    last_offset_delta: int | None = None,
    compress: Callable[[int, bytes], bytes] = codec_twin.compress,
) -> bytes:
    """The bytes of one batch.

    Args:
        append_time: the log's stamp in ms, which readers see in place of the records' own.
        offset_deltas: offsets less base_offset, where compaction left gaps; else 0, 1, 2 ...
        last_offset_delta: where compaction took the last record; else that of the last record.
    """
    deltas = range(len(records)) if offset_deltas is None else offset_deltas
    if last_offset_delta is None:
        last_offset_delta = deltas[-1]
    base_timestamp = records[0].timestamp if records else NO_TIMESTAMP
    plain = b"".join(
        encode_record(record, delta, record.timestamp - base_timestamp)
        for record, delta in zip(records, deltas, strict=True)
    )
    attributes = codec
    max_timestamp = max((record.timestamp for record in records), default=NO_TIMESTAMP)
    if append_time is not None:
        attributes |= APPEND_TIME
        max_timestamp = append_time
    if transactional:
        attributes |= TRANSACTIONAL
    if control:
        attributes |= CONTROL
    covered = struct.pack(">hiqqqhii", attributes, last_offset_delta, base_timestamp, max_timestamp,
                          producer_id, producer_epoch, base_sequence, len(records))  # fmt: skip
    covered += compress(codec, plain)
    length = CRC_FROM + len(covered) - LENGTH_OVERHEAD
    return struct.pack(">qiibI", base_offset, length, leader_epoch, 2, crc32c(covered)) + covered


def encode_record(record: Record, offset_delta: int, timestamp_delta: int) -> bytes:
    """One record with its length in front."""
    body = b"\x00"  # the record's attributes: none are defined
    body += varint(timestamp_delta) + varint(offset_delta)
    body += sized(record.key) + sized(record.value)
    body += varint(len(record.headers))
    for name, value in record.headers:
        body += sized(name) + sized(value)
    return varint(len(body)) + body


def sized(data: bytes | None) -> bytes:
    """Length and bytes; null has the length -1."""
    return varint(-1) if data is None else varint(len(data)) + data


def varint(value: int) -> bytes:
    """Zigzag, then seven bits a byte, low ones first, the high bit on all but the last."""
    value = value << 1 if value >= 0 else (-value << 1) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def encode_control_batch(
    kind: int, *, timestamp: int, coordinator_epoch: int = 0, **fields: int
) -> bytes:
    """A commit or abort marker as the transaction coordinator writes it."""
    key = struct.pack(">hh", 0, kind)
    value = struct.pack(">hi", 0, coordinator_epoch)
    record = Record(key=key, value=value, timestamp=timestamp)
    return encode_batch([record], transactional=True, control=True, **fields)  # type: ignore[arg-type]


# Decoding


def decode_batches(data: bytes) -> list[Batch]:
    """All batches of a segment; a tail of zeros (preallocated space) ends it."""
    batches, position = [], 0
    while position < len(data) and data[position:].strip(b"\x00"):
        batch, position = decode_batch(data, position)
        batches.append(batch)
    return batches


def decode_batch(
    data: bytes,
    position: int = 0,
    *,
    decompress: Callable[[int, bytes], bytes] = codec_twin.decompress,
) -> tuple[Batch, int]:
    """The batch at `position`, its CRC and all its records checked, and the position behind it."""
    if len(data) - position < HEADER_SIZE:
        raise FormatError("header cut off")
    (base_offset, length, leader_epoch, magic, crc, attributes, last_offset_delta, base_timestamp,
     max_timestamp, producer_id, producer_epoch, base_sequence, count) = HEADER.unpack_from(data, position)  # fmt: skip
    end = position + LENGTH_OVERHEAD + length
    if magic != 2:
        raise FormatError(f"magic {magic}")
    if length < HEADER_SIZE - LENGTH_OVERHEAD or end > len(data):
        raise FormatError(f"length {length}")
    if crc32c(data[position + CRC_FROM : end]) != crc:
        raise FormatError("crc mismatch")
    if count < 0 or last_offset_delta < 0 or base_offset < 0:
        raise FormatError("negative count or offset")
    try:
        plain = decompress(attributes & CODEC_MASK, data[position + HEADER_SIZE : end])
    except Exception as error:
        raise FormatError(f"records do not unpack: {error}") from error
    stamp = max_timestamp if attributes & APPEND_TIME else None
    records = decode_records(plain, count, base_offset, base_timestamp, stamp, last_offset_delta)
    return Batch(
        base_offset=base_offset,
        last_offset_delta=last_offset_delta,
        leader_epoch=leader_epoch,
        attributes=attributes,
        base_timestamp=base_timestamp,
        max_timestamp=max_timestamp,
        producer_id=producer_id,
        producer_epoch=producer_epoch,
        base_sequence=base_sequence,
        crc=crc,
        size=end - position,
        records=records,
    ), end


def decode_records(
    plain: bytes,
    count: int,
    base_offset: int,
    base_timestamp: int,
    append_time: int | None,
    last_offset_delta: int,
) -> tuple[Record, ...]:
    """The `count` records that make up `plain`."""
    reader, records, delta_before = _Reader(plain), [], -1
    for _ in range(count):
        body = _Reader(reader.take(reader.varint()))
        body.take(1)
        timestamp_delta, offset_delta = body.varint(bits=64), body.varint()
        if not delta_before < offset_delta <= last_offset_delta:
            raise FormatError(f"offset delta {offset_delta}")
        delta_before = offset_delta
        key, value = body.sized(), body.sized()
        headers = []
        header_count = body.varint()
        if header_count < 0:
            raise FormatError("negative count of headers")
        for _ in range(header_count):
            name = body.sized()
            if name is None:
                raise FormatError("null name of a header")
            headers.append((name, body.sized()))
        if body.left():
            raise FormatError(f"{body.left()} bytes too many in a record")
        timestamp = base_timestamp + timestamp_delta if append_time is None else append_time
        records.append(Record(value, key, timestamp, tuple(headers), base_offset + offset_delta))
    if reader.left():
        raise FormatError(f"{reader.left()} bytes too many behind the records")
    return tuple(records)


class _Reader:
    """Takes bytes from the front; every step is checked."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def left(self) -> int:
        return len(self.data) - self.at

    def take(self, size: int) -> bytes:
        if size < 0 or size > self.left():
            raise FormatError(f"{size} bytes wanted, {self.left()} left")
        self.at += size
        return self.data[self.at - size : self.at]

    def varint(self, *, bits: int = 32) -> int:
        value = 0
        for shift in range(0, 35 if bits == 32 else 70, 7):
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                value &= (1 << bits) - 1
                return value >> 1 if value & 1 == 0 else -(value >> 1) - 1
        raise FormatError("varint too long")

    def sized(self) -> bytes | None:
        size = self.varint()
        if size < -1:
            raise FormatError(f"length {size}")
        return None if size == -1 else self.take(size)


def decode_control(record: Record) -> tuple[int, int | None]:
    """(CONTROL_ABORT or CONTROL_COMMIT, coordinator epoch) of a record in a control batch."""
    if record.key is None or len(record.key) < 4:
        raise FormatError("control record without its key")
    version, kind = struct.unpack_from(">hh", record.key)
    if version != 0 or record.value is None or len(record.value) < 6:
        return kind, None
    return kind, struct.unpack_from(">hi", record.value)[1]


# Checksum


def _crc32c_table() -> list[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_TABLE = _crc32c_table()


def crc32c(data: Iterable[int]) -> int:
    """CRC-32C, a byte at a time."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF
