"""The codecs: round trips, the twins, other people's libraries, and nothing but errors from bad data."""

from __future__ import annotations

import ctypes
import gzip
import io
import mmap
import struct
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logflume._native.codecs import CODECS, compress, decompress
from logflume.errors import (
    CorruptRecord,
    DecompressionTooLarge,
    InvalidConfig,
    LogflumeError,
    UnsupportedCompression,
)
from model import codec_twin

NONE, GZIP, SNAPPY, LZ4, ZSTD = range(5)
ALL = range(5)
PACKING = range(1, 5)
LEVELS = {
    GZIP: [-1, *range(1, 10)],
    LZ4: range(1, 18),
    ZSTD: [-131072, -5, 0, 1, 3, 9, 19, 22],
}
LINES = b"".join(
    b'{"n": %d, "level": "info", "text": "line %d"}\n' % (i, i * i) for i in range(3000)
)

# Text that repeats, text that does not, and sizes around the block sizes (32 KiB, 64 KiB).
plain = st.one_of(
    st.binary(max_size=300),
    st.builds(lambda unit, times: unit * times, st.binary(min_size=1, max_size=50), st.integers(0, 4000)),
    st.builds(lambda cut: LINES[:cut], st.integers(0, len(LINES))),
    st.sampled_from([LINES[: 32768 + d] for d in (-1, 0, 1)] + [LINES[: 65536 + d] for d in (-1, 0, 1)]),
)  # fmt: skip
codecs = pytest.mark.parametrize("codec", ALL, ids=CODECS)
packing = pytest.mark.parametrize("codec", PACKING, ids=CODECS[1:])


@codecs
@given(data=plain)
def test_round_trip(codec: int, data: bytes) -> None:
    assert decompress(codec, compress(codec, data)) == data


@packing
@given(
    data=st.one_of(st.binary(max_size=300), st.builds(lambda n: LINES[:n], st.integers(0, 9000)))
)
@settings(max_examples=30)
def test_both_ways_with_the_twin(codec: int, data: bytes) -> None:
    assert codec_twin.decompress(codec, compress(codec, data)) == data
    assert decompress(codec, codec_twin.compress(codec, data)) == data


@pytest.mark.parametrize(("codec", "level"), [(c, level) for c in LEVELS for level in LEVELS[c]])
def test_every_level(codec: int, level: int) -> None:
    for data in (b"", b"x", LINES):
        assert decompress(codec, compress(codec, data, level)) == data


def test_gzip_levels_give_more_for_more() -> None:
    fast, default, best = (len(compress(GZIP, LINES, level)) for level in (1, 6, 9))
    assert best <= default < fast


def test_kafkas_lz4_level_9_is_its_fast_default() -> None:
    assert compress(LZ4, LINES, 9) == compress(LZ4, LINES)
    assert len(compress(LZ4, LINES, 8)) < len(compress(LZ4, LINES))


@pytest.mark.parametrize(
    ("codec", "level"),
    [(NONE, 1), (SNAPPY, 1), (GZIP, 0), (GZIP, 10), (LZ4, 0), (LZ4, 18), (ZSTD, 23), (ZSTD, -131073),
     (ZSTD, 2**40)],
)  # fmt: skip
def test_levels_that_there_are_not(codec: int, level: int) -> None:
    with pytest.raises(InvalidConfig) as caught:
        compress(codec, b"x", level)
    assert caught.value.name == f"compression.{CODECS[codec]}.level"


@pytest.mark.parametrize("codec", [-1, 5, 6, 7, 100])
def test_unknown_codec(codec: int) -> None:
    with pytest.raises(UnsupportedCompression):
        compress(codec, b"x")
    with pytest.raises(UnsupportedCompression):
        decompress(codec, b"x")


@codecs
def test_any_contiguous_buffer(codec: int) -> None:
    packed = compress(codec, memoryview(bytearray(LINES)))
    assert decompress(codec, memoryview(b"__" + packed)[2:]) == LINES
    with pytest.raises(BufferError):
        compress(codec, memoryview(LINES)[::2])


@codecs
def test_threads_do_not_share_contexts(codec: int) -> None:
    def work(seed: int) -> bool:
        data = LINES[seed * 100 : 50_000 + seed * 300]
        return all(decompress(codec, compress(codec, data)) == data for _ in range(20))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(16)))


# The layout on the wire


def test_snappy_is_framed_as_kafka_does() -> None:
    packed = compress(SNAPPY, LINES)
    assert packed[:16] == b"\x82SNAPPY\x00" + struct.pack(">ii", 1, 1)
    at, sizes = 16, []
    while at < len(packed):
        (length,) = struct.unpack_from(">i", packed, at)
        sizes.append(len(codec_twin.snappy_unpack(packed[at + 4 : at + 4 + length])))
        at += 4 + length
    assert sizes[:-1] == [32768] * (len(LINES) // 32768)
    assert sum(sizes) == len(LINES)


def test_snappy_reads_raw_blocks() -> None:
    assert decompress(SNAPPY, codec_twin.snappy_pack(LINES[:1000])) == LINES[:1000]
    assert decompress(SNAPPY, b"\x00") == b""


def test_snappy_frame_of_a_newer_version_is_refused() -> None:
    packed = bytearray(compress(SNAPPY, b"abc"))
    packed[15] = 2  # the oldest version that may read it
    with pytest.raises(CorruptRecord):
        decompress(SNAPPY, packed)


def test_lz4_frame_header_is_that_of_kafkas_java_code() -> None:
    """Magic; version 1, independent blocks, no checksums, no size; 64 KiB; header checksum."""
    assert compress(LZ4, LINES)[:7] == bytes.fromhex("04224d18604082")


def test_lz4_header_checksum_is_verified() -> None:
    packed = bytearray(compress(LZ4, LINES))
    packed[6] ^= 1
    with pytest.raises(CorruptRecord):
        decompress(LZ4, packed)


@packing
@given(parts=st.lists(plain, min_size=2, max_size=4))
@settings(max_examples=20)
def test_frames_may_follow_each_other(codec: int, parts: list[bytes]) -> None:
    packed = b"".join(compress(codec, part) for part in parts)
    assert decompress(codec, packed) == b"".join(parts)


# Other people's libraries


@given(
    data=plain,
    linked=st.booleans(),
    checksums=st.booleans(),
    sized=st.booleans(),
    block=st.sampled_from([0, 4, 5, 6, 7]),
)
def test_lz4_library(data: bytes, linked: bool, checksums: bool, sized: bool, block: int) -> None:
    frame = pytest.importorskip("lz4.frame")
    assert frame.decompress(compress(LZ4, data)) == data
    theirs = frame.compress(data, block_size=block, block_linked=linked, content_checksum=checksums,
                            block_checksum=checksums, store_size=sized)  # fmt: skip
    assert decompress(LZ4, theirs, max_size=len(data)) == data


@given(data=plain, checksum=st.booleans(), streamed=st.booleans())
def test_zstandard_library(data: bytes, checksum: bool, streamed: bool) -> None:
    zstandard = pytest.importorskip("zstandard")
    assert zstandard.ZstdDecompressor().decompress(compress(ZSTD, data)) == data
    packer = zstandard.ZstdCompressor(write_checksum=checksum)
    if streamed:  # as Java writes it: no content size
        stream = packer.compressobj()
        theirs = stream.compress(data[:1000]) + stream.compress(data[1000:]) + stream.flush()
    else:
        theirs = packer.compress(data)
    assert decompress(ZSTD, theirs, max_size=len(data)) == data


@given(data=plain)
def test_snappy_library(data: bytes) -> None:
    snappy = pytest.importorskip("snappy")
    assert decompress(SNAPPY, snappy.compress(data), max_size=len(data)) == data
    assert b"".join(_blocks(compress(SNAPPY, data), snappy.decompress)) == data


def _blocks(packed: bytes, unpack):  # type: ignore[no-untyped-def]
    at = 16
    while at < len(packed):
        (length,) = struct.unpack_from(">i", packed, at)
        yield bytes(unpack(packed[at + 4 : at + 4 + length]))
        at += 4 + length


@given(data=plain, level=st.integers(0, 9), name=st.sampled_from(["", "a name"]))
def test_standard_gzip(data: bytes, level: int, name: str) -> None:
    assert gzip.decompress(compress(GZIP, data)) == data
    sink = io.BytesIO()
    with gzip.GzipFile(name, "wb", level, sink) as stream:
        stream.write(data)
    assert decompress(GZIP, sink.getvalue(), max_size=len(data)) == data


@given(cuts=st.lists(st.integers(0, len(LINES)), min_size=1, max_size=8))
def test_gzip_flushed_in_the_middle(cuts: list[int]) -> None:
    """Stored, empty and byte-aligned deflate blocks, as streaming writers make them."""
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    packed, at = b"", 0
    for cut in sorted(cuts):
        packed += packer.compress(LINES[at:cut]) + packer.flush(zlib.Z_SYNC_FLUSH)
        at = cut
    packed += packer.compress(LINES[at:]) + packer.flush()
    assert decompress(GZIP, packed) == LINES


# Bad data

SMALL = b"small input, small input, with a repeat and a tail " * 3


def attempt(codec: int, packed: bytes) -> bytes | None:
    """The unpacked bytes, or None for an error that says the data are bad."""
    try:
        return decompress(codec, packed, max_size=1 << 20)
    except (CorruptRecord, DecompressionTooLarge):
        return None


@packing
def test_every_flipped_byte_gives_an_error_or_bytes(codec: int) -> None:
    for source in (SMALL, b"", LINES[:2000]):
        packed = compress(codec, source)
        for at in range(len(packed)):
            for mask in (0x01, 0x80, 0xFF, 0x10):
                bad = bytearray(packed)
                bad[at] ^= mask
                got = attempt(codec, bad)
                if codec == GZIP and got is not None:  # it has a checksum: the rest is decoration
                    assert got == source


@packing
def test_every_truncation_is_an_error(codec: int) -> None:
    for source in (SMALL, b"", LINES[:70_000]):
        packed = compress(codec, source)
        step = 1 if len(packed) < 2000 else 97
        for cut in range(0, len(packed), step):
            got = attempt(codec, packed[:cut])
            if codec == SNAPPY and got is not None:
                # The framing has no end mark: what ends between two blocks is whole.
                assert source.startswith(got)
                assert len(got) % 32768 == 0
            else:
                assert got is None


@packing
@pytest.mark.parametrize("garbage", [b"\x00", b"\x00" * 8, b"garbage", b"\xff" * 30])
def test_trailing_garbage_is_an_error(codec: int, garbage: bytes) -> None:
    assert attempt(codec, compress(codec, SMALL) + garbage) is None


@packing
@given(data=st.binary(max_size=200))
def test_noise_never_crashes(codec: int, data: bytes) -> None:
    attempt(codec, data)
    attempt(codec, compress(codec, SMALL)[:16] + data)


@packing
@given(
    noise=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=20)
)
def test_several_changed_bytes_never_crash(codec: int, noise: list[tuple[int, int]]) -> None:
    packed = bytearray(compress(codec, LINES[:40_000]))
    for at, byte in noise:
        packed[at % len(packed)] = byte
    attempt(codec, packed)


def test_a_context_is_sound_after_an_error() -> None:
    for codec in PACKING:
        packed = compress(codec, LINES)
        assert attempt(codec, packed[:-3] + b"\x55\x55\x55") != LINES
        assert attempt(codec, packed[: len(packed) // 2]) != LINES
        assert decompress(codec, packed) == LINES


@codecs
@pytest.mark.parametrize("size", [1, 100, 32768, 65536, 65537, 300_000])
def test_the_cap_is_exact(codec: int, size: int) -> None:
    packed = compress(codec, b"a" * size)
    assert decompress(codec, packed, max_size=size) == b"a" * size
    with pytest.raises(DecompressionTooLarge) as caught:
        decompress(codec, packed, max_size=size - 1)
    assert caught.value.limit == size - 1


@packing
def test_bomb_is_refused(codec: int) -> None:
    bomb = compress(codec, bytes(20 << 20))
    with pytest.raises(DecompressionTooLarge):
        decompress(codec, bomb, max_size=1 << 20)


CLAIMS = """
import resource, struct, sys
from logflume._native.codecs import decompress
from logflume.errors import CorruptRecord

size = 1 << 33
claims = {
    "snappy, raw": (2, b"\\xff\\xff\\xff\\xff\\x0f" + b"\\x00a" * 20),
    "snappy, framed": (2, b"\\x82SNAPPY\\x00" + struct.pack(">iii", 1, 1, 7) + b"\\xff\\xff\\xff\\xff\\x0f\\x00a"),
    "zstd": (4, struct.pack("<IBQ", 0xFD2FB528, 0xE0, size) + b"\\x0b\\x00\\x00a"),
    "lz4": (3, bytes.fromhex(sys.argv[1])),
    "gzip": (1, bytes.fromhex("1f8b0800000000000003 4b0400") + struct.pack("<II", 0xE8B7BE43, 0xFFFFFFFF)),
}
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20),) * 2)
for name, (codec, data) in claims.items():
    try:
        decompress(codec, data, max_size=1 << 40)
    except CorruptRecord:
        continue
    raise SystemExit(name + ": no error")
print("refused")
"""


def test_claimed_sizes_are_not_believed() -> None:
    """With 64 MiB of memory to spare, sizes of gigabytes in the headers lead to errors about the data."""
    descriptor = b"\x68\x40" + struct.pack("<Q", 1 << 33)
    lz4 = struct.pack("<I", codec_twin.LZ4_MAGIC) + descriptor
    lz4 += (
        bytes([codec_twin.xxh32(descriptor) >> 8 & 0xFF])
        + struct.pack("<I", 1 << 31 | 3)
        + b"abc"
        + bytes(4)
    )
    command = [sys.executable, "-c", CLAIMS, lz4.hex()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("refused\n", "")


def _before_guard_page(data: bytes) -> tuple[mmap.mmap, memoryview]:
    """A copy of `data` that ends where the readable memory ends."""
    size = -(-len(data) // mmap.PAGESIZE) * mmap.PAGESIZE
    area = mmap.mmap(-1, size + mmap.PAGESIZE)
    area[size - len(data) : size] = data
    address = ctypes.addressof(ctypes.c_char.from_buffer(area))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    assert libc.mprotect(address + size, mmap.PAGESIZE, 0) == 0
    return area, memoryview(area)[size - len(data) : size]


@codecs
def test_nothing_behind_the_input_is_read(codec: int) -> None:
    """The next byte is on a page without access: reading it would end the process."""
    for source in (b"", b"x", SMALL, LINES[:33_000], LINES):
        _area, view = _before_guard_page(source)
        packed = compress(codec, view)
        for cut in {0, 1, 7, 10, 20, 33, len(packed) // 2, len(packed) - 1, len(packed)}:
            _other, part = _before_guard_page(packed[:cut])
            try:
                assert decompress(codec, part) == source or codec in (NONE, SNAPPY)
            except LogflumeError:
                assert cut < len(packed)
