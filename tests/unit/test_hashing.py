"""Hashes and checksums against published vectors, a twin, and each other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logflume._native.hashing import crc32c, murmur2, xxh3_64, xxh3_128
from model import batch_twin

# From Kafka's own unit test of its murmur2.
KAFKA_MURMUR2 = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize("data", KAFKA_MURMUR2)
def test_murmur2_of_kafka(data: bytes) -> None:
    assert murmur2(data) == KAFKA_MURMUR2[data]


def twin_murmur2(data: bytes) -> int:
    """The hash as its Java source computes it, with all steps masked to 32 bits."""
    mask, m = 0xFFFFFFFF, 0x5BD1E995
    h = 0x9747B28C ^ len(data)
    whole = len(data) // 4 * 4
    for at in range(0, whole, 4):
        k = int.from_bytes(data[at : at + 4], "little") * m & mask
        k = (k ^ k >> 24) * m & mask
        h = h * m & mask ^ k
    tail = data[whole:]
    if tail:
        h = (h ^ int.from_bytes(tail, "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    h ^= h >> 15
    return h - (1 << 32) if h >> 31 else h


@given(st.binary(max_size=100))
def test_murmur2_against_its_twin(data: bytes) -> None:
    assert murmur2(data) == twin_murmur2(data)


# RFC 3720, appendix B.4, and the usual check value.
CRC32C = {
    b"": 0,
    b"123456789": 0xE3069283,
    bytes(32): 0x8A9136AA,
    b"\xff" * 32: 0x62A8AB43,
    bytes(range(32)): 0x46DD794E,
    bytes(range(31, -1, -1)): 0x113FDB5C,
}


@pytest.mark.parametrize("data", CRC32C)
def test_crc32c_vectors(data: bytes) -> None:
    assert crc32c(data) == CRC32C[data]


@given(st.binary(max_size=3000), st.integers(0, 3000))
def test_crc32c_chains(data: bytes, cut: int) -> None:
    assert crc32c(data[cut:], crc32c(data[:cut])) == crc32c(data)


@given(st.binary(max_size=2000))
def test_crc32c_against_its_twin(data: bytes) -> None:
    assert crc32c(data) == batch_twin.crc32c(data)


def test_long_inputs_without_the_gil() -> None:
    data = bytes(range(256)) * 400
    assert murmur2(data) == twin_murmur2(data)
    assert crc32c(data) == batch_twin.crc32c(data)
    assert xxh3_64(data) == xxh3_64(bytearray(data)) != xxh3_64(data[:-1])
    assert xxh3_128(data) == xxh3_128(bytearray(data)) != xxh3_128(data[:-1])


def test_xxh3_vectors() -> None:
    """The hashes of nothing, as the xxhsum tool prints them."""
    assert xxh3_64(b"") == 0x2D06800538D394C2
    assert xxh3_128(b"") == 0x99AA06D3014798D86001C324468D497F
    assert xxh3_64(b"", 1) != xxh3_64(b"")


@pytest.mark.parametrize("function", [murmur2, crc32c, xxh3_64, xxh3_128])
def test_wants_a_contiguous_buffer(function) -> None:  # type: ignore[no-untyped-def]
    assert function(memoryview(b"abc")) == function(b"abc") == function(bytearray(b"abc"))
    with pytest.raises(TypeError):
        function("text")
    with pytest.raises(BufferError):
        function(memoryview(b"abcdef")[::2])
