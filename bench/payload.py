"""What is written: random bytes, and lines as a web server logs them."""

from __future__ import annotations

import random
from functools import lru_cache

import numpy
from numpy.typing import NDArray

__all__ = ["blocks", "json_lines", "packed", "values"]

BLOCK_BYTES = 64 << 10  # of what a bare codec is given
DISTINCT_BYTES = 64 << 20  # more than any cache; beyond it the same objects come again


@lru_cache(maxsize=2)
def _distinct(size: int) -> list[bytes]:
    count = max(1, min(DISTINCT_BYTES // size, 1_000_000))
    noise = numpy.random.default_rng(7).bytes(count * size)
    return [noise[at : at + size] for at in range(0, count * size, size)]


def values(size: int, count: int) -> list[bytes]:
    """`count` byte strings of `size` bytes."""
    distinct = _distinct(size)
    return (distinct * (count // len(distinct) + 1))[:count]


def packed(size: int, count: int) -> tuple[bytes, NDArray[numpy.int64]]:
    """As many in one buffer, with count + 1 offsets."""
    if count * size <= DISTINCT_BYTES:
        data = numpy.random.default_rng(7).bytes(count * size)
    else:
        data = b"".join(values(size, count))
    return data, numpy.arange(count + 1, dtype=numpy.int64) * size


@lru_cache(maxsize=1)
def _lines() -> list[bytes]:
    chance = random.Random(7)
    lines = []
    for i in range(50_000):
        line = (
            b'{"ts":%d,"level":"%s","user":"user-%d","path":"/api/v1/items/%d","status":%d,"ms":%d,'
            b'"agent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0",'
            b'"host":"web-%d.example.net","request_id":"%016x","referer":"https://example.net/shop/list?page=%d",'
            b'"lang":"de-DE","session":"s-%d","region":"eu-central-1","bytes":%d}'
            % (1_700_000_000_000 + i, chance.choice([b"INFO", b"INFO", b"WARN"]), chance.randrange(5000),
               chance.randrange(100_000), chance.choice([200, 200, 200, 404]), chance.randrange(900),
               chance.randrange(20), chance.getrandbits(64), chance.randrange(50), chance.randrange(9000),
               chance.randrange(1 << 20))
        )  # fmt: skip
        lines.append(line)
    return lines


def json_lines(count: int) -> list[bytes]:
    """Lines of about 376 bytes."""
    lines = _lines()
    return (lines * (count // len(lines) + 1))[:count]


def blocks(lines: list[bytes]) -> list[bytes]:
    """The lines one behind the other, in blocks of 64 KiB."""
    data = b"".join(lines)
    return [data[at : at + BLOCK_BYTES] for at in range(0, len(data), BLOCK_BYTES)]
