"""Reading batches out of any bytes, beside the twin; garbage is refused and never crashes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logflume._native.batches import BatchScan, encode_batch, is_clean_state
from logflume.errors import (
    CorruptRecord,
    DecompressionTooLarge,
    InvalidConfig,
    InvalidRecord,
    LogflumeError,
    UnsupportedCompression,
    UnsupportedFormat,
)
from model import batch_twin

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
some_bytes = st.none() | st.binary(max_size=40)
some_headers = st.lists(st.tuples(st.text(max_size=5), some_bytes), max_size=3)
some_records = st.lists(
    st.tuples(some_bytes, some_bytes, some_headers, st.integers(-1, 1 << 41)),
    min_size=1,
    max_size=20,
)


def one(data: bytes):
    return next(BatchScan(data))


@given(
    records=some_records,
    codec=st.sampled_from(CODECS),
    base_offset=st.integers(0, 1 << 60),
    epoch=st.integers(-1, 1000),
    transactional=st.booleans(),
    append_time=st.none() | st.integers(0, 1 << 41),
)
def test_encoded_batches_are_what_the_twin_decodes(
    records, codec, base_offset, epoch, transactional, append_time
) -> None:
    data = encode_batch(
        records,
        codec=codec,
        base_offset=base_offset,
        leader_epoch=epoch,
        producer_id=77,
        producer_epoch=3,
        base_sequence=5,
        transactional=transactional,
        append_time=append_time,
    )
    twin, end = batch_twin.decode_batch(data)
    assert end == len(data)
    batch = one(data)
    assert (batch.base_offset, batch.last_offset) == (base_offset, base_offset + len(records) - 1)
    assert (batch.producer_id, batch.producer_epoch, batch.base_sequence) == (77, 3, 5)
    assert batch.crc == twin.crc
    assert batch.crc_ok
    assert batch.codec == twin.codec == CODECS.index(codec)
    assert batch.max_timestamp == twin.max_timestamp
    assert batch.leader_epoch == twin.leader_epoch == epoch
    assert batch.transactional is twin.transactional is transactional
    assert batch.append_time is twin.append_time is (append_time is not None)
    ours = [
        (r.offset, r.timestamp, r.key, r.value, [(n.encode(), v) for n, v in r.headers])
        for r in batch.records(topic="t", partition=2)
    ]
    assert ours == [(r.offset, r.timestamp, r.key, r.value, list(r.headers)) for r in twin.records]


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("kafka/*/*.log")), ids=lambda p: p.parent.name)
def test_what_kafka_wrote(path: Path) -> None:
    data = path.read_bytes()
    scan = BatchScan(data, path=str(path))
    twins = batch_twin.decode_batches(data)
    batches = list(scan)
    assert scan.position == len(data)
    assert [(b.base_offset, b.last_offset, b.count) for b in batches] == [
        (t.base_offset, t.last_offset, len(t.records)) for t in twins
    ]
    assert all(b.crc_ok for b in batches)
    assert [b.control for b in batches] == [t.control for t in twins]
    for batch, twin in zip(batches, twins):
        assert [r.value for r in batch.records()] == [r.value for r in twin.records]
        assert batch.unpacked_size() >= sum(len(r.value or b"") for r in twin.records)


@pytest.mark.parametrize("kind", ["magic0", "magic1"])
def test_old_formats_are_named(kind: str) -> None:
    path = next((GOLDEN / "old" / f"{kind}-0").glob("*.log"))
    with pytest.raises(UnsupportedFormat, match=f"magic {kind[-1]}") as caught:
        list(BatchScan(path.read_bytes(), path=str(path)))
    assert caught.value.position == 0
    assert caught.value.path == str(path)


def test_records_go_in_as_tuples_of_any_length_or_as_records() -> None:
    data = encode_batch([(b"v",), (b"v", b"k"), (None, None, [("h", b"x")]), (b"v", None, None, 9)])
    records = list(one(data).records(topic="t", partition=1))
    assert [(r.value, r.key, r.timestamp) for r in records] == [
        (b"v", None, 0),
        (b"v", b"k", 0),
        (None, None, 0),
        (b"v", None, 9),
    ]
    assert encode_batch(records) == data


def test_a_zero_tail_ends_the_scan() -> None:
    data = encode_batch([(b"v",)])
    scan = BatchScan(data + bytes(1000), position=50)
    assert [b.position for b in scan] == [50]
    assert (scan.position, scan.zeroes, scan.missing) == (50 + len(data), 1000, 0)
    dirty = BatchScan(data + bytes(1000) + b"x", path="f", position=50)
    next(dirty)
    with pytest.raises(CorruptRecord) as caught:
        next(dirty)
    assert (caught.value.path, caught.value.position) == ("f", 50 + len(data))


def test_a_cut_batch_says_how_much_is_missing() -> None:
    data = encode_batch([(b"value" * 20,)], base_offset=1 << 60)
    for length in range(1, len(data)):
        scan = BatchScan(data[:length])
        with pytest.raises(CorruptRecord, match="cut off"):
            next(scan)
        assert scan.missing == (len(data) if length >= 61 else 61) - length
        assert scan.position == 0


def test_flipped_bits_are_seen_or_harmless_and_the_next_batch_is_found() -> None:
    first = encode_batch([(b"one", b"k", [("h", b"x")])], codec="lz4")
    second = encode_batch([(b"two",)], base_offset=1)
    for at in range(len(first)):
        for bit in range(8):
            data = bytearray(first + second)
            data[at] ^= 1 << bit
            scan = BatchScan(data)
            try:
                batch = next(scan)
            except (CorruptRecord, UnsupportedFormat):
                assert scan.position == 0
                assert scan.resync()
                assert scan.position == len(first)
                assert next(scan).base_offset == 1
                continue
            # Outside the CRC: base offset and epoch; inside, the CRC tells.
            assert batch.crc_ok == (at < 8 or 12 <= at < 16)


@settings(max_examples=300)
@given(data=st.binary(max_size=300), prefix=st.booleans())
def test_garbage_raises_typed_errors_only(data: bytes, prefix: bool) -> None:
    if prefix:
        data = encode_batch([(b"x",)], codec="zstd")[:61] + data
    scan = BatchScan(data)
    try:
        for batch in scan:
            batch.records()
            repr(batch)
    except LogflumeError:
        scan.resync()


@settings(max_examples=300)
@given(
    records=some_records,
    codec=st.sampled_from(CODECS),
    flips=st.lists(st.tuples(st.integers(21, 400), st.integers(0, 7)), min_size=1, max_size=4),
)
def test_wrong_records_under_a_right_crc_are_refused(records, codec, flips) -> None:
    data = bytearray(encode_batch(records, codec=codec))
    for at, bit in flips:
        data[at % (len(data) - 21) + 21] ^= 1 << bit
    data[17:21] = batch_twin.crc32c(bytes(data[21:])).to_bytes(4, "big")
    try:
        for batch in BatchScan(data):
            assert batch.crc_ok
            batch.records()
            batch.unpacked_size()
    except (LogflumeError, MemoryError):
        pass


def test_a_count_beyond_the_bytes_is_refused_before_memory_is_taken() -> None:
    data = bytearray(encode_batch([(b"v",)]))
    data[23:27] = (2**31 - 2).to_bytes(4, "big")
    data[57:61] = (2**31 - 1).to_bytes(4, "big")
    data[17:21] = batch_twin.crc32c(bytes(data[21:])).to_bytes(4, "big")
    with pytest.raises(CorruptRecord, match="more records than bytes"):
        one(bytes(data)).records()


def test_decompression_is_capped() -> None:
    batch = one(encode_batch([(bytes(100_000),)], codec="zstd"))
    assert batch.size < 200
    with pytest.raises(DecompressionTooLarge):
        batch.records(max_unpacked=1000)
    with pytest.raises(DecompressionTooLarge):
        batch.unpacked_size(max_unpacked=1000)
    assert len(batch.records()[0].value) == 100_000


def test_bad_arguments() -> None:
    with pytest.raises(InvalidRecord):
        encode_batch([])
    with pytest.raises(InvalidRecord):
        encode_batch([(b"v", b"k", None, 0, 0)])
    with pytest.raises(UnsupportedCompression):
        encode_batch([(b"v",)], codec="brotli")
    with pytest.raises(UnsupportedCompression):
        encode_batch([(b"v",)], codec=5)
    with pytest.raises(InvalidConfig):
        encode_batch([(b"v",)], codec="gzip", level=99)
    with pytest.raises(TypeError):
        BatchScan("text")  # type: ignore[arg-type]


def test_a_batch_outlives_the_name_of_its_buffer() -> None:
    data = bytearray(encode_batch([(b"v",)]))
    batch = one(data)
    with pytest.raises(BufferError):
        data.extend(b"x")
    copy = bytes(batch)
    records = batch.records()
    del batch
    data[:] = bytes(len(data))
    assert one(copy).crc_ok
    assert records[0].value == b"v"


def test_clean_state(tmp_path: Path) -> None:
    import logflume

    with logflume.open(tmp_path) as log:
        log.create_topic("t")
        log.partition("t", 0).append(b"v")
        path = tmp_path / "t-0" / "logflume.state"
        assert not is_clean_state(path.read_bytes())
    page = path.read_bytes()
    assert is_clean_state(page)
    assert not is_clean_state(page[:100])
    assert not is_clean_state(b"")
    assert not is_clean_state(os.urandom(4096))
