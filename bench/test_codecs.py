"""Codecs on JSON-like lines, beside their limit: the bare library called with the same bytes.

Batches of 256 KiB. The limits go through ctypes, which adds about a microsecond to a call of 30 to 200.
`extra_info` holds MB/s of plain bytes and the ratio.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import random
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from logflume._native.codecs import CODECS, compress, decompress

LZ4, ZSTD = 3, 4
SIZE = 256 << 10
BLOCK = 64 << 10


def json_lines(size: int) -> bytes:
    """Lines of about 270 bytes as a web server logs them."""
    chance = random.Random(7)
    lines: list[bytes] = []
    while len(lines) * 200 < size:  # each is longer
        lines.append(
            b'{"ts":%d,"level":"%s","user":"user-%d","path":"/api/v1/items/%d","status":%d,"ms":%d,'
            b'"agent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36","host":"web-%d.example.net",'
            b'"request_id":"%016x","referer":"https://example.net/shop/list?page=%d","lang":"de-DE"}\n'
            % (1_700_000_000 + len(lines) // 50, chance.choice([b"INFO", b"INFO", b"WARN"]), chance.randrange(5000),
               chance.randrange(100_000), chance.choice([200, 200, 200, 404]), chance.randrange(900),
               chance.randrange(20), chance.getrandbits(64), chance.randrange(50))
        )  # fmt: skip
    return b"".join(lines)[:size]


PLAIN = json_lines(SIZE)


def library(name: str) -> ctypes.CDLL:
    path = ctypes.util.find_library(name)
    if path is None:
        pytest.skip(f"lib{name} is not on this machine")
    return ctypes.CDLL(path)


def run(benchmark: Any, work: Callable[[], object], packed_size: int) -> None:
    benchmark.extra_info["ratio"] = round(len(PLAIN) / packed_size, 2)
    benchmark(work)
    if benchmark.stats:
        benchmark.extra_info["MB/s"] = round(len(PLAIN) / benchmark.stats.stats.median / 1e6)


@pytest.mark.parametrize("codec", range(1, 5), ids=CODECS[1:])
def test_compress(benchmark: Any, codec: int) -> None:
    benchmark.group = f"compress {CODECS[codec]}"
    run(benchmark, lambda: compress(codec, PLAIN), len(compress(codec, PLAIN)))


@pytest.mark.parametrize("codec", range(1, 5), ids=CODECS[1:])
def test_decompress(benchmark: Any, codec: int) -> None:
    benchmark.group = f"decompress {CODECS[codec]}"
    packed = compress(codec, PLAIN)
    run(benchmark, lambda: decompress(codec, packed), len(packed))


def test_compress_limit_lz4(benchmark: Any) -> None:
    """LZ4_compress_default over blocks of 64 KiB: the frame's work without the frame."""
    benchmark.group = "compress lz4"
    pack = library("lz4").LZ4_compress_default
    room = ctypes.create_string_buffer(2 * BLOCK)
    blocks = [PLAIN[at : at + BLOCK] for at in range(0, SIZE, BLOCK)]

    def work() -> int:
        return sum(pack(block, room, len(block), 2 * BLOCK) for block in blocks)

    run(benchmark, work, work())


def test_decompress_limit_lz4(benchmark: Any) -> None:
    benchmark.group = "decompress lz4"
    lz4 = library("lz4")
    room, blocks = ctypes.create_string_buffer(2 * BLOCK), []
    for at in range(0, SIZE, BLOCK):
        size = lz4.LZ4_compress_default(PLAIN[at : at + BLOCK], room, BLOCK, 2 * BLOCK)
        blocks.append(room.raw[:size])

    def work() -> int:
        return sum(lz4.LZ4_decompress_safe(block, room, len(block), 2 * BLOCK) for block in blocks)

    assert work() == SIZE
    run(benchmark, work, sum(map(len, blocks)))


def test_compress_limit_zstd(benchmark: Any) -> None:
    benchmark.group = "compress zstd"
    zstd = library("zstd")
    zstd.ZSTD_compressCCtx.restype = zstd.ZSTD_createCCtx.restype = ctypes.c_void_p
    context = ctypes.c_void_p(zstd.ZSTD_createCCtx())
    room = ctypes.create_string_buffer(2 * SIZE)
    sizes = [ctypes.c_size_t(2 * SIZE), ctypes.c_size_t(SIZE)]

    def work() -> int:
        return int(zstd.ZSTD_compressCCtx(context, room, sizes[0], PLAIN, sizes[1], 3))

    run(benchmark, work, work())


def test_compress_zlib_6(benchmark: Any) -> None:
    """The library that others use for gzip, at its default level."""
    benchmark.group = "compress gzip"
    run(benchmark, lambda: zlib.compress(PLAIN, 6, 31), len(zlib.compress(PLAIN, 6, 31)))
