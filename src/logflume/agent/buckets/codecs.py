"""Hadoop's compression codecs: streams that may end anywhere and be followed by another of the same kind.

Hadoop's own readers take such a row of streams as one; that is what Flume writes, too, one for each transaction.
"""

from __future__ import annotations

import bz2
import struct
import zlib

from logflume._native.codecs import CODECS, compress
from logflume.config.kinds import Kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Compressor(Protocol):
        def compress(self, data: bytes, /) -> bytes: ...

        def flush(self) -> bytes: ...


__all__ = ["CODECS_BY_NAME", "Codec", "CodecName"]

_BLOCK_BYTES = 128 << 10
"""Uncompressed bytes of a block of snappy or lz4. Hadoop's readers have a buffer of 256 KiB for one."""

_LZ4_HEAD = 7
_LZ4_STORED = 0x8000_0000


class Codec:
    """One of Hadoop's: its Java class, what files are called, how bytes are compressed."""

    def __init__(self, java: str, extension: str) -> None:
        self.java = f"org.apache.hadoop.io.compress.{java}"
        self.extension = extension

    def begin(self) -> Compressor:
        """A new stream."""
        raise NotImplementedError

    def whole(self, data: bytes) -> bytes:
        """All of it as one stream."""
        stream = self.begin()
        return stream.compress(data) + stream.flush()


class _Zlib(Codec):
    def __init__(self, java: str, extension: str, bits: int) -> None:
        super().__init__(java, extension)
        self._bits = bits

    def begin(self) -> Compressor:
        return zlib.compressobj(wbits=self._bits)


class _Bzip2(Codec):
    def begin(self) -> Compressor:
        return bz2.BZ2Compressor()


class _Gathered:
    """Gathers a stream's bytes, and compresses them at its end."""

    def __init__(self, codec: _Blocks | _Zstandard) -> None:
        self._codec = codec
        self._parts: list[bytes] = []

    def compress(self, data: bytes, /) -> bytes:
        self._parts.append(bytes(data))
        return b""

    def flush(self) -> bytes:
        return self._codec.whole(b"".join(self._parts))


class _Blocks(Codec):
    """BlockCompressorStream: a block's size, then pieces, each with its compressed size; all big endian."""

    def begin(self) -> Compressor:
        return _Gathered(self)

    def whole(self, data: bytes) -> bytes:
        blocks = (data[at : at + _BLOCK_BYTES] for at in range(0, len(data), _BLOCK_BYTES))
        return b"".join(struct.pack(">i", len(block)) + self.pieces(block) for block in blocks)

    def pieces(self, block: bytes) -> bytes:
        """A block's compressed pieces, each behind its size."""
        raise NotImplementedError


class _Snappy(_Blocks):
    def pieces(self, block: bytes) -> bytes:
        # What Java's snappy streams begin with, 16 bytes; then come just such pieces.
        return compress(CODECS.index("snappy"), block)[16:]


class _Lz4(_Blocks):
    def pieces(self, block: bytes) -> bytes:
        """The blocks of an LZ4 frame (lz4_Frame_format.md) without the frame."""
        frame = memoryview(compress(CODECS.index("lz4"), block))
        out, at = [], _LZ4_HEAD
        while size := int.from_bytes(frame[at : at + 4], "little"):
            stored, size = bool(size & _LZ4_STORED), size & ~_LZ4_STORED
            data = bytes(frame[at + 4 : at + 4 + size])
            piece = _literals(data) if stored else data
            out += [struct.pack(">i", len(piece)), piece]
            at += 4 + size
        return b"".join(out)


def _literals(data: bytes) -> bytes:
    """An LZ4 block of one sequence that has literals only (lz4_Block_format.md)."""
    if len(data) < 15:
        return bytes([len(data) << 4]) + data
    more, last = divmod(len(data) - 15, 255)
    return b"\xf0" + b"\xff" * more + bytes([last]) + data


class _Zstandard(Codec):
    def begin(self) -> Compressor:
        return _Gathered(self)

    def whole(self, data: bytes) -> bytes:
        return compress(CODECS.index("zstd"), data) if data else b""


_GZIP = _Zlib("GzipCodec", ".gz", 31)
_ALL: dict[str, Codec] = {
    "gzip": _GZIP,
    "bzip2": _Bzip2("BZip2Codec", ".bz2"),
    "snappy": _Snappy("SnappyCodec", ".snappy"),
    "lz4": _Lz4("Lz4Codec", ".lz4"),
    "zstd": _Zstandard("ZStandardCodec", ".zst"),
    "deflate": _Zlib("DeflateCodec", ".deflate", 15),
    "default": _Zlib("DefaultCodec", ".deflate", 15),
}
CODECS_BY_NAME = _ALL
"""By the names that are shown; CodecName knows the others."""

_OTHERS = {"zstandard": "zstd"}


class CodecName(Kind):
    """A codec by its short name in any case, or its Java class; `none` for none."""

    __slots__ = ()
    word = "codec"

    def parse(self, value: object) -> str | None:
        if value is None:
            return None
        word = str(value).strip().rpartition(".")[2].lower()
        word = word.removesuffix("codec") or word
        word = _OTHERS.get(word, word)
        if word == "none":
            return None
        if word in ("lzo", "lzop"):
            raise ValueError(
                "lzo and lzop are not served: no kept library writes them; lz4, snappy and zstd are"
            )
        if word not in _ALL:
            raise ValueError(f"must be one of {self.valid()}")
        return word

    def valid(self) -> str:
        return ", ".join(_ALL)
