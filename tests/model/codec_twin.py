"""Slow, obvious twins of the codecs: snappy and lz4 in plain Python, gzip from the standard library.

Written from the formats' own descriptions (snappy's format_description, the xerial framing as
docs/FORMAT.md has it, the LZ4 frame and block formats), not from the native code. Packing stores or
writes literals only: any reader must take that too. zstd has no twin here; it comes from the
independent `zstandard` package.
"""

from __future__ import annotations

import gzip
import struct

NONE, GZIP, SNAPPY, LZ4, ZSTD = range(5)

XERIAL_MAGIC = b"\x82SNAPPY\x00"
XERIAL_BLOCK = 32 * 1024
LZ4_MAGIC = 0x184D2204


class CodecError(Exception):
    """The compressed data contradict their format."""


def compress(codec: int, data: bytes) -> bytes:
    if codec == NONE:
        return data
    if codec == GZIP:
        return gzip.compress(data)
    if codec == SNAPPY:
        return snappy_frame(data)
    if codec == LZ4:
        return lz4_frame(data)
    if codec == ZSTD:
        import zstandard

        return zstandard.ZstdCompressor().compress(data)
    raise CodecError(f"unknown codec {codec}")


def decompress(codec: int, data: bytes) -> bytes:
    if codec == NONE:
        return data
    if codec == GZIP:
        return gzip.decompress(data)
    if codec == SNAPPY:
        return snappy_unframe(data) if data.startswith(XERIAL_MAGIC) else snappy_unpack(data)
    if codec == LZ4:
        return lz4_unframe(data)
    if codec == ZSTD:
        import zstandard

        return zstandard.ZstdDecompressor().decompressobj().decompress(data)
    raise CodecError(f"unknown codec {codec}")


# Snappy


def snappy_frame(data: bytes) -> bytes:
    out = XERIAL_MAGIC + struct.pack(">ii", 1, 1)
    for at in range(0, len(data), XERIAL_BLOCK):
        block = snappy_pack(data[at : at + XERIAL_BLOCK])
        out += struct.pack(">i", len(block)) + block
    return out


def snappy_unframe(data: bytes) -> bytes:
    at, out = 16, b""
    while at < len(data):
        (size,) = struct.unpack_from(">i", data, at)
        at += 4
        if size < 0 or size > len(data) - at:
            raise CodecError("snappy block out of bounds")
        out += snappy_unpack(data[at : at + size])
        at += size
    return out


def snappy_pack(data: bytes) -> bytes:
    """Literals of 60 bytes at most, whose tag is one byte."""
    out = _uvarint(len(data))
    for at in range(0, len(data), 60):
        literal = data[at : at + 60]
        out += bytes([(len(literal) - 1) << 2]) + literal
    return out


def snappy_unpack(data: bytes) -> bytes:
    size, at = _read_uvarint(data, 0)
    out = bytearray()
    while at < len(data):
        tag = data[at]
        at += 1
        if tag & 3 == 0:
            length = (tag >> 2) + 1
            if length > 60:
                extra = length - 60
                length = int.from_bytes(data[at : at + extra], "little") + 1
                at += extra
            if length > len(data) - at:
                raise CodecError("snappy literal out of bounds")
            out += data[at : at + length]
            at += length
            continue
        if tag & 3 == 1:
            length, offset = (tag >> 2 & 7) + 4, (tag >> 5) << 8 | data[at]
            at += 1
        else:
            width = 2 if tag & 3 == 2 else 4
            length, offset = (tag >> 2) + 1, int.from_bytes(data[at : at + width], "little")
            at += width
        _copy(out, offset, length)
    if len(out) != size:
        raise CodecError(f"snappy says {size} bytes and has {len(out)}")
    return bytes(out)


# LZ4


def lz4_frame(data: bytes) -> bytes:
    """Independent stored blocks of 64 KiB, as flags 0x60 and 0x40 say."""
    descriptor = b"\x60\x40"
    out = struct.pack("<I", LZ4_MAGIC) + descriptor
    out += bytes([xxh32(descriptor) >> 8 & 0xFF])
    for at in range(0, len(data), 65536):
        block = data[at : at + 65536]
        out += struct.pack("<I", len(block) | 1 << 31) + block
    return out + bytes(4)


def lz4_unframe(data: bytes) -> bytes:
    out = bytearray()
    at = 0
    while at < len(data):
        at = _lz4_one_frame(data, at, out)
    return bytes(out)


def _lz4_one_frame(data: bytes, at: int, out: bytearray) -> int:
    if data[at : at + 4] != struct.pack("<I", LZ4_MAGIC):
        raise CodecError("no lz4 frame")
    start, flags = at + 4, data[at + 4]
    if flags >> 6 != 1:
        raise CodecError("lz4 frame version")
    at = start + 2 + (8 if flags & 0x08 else 0) + (4 if flags & 0x01 else 0)
    if data[at] != xxh32(data[start:at]) >> 8 & 0xFF:
        raise CodecError("lz4 header checksum")
    at += 1
    frame = bytearray()
    while True:
        (word,) = struct.unpack_from("<I", data, at)
        at += 4
        if word == 0:
            break
        size = word & 0x7FFFFFFF
        block = data[at : at + size]
        if len(block) != size:
            raise CodecError("lz4 block out of bounds")
        at += size
        if flags & 0x10:
            at = _lz4_checksum(data, at, block)
        if word >> 31:
            frame += block
        elif flags & 0x20:
            frame += _lz4_block(block, bytearray())
        else:
            known = len(frame)
            frame = _lz4_block(block, frame)
            assert len(frame) >= known
    if flags & 0x04:
        at = _lz4_checksum(data, at, bytes(frame))
    out += frame
    return at


def _lz4_checksum(data: bytes, at: int, covered: bytes) -> int:
    if struct.unpack_from("<I", data, at)[0] != xxh32(covered):
        raise CodecError("lz4 checksum")
    return at + 4


def _lz4_block(block: bytes, out: bytearray) -> bytearray:
    at = 0
    while True:
        token = block[at]
        at += 1
        length, at = _lz4_length(block, at, token >> 4)
        out += block[at : at + length]
        at += length
        if at >= len(block):
            return out
        offset = int.from_bytes(block[at : at + 2], "little")
        at += 2
        length, at = _lz4_length(block, at, token & 15)
        _copy(out, offset, length + 4)


def _lz4_length(block: bytes, at: int, nibble: int) -> tuple[int, int]:
    length = nibble
    if nibble == 15:
        while True:
            byte = block[at]
            at += 1
            length += byte
            if byte != 255:
                break
    return length, at


# Parts


def _copy(out: bytearray, offset: int, length: int) -> None:
    """Repeat what stands `offset` bytes back; the copy may overlap what it writes."""
    if offset == 0 or offset > len(out):
        raise CodecError("copy from before the start")
    for _ in range(length):
        out.append(out[-offset])


def _uvarint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_uvarint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def xxh32(data: bytes, seed: int = 0) -> int:
    """XXH32, as the LZ4 frame format uses it for its checksums."""
    p1, p2, p3, p4, p5 = 0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D, 0x27D4EB2F, 0x165667B1
    mask = 0xFFFFFFFF

    def rotate(value: int, bits: int) -> int:
        return (value << bits | value >> (32 - bits)) & mask

    at = 0
    if len(data) >= 16:
        lanes = [(seed + p1 + p2) & mask, (seed + p2) & mask, seed, (seed - p1) & mask]
        while len(data) - at >= 16:
            for i, word in enumerate(struct.unpack_from("<4I", data, at)):
                lanes[i] = rotate((lanes[i] + word * p2) & mask, 13) * p1 & mask
            at += 16
        value = sum(rotate(lane, turn) for lane, turn in zip(lanes, (1, 7, 12, 18))) & mask
    else:
        value = (seed + p5) & mask
    value = (value + len(data)) & mask
    while len(data) - at >= 4:
        (word,) = struct.unpack_from("<I", data, at)
        value = rotate((value + word * p3) & mask, 17) * p4 & mask
        at += 4
    for byte in data[at:]:
        value = rotate((value + byte * p5) & mask, 11) * p1 & mask
    value = (value ^ value >> 15) * p2 & mask
    value = (value ^ value >> 13) * p3 & mask
    return value ^ value >> 16
