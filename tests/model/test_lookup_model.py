"""Look-ups against a list: a record of any batch, met for the first time, again, and in a decoded neighbourhood.

The batches come from the twin: of any codec, of any shape an LZ4 frame may have, with and without gaps.
"""

from __future__ import annotations

import random
import tempfile
from bisect import bisect_left
from collections.abc import Callable
from pathlib import Path

import lz4.frame  # type: ignore[import-untyped]
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logflume import errors
from model import batch_twin, codec_twin
from support.partitions import Row, opened, row_of

LZ4 = 3


def frame(**options: object) -> Callable[[int, bytes], bytes]:
    """A frame of the library's, other than Kafka's clients make it."""

    def pack(_codec: int, data: bytes) -> bytes:
        packed: bytes = lz4.frame.compress(data, **options)
        return packed

    return pack


def two_frames(_codec: int, data: bytes) -> bytes:
    half = len(data) // 2
    packed: bytes = lz4.frame.compress(data[:half]) + lz4.frame.compress(data[half:])
    return packed


PACKERS: list[tuple[int, Callable[[int, bytes], bytes]]] = [
    *((codec, codec_twin.compress) for codec in range(5)),
    (LZ4, frame(block_linked=False, store_size=False)),
    (LZ4, frame(block_linked=False, store_size=True, block_checksum=True)),
    (LZ4, frame(block_linked=False, content_checksum=True, block_size=lz4.frame.BLOCKSIZE_MAX1MB)),
    (LZ4, frame(block_linked=True, store_size=False)),
    (LZ4, two_frames),
]


def random_batch(rng: random.Random, base: int) -> tuple[bytes, list[Row], int]:
    """Its bytes, its records, and the offset behind it."""
    codec, compress = rng.choice(PACKERS)
    count = rng.choice((1, 5, 33, 60, 120))
    # Small, alike, or of sizes that make a guess from the index wrong; noise makes blocks that are stored.
    largest = rng.choice((3, 40, 900))
    noisy = rng.random() < 0.3
    records, deltas, delta = [], [], 0
    gaps = rng.random() < 0.3
    for n in range(count):
        size = largest if rng.random() < 0.5 else rng.randrange(largest + 1)
        if rng.random() < 0.05:
            size *= 20
        value = rng.randbytes(size) if noisy else (b"%d " % (base + n) * size)[:size]
        records.append(
            batch_twin.Record(
                value=None if rng.random() < 0.1 else value,
                key=None if rng.random() < 0.4 else b"key %d" % rng.randrange(9),
                timestamp=1000 + rng.randrange(50),
                headers=((b"h", b"x" * rng.randrange(9)), (b"n", None))
                if rng.random() < 0.2
                else (),
            )
        )
        delta += rng.randrange(1, 4) if gaps else int(n > 0)
        deltas.append(delta)
    last = delta + (rng.randrange(3) if gaps else 0)
    data = batch_twin.encode_batch(
        records,
        base_offset=base,
        codec=codec,
        offset_deltas=deltas,
        last_offset_delta=last,
        compress=compress,
    )
    rows = [
        Row(base + d, r.timestamp, r.key, r.value, tuple((k.decode(), v) for k, v in r.headers))
        for r, d in zip(records, deltas, strict=True)
    ]
    return data, rows, base + last + 1


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1 << 32))
def test_look_ups_find_what_reading_in_order_finds(seed: int) -> None:
    rng = random.Random(seed)
    rows: list[Row] = []
    end, data = 0, b""
    for _ in range(rng.randrange(1, 7)):
        packed, more, end = random_batch(rng, end)
        data += packed
        rows += more
    offsets = [row.offset for row in rows]
    with tempfile.TemporaryDirectory() as where:
        segment = Path(where, "t-0", f"{0:020d}.log")
        segment.parent.mkdir()
        segment.write_bytes(data)
        interval = rng.choice((0, 300, 4096))
        with opened(Path(where), allow_gaps=True, index_interval_bytes=interval) as log:
            asked = [rng.randrange(end) for _ in range(60)] * 3
            for offset in asked:
                place = bisect_left(offsets, offset)
                if place == len(rows):
                    with pytest.raises(errors.OffsetOutOfRange):
                        log.read(offset)
                else:
                    assert row_of(log.read(offset)) == rows[place]
            kept = [log.read(offset) for offset in offsets[:50]]
            found = log.lookup(offsets)
        # What was found outlives the partition and its buffers.
        assert [row_of(record) for record in kept] == rows[:50]
        assert [row_of(record) for record in found] == rows


def test_a_record_that_is_larger_than_those_before_it_is_found(tmp_path: Path) -> None:
    """The guess from its index is too short: all is unpacked."""
    values = [b"s"] * 60 + [bytes(range(256)) * 200] + [b"t"] * 60
    with opened(tmp_path, compression=LZ4) as log:
        log.append_many(values)
    for index in (60, 61, 120, 0):
        with opened(tmp_path, compression=LZ4) as log:
            assert log.read(index).value == values[index]


@pytest.mark.parametrize("size", [100, 3000])
def test_batches_that_share_a_place_in_the_table_of_those_met(tmp_path: Path, size: int) -> None:
    """Many more than there are places: each is found, whatever was displaced."""
    with opened(tmp_path) as log:
        for _ in range(40):
            log.append_many([b"%d" % n for n in range(size)], batch_bytes=1024)
        offsets = list(range(0, 40 * size, 37))
        random.Random(5).shuffle(offsets)
        for offset in offsets * 3:
            assert log.read(offset).value == b"%d" % (offset % size)


def test_the_next_record_lies_behind_large_batches_without_their_ends(tmp_path: Path) -> None:
    """Whatever a look-up decodes at once: what it is after may lie behind it."""
    large = [batch_twin.Record(value=bytes(600)) for _ in range(50)]
    ends = [
        batch_twin.encode_batch(large, base_offset=base, last_offset_delta=99) for base in (0, 100)
    ]
    alone = batch_twin.encode_batch([batch_twin.Record(value=b"next")], base_offset=250)
    segment = tmp_path / "t-0" / f"{0:020d}.log"
    segment.parent.mkdir()
    segment.write_bytes(ends[0] + ends[1] + alone)
    with opened(tmp_path, allow_gaps=True) as log:
        for _ in range(3):
            assert log.read(50).offset == 100
            assert log.read(160).value == log.read(249).value == b"next"


@pytest.mark.parametrize("sizes", [(100, 100), (3, 5000), (0, 40)], ids=str)
def test_arrays_of_offsets_in_any_order_find_what_reading_in_order_finds(
    tmp_path: Path, sizes: tuple[int, int]
) -> None:
    """Large batches and small ones, over several segments; the end is appended to meanwhile."""
    rng = random.Random(7)
    with opened(tmp_path, segment_bytes=300_000) as log:
        values: list[bytes] = []
        for batch_bytes in (65536, 900, 20_000) * 3:
            more = [rng.randbytes(rng.randint(*sizes)) for _ in range(700)]
            values += more
            log.append_many(more, batch_bytes=batch_bytes)
            for _ in range(3):
                offsets = [rng.randrange(len(values)) for _ in range(400)]
                assert log.lookup(offsets).values.tolist() == [values[n] for n in offsets]
                offsets.sort()
                found = log.lookup(offsets)
                assert found.offsets.tolist() == offsets
                assert found.values.tolist() == [values[n] for n in offsets]
            offsets = [rng.randrange(len(values)) for _ in range(100)]
            records = [log.read(n) for n in offsets]
            assert [record.value for record in records] == [values[n] for n in offsets]
        with pytest.raises(errors.OffsetOutOfRange):
            log.lookup([0, len(values), 1])
        log.set_start_offset(2)
        with pytest.raises(errors.OffsetOutOfRange):
            log.lookup([5, 1])


@pytest.mark.parametrize("room", [0, 50_000, 300_000])
def test_what_is_kept_for_look_ups_makes_room_for_what_is_new(tmp_path: Path, room: int) -> None:
    values = [b"%d" % n * 20 for n in range(8000)]
    with opened(tmp_path, compression=LZ4) as log:
        log.append_many(values, batch_bytes=8192)
        log._lookup_cache_bytes = room
        rng = random.Random(3)
        for _ in range(5000):
            n = rng.randrange(len(values))
            assert log.read(n).value == values[n]
