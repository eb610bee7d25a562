"""The engine opens what a real Kafka wrote, and writes what the twin of the format reads."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logflume import errors
from model import batch_twin
from support.golden import GOLDEN, TOPICS, as_json
from support.partitions import opened, read_all, row_of


def golden_copy(topic: str, to: Path, kind: str = "kafka") -> Path:
    shutil.copytree(GOLDEN / kind / f"{topic}-0", to / "t-0")
    return to


def expected(topic: str) -> list[dict[str, Any]]:
    return list(json.loads((GOLDEN / "kafka" / f"{topic}.json").read_text())["records"])


@pytest.mark.parametrize("topic", TOPICS)
def test_reads_what_kafkas_client_read(topic: str, tmp_path: Path) -> None:
    """Control batches are skipped; data of aborted transactions is there, as for read_uncommitted."""
    records = expected(topic)
    with opened(golden_copy(topic, tmp_path), allow_gaps=topic == "compacted") as log:
        assert [as_json(row) for row in read_all(log)] == records
        assert [as_json(row) for row in read_all(log, max_records=1)] == records
        for record in records:
            assert as_json(row_of(log.read(record["offset"]))) == record
            when = record["timestamp"]
            first = next(other["offset"] for other in records if other["timestamp"] >= when)
            assert log.offset_for_time(when) == first
        offsets = [record["offset"] for record in reversed(records)]
        assert [as_json(row_of(row)) for row in log.lookup(offsets)] == records[::-1]


@pytest.mark.parametrize("topic", TOPICS)
def test_a_read_only_log_is_read_and_not_touched(topic: str, tmp_path: Path) -> None:
    golden_copy(topic, tmp_path)
    before = {path.name: path.read_bytes() for path in (tmp_path / "t-0").iterdir()}
    with opened(tmp_path, read_only=True, allow_gaps=topic == "compacted") as log:
        assert [as_json(row) for row in read_all(log)] == expected(topic)
        with pytest.raises(errors.ReadOnlyDirectory):
            log.append(b"x")
        with pytest.raises(errors.ReadOnlyDirectory):
            log.roll()
    assert {path.name: path.read_bytes() for path in (tmp_path / "t-0").iterdir()} == before


@pytest.mark.parametrize("topic", TOPICS)
def test_appends_follow_what_kafka_wrote_and_its_files_stay(topic: str, tmp_path: Path) -> None:
    golden_copy(topic, tmp_path)
    before = {path.name: path.read_bytes() for path in (tmp_path / "t-0").iterdir()}
    with opened(tmp_path, allow_gaps=topic == "compacted") as log:
        end = log.end_offset
        assert log.append(b"ours", timestamp=1_800_000_000_000) == end
    with opened(tmp_path, allow_gaps=topic == "compacted") as log:
        assert log.recovery.clean
        rows = read_all(log)
        assert [as_json(row) for row in rows[:-1]] == expected(topic)
        assert (rows[-1].offset, rows[-1].value) == (end, b"ours")
    for name, data in before.items():
        if name.endswith((".log", ".txnindex")):
            assert (tmp_path / "t-0" / name).read_bytes().startswith(data)


def test_compacted_offsets_read_as_the_next_that_is_left(tmp_path: Path) -> None:
    records = expected("compacted")
    with opened(golden_copy("compacted", tmp_path), allow_gaps=True) as log:
        for offset in range(records[-1]["offset"] + 1):
            following = next(record for record in records if record["offset"] >= offset)
            assert as_json(row_of(log.read(offset))) == following


@pytest.mark.parametrize("magic", [0, 1])
def test_old_formats_are_refused_by_file(magic: int, tmp_path: Path) -> None:
    golden_copy(f"magic{magic}", tmp_path, "old")
    with pytest.raises(errors.UnsupportedFormat) as caught, opened(tmp_path):
        pass
    assert caught.value.path == str(tmp_path / "t-0" / f"{0:020}.log")
    assert f"magic {magic}" in str(caught.value)


@pytest.mark.parametrize("codec", [5, 6, 7])
def test_an_unknown_codec_is_named(codec: int, tmp_path: Path) -> None:
    batch = bytearray(batch_twin.encode_batch([batch_twin.Record(b"v", timestamp=1)]))
    batch[22] |= codec
    batch[17:21] = struct.pack(">I", batch_twin.crc32c(batch[21:]))
    (tmp_path / "t-0").mkdir()
    (tmp_path / "t-0" / f"{0:020}.log").write_bytes(batch)
    with opened(tmp_path) as log, pytest.raises(errors.UnsupportedCompression):
        log.read(0)


def test_a_decompression_bomb_is_capped(tmp_path: Path) -> None:
    for codec in (1, 2, 3, 4):
        with opened(tmp_path / str(codec), compression=codec, max_message_bytes=1 << 26) as log:
            log.append(b"0" * 5_000_000)
        with opened(tmp_path / str(codec), max_decompressed_bytes=1_000_000) as log:
            with pytest.raises(errors.DecompressionTooLarge) as caught:
                log.read(0)
            assert str(tmp_path / str(codec)) in str(caught.value)


# Both ways with the twin

names = st.text(st.characters(codec="utf-8"), max_size=5)
twin_records = st.builds(
    batch_twin.Record,
    value=st.none() | st.binary(max_size=200),
    key=st.none() | st.binary(max_size=20),
    timestamp=st.integers(0, 2**45),
    headers=st.lists(
        st.tuples(names.map(str.encode), st.none() | st.binary(max_size=9)), max_size=3
    ).map(tuple),
)
twin_batches = st.lists(twin_records, min_size=1, max_size=8)


def twin_rows(batches: list[batch_twin.Batch]) -> list[tuple[Any, ...]]:
    return [
        (r.offset, r.timestamp, r.key, r.value, tuple((n.decode(), v) for n, v in r.headers))
        for batch in batches
        for r in batch.records
    ]


@settings(max_examples=60)
@given(batches=st.lists(twin_batches, min_size=1, max_size=4), codec=st.integers(0, 4))
def test_the_twin_reads_what_the_engine_writes(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[batch_twin.Record]], codec: int
) -> None:
    directory = tmp_path_factory.mktemp("ours")
    with opened(directory, compression=codec, segment_ms=1 << 60) as log:
        for records in batches:
            log.append_many(
                [r.value for r in records],
                keys=[r.key for r in records],
                timestamps=[r.timestamp for r in records],
                headers=[tuple((n.decode(), v) for n, v in r.headers) for r in records],
            )
        rows = read_all(log)
    decoded = batch_twin.decode_batches((directory / "t-0" / f"{0:020}.log").read_bytes())
    assert twin_rows(decoded) == rows
    assert [len(batch.records) for batch in decoded] == [len(records) for records in batches]
    for batch, records in zip(decoded, batches):
        assert batch.codec == codec
        assert batch.max_timestamp == max(r.timestamp for r in records)
        assert (batch.producer_id, batch.producer_epoch, batch.base_sequence) == (-1, -1, -1)
        assert batch.last_offset_delta == len(records) - 1


@settings(max_examples=60)
@given(
    batches=st.lists(twin_batches, min_size=1, max_size=4),
    codec=st.integers(0, 4),
    append_time=st.none() | st.integers(0, 2**45),
    transactional=st.booleans(),
)
def test_the_engine_reads_what_the_twin_writes(
    tmp_path_factory: pytest.TempPathFactory,
    batches: list[list[batch_twin.Record]],
    codec: int,
    append_time: int | None,
    transactional: bool,
) -> None:
    directory = tmp_path_factory.mktemp("twins")
    encoded = [
        batch_twin.encode_batch(
            records, codec=codec, append_time=append_time, transactional=transactional
        )
        for records in batches
    ]
    with opened(directory, segment_ms=1 << 60) as log:
        base = 0
        for data, records in zip(encoded, batches):
            assert log.append_raw(data) == base
            base += len(records)
        rows = read_all(log)
    stored = batch_twin.decode_batches((directory / "t-0" / f"{0:020}.log").read_bytes())
    assert twin_rows(stored) == rows
    flat = [record for records in batches for record in records]
    assert [(r.value, r.key) for r in flat] == [(row.value, row.key) for row in rows]
    for row, record in zip(rows, flat):
        assert row.timestamp == (record.timestamp if append_time is None else append_time)


@settings(max_examples=200)
@given(
    records=twin_batches,
    at=st.integers(min_value=0),
    to=st.integers(0, 255),
    codec=st.sampled_from([0, 3]),
    cut=st.booleans(),
)
def test_append_raw_refuses_what_the_twin_refuses(
    tmp_path_factory: pytest.TempPathFactory,
    records: list[batch_twin.Record],
    at: int,
    to: int,
    codec: int,
    cut: bool,
) -> None:
    data = bytearray(batch_twin.encode_batch(records, codec=codec))
    if cut:
        del data[at % len(data) :]
    else:
        data[at % len(data)] = to
    try:
        good = batch_twin.decode_batch(bytes(data))[1] == len(data)
    except batch_twin.FormatError:
        good = False
    with opened(tmp_path_factory.mktemp("raw")) as log:
        if good:
            assert log.append_raw(bytes(data)) == 0
            assert len(read_all(log)) == len(records)
        else:
            with pytest.raises((errors.InvalidRecord, errors.RecordTooLarge)):
                log.append_raw(bytes(data))
            assert log.end_offset == 0
