"""Hadoop's codecs and SequenceFiles, read back with other libraries and a slow, obvious reader."""

from __future__ import annotations

import bz2
import gzip
import random
import struct
import zlib
from collections.abc import Callable

import lz4.block
import pytest
import snappy
import zstandard

from logflume.agent.buckets.codecs import CODECS_BY_NAME, CodecName
from logflume.agent.buckets.sequence_file import SequenceFile, vint
from logflume.agent.events import EventBatch
from logflume.errors import InvalidRecord


def blocks(data: bytes, piece: Callable[[bytes, int], bytes]) -> bytes:
    """Hadoop's BlockDecompressorStream."""
    out, at = b"", 0
    while at < len(data):
        (size,) = struct.unpack_from(">i", data, at)
        at, end = at + 4, len(out) + size
        assert size <= 256 << 10
        while len(out) < end:
            (length,) = struct.unpack_from(">i", data, at)
            out += piece(data[at + 4 : at + 4 + length], end - len(out))
            at += 4 + length
        assert len(out) == end
    return out


def unframed(data: bytes) -> bytes:
    return bytes(zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True).read())


def inflated(data: bytes) -> bytes:
    out = b""
    while data:
        one = zlib.decompressobj()
        out += one.decompress(data)
        data = one.unused_data
    return out


READ: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.decompress,
    "bzip2": bz2.decompress,
    "snappy": lambda data: blocks(data, lambda piece, _: snappy.decompress(piece)),
    "lz4": lambda data: blocks(
        data, lambda piece, most: lz4.block.decompress(piece, uncompressed_size=most)
    ),
    "zstd": unframed,
    "deflate": inflated,
    "default": inflated,
}


@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize("size", [1, 14, 15, 16, 270, 65_536, 400_000])
@pytest.mark.parametrize("kind", ["even", "random"])
def test_streams_behind_each_other_are_one(name: str, size: int, kind: str) -> None:
    draw = random.Random(size)
    data = bytes(size) if kind == "even" else draw.randbytes(size)
    codec = CODECS_BY_NAME[name]
    packed = codec.whole(data) + codec.whole(b"tail")
    assert READ[name](packed) == data + b"tail"


def test_codecs_by_all_their_names() -> None:
    kind = CodecName()
    assert kind.parse("org.apache.hadoop.io.compress.GzipCodec") == "gzip"
    assert kind.parse("BZip2Codec") == "bzip2"
    assert kind.parse("ZStandard") == "zstd"
    assert kind.parse("None") is None
    for name in ("lzo", "lzop", "LzopCodec"):
        with pytest.raises(ValueError, match="not served"):
            kind.parse(name)
    with pytest.raises(ValueError, match="must be one of gzip"):
        kind.parse("rar")


class Reader:
    """A SequenceFile, a byte after the other (Hadoop's javadoc of SequenceFile)."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, size: int) -> bytes:
        assert self.at + size <= len(self.data)
        self.at += size
        return self.data[self.at - size : self.at]

    def int(self) -> int:
        return int.from_bytes(self.take(4), "big", signed=True)

    def vint(self) -> int:
        first = self.take(1)[0]
        first -= 256 if first > 127 else 0
        return first if first >= -112 else int.from_bytes(self.take(-112 - first), "big")

    def text(self) -> str:
        return self.take(self.vint()).decode()

    def records(self) -> list[tuple[int, bytes]]:
        assert self.take(4) == b"SEQ\x06"
        assert self.text() == "org.apache.hadoop.io.LongWritable"
        is_text = self.text() == "org.apache.hadoop.io.Text"
        packed, in_blocks = self.take(2)
        assert packed == in_blocks
        codec = self.text() if packed else ""
        assert self.int() == 0
        mark = self.take(16)
        found: list[tuple[bytes, bytes]] = []
        while self.at < len(self.data):
            size = self.int()
            if size == -1:
                assert self.take(16) == mark
                if packed:
                    found += self.block(
                        next(n for n, c in CODECS_BY_NAME.items() if c.java == codec)
                    )
                continue
            key = self.take(self.int())
            found.append((key, self.take(size - len(key))))
        return [(int.from_bytes(key, "big"), self.body(value, is_text)) for key, value in found]

    def block(self, codec: str) -> list[tuple[bytes, bytes]]:
        count = self.vint()
        sizes, keys, lengths, values = (
            Reader(READ[codec](self.take(self.vint()))) for _ in range(4)
        )
        return [(keys.take(sizes.vint()), values.take(lengths.vint())) for _ in range(count)]

    @staticmethod
    def body(value: bytes, is_text: bool) -> bytes:
        reader = Reader(value)
        body = reader.take(reader.vint() if is_text else reader.int())
        assert reader.at == len(value)
        return body


BODIES = [b"x" * size for size in (0, 1, 127, 128, 255, 256, 65_535, 65_536, 300_000)]


@pytest.mark.parametrize("value", ["text", "writable"])
@pytest.mark.parametrize("codec", [None, *READ])
def test_a_sequence_file(value: str, codec: str | None) -> None:
    file = SequenceFile(value, CODECS_BY_NAME[codec] if codec else None, clock=lambda: 7.0)
    data = file.head()
    expected = []
    for turn in range(6):
        rows = [({"timestamp": str(turn)}, body) for body in BODIES]
        data += file.encode(EventBatch.of_rows([*rows, ({}, b"now")]))
        expected += [(turn, body) for body in BODIES] + [(7000, b"now")]
        if turn % 2:
            data += file.finish()
            assert Reader(data).records() == expected  # it may end behind any finish


def test_vints() -> None:
    for number in (0, 127, 128, 255, 256, 65_535, 1 << 24, (1 << 31) - 1):
        assert Reader(vint(number)).vint() == number


def test_a_key_that_is_no_number_is_the_events_fault() -> None:
    with pytest.raises(InvalidRecord):
        SequenceFile("text", None).encode(EventBatch([b""], {"timestamp": "x"}))
