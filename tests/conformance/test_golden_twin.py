"""The twin decodes what a real Kafka wrote, and writes the same bytes: it may serve as the reference."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest

from logflume._native import codecs
from model import batch_twin
from model.batch_twin import Batch, Record, decode_batches
from support.golden import GOLDEN, TOPICS, as_json

CODEC_NAMES = ("none", "gzip", "snappy", "lz4", "zstd")


def expectation(topic: str) -> dict[str, Any]:
    return dict(json.loads((GOLDEN / "kafka" / f"{topic}.json").read_text()))


def segments(topic: str) -> dict[str, bytes]:
    where = GOLDEN / "kafka" / f"{topic}-0"
    return {path.name: path.read_bytes() for path in sorted(where.glob("*.log"))}


def test_all_topics_are_there() -> None:
    assert len(TOPICS) == 13
    assert {name for name in CODEC_NAMES if name in TOPICS} == set(CODEC_NAMES)


@pytest.mark.parametrize("topic", TOPICS)
def test_records_are_what_kafkas_client_read(topic: str) -> None:
    batches = [batch for data in segments(topic).values() for batch in decode_batches(data)]
    records = [record for batch in batches if not batch.control for record in batch.records]
    assert [as_json(record) for record in records] == expectation(topic)["records"]


@pytest.mark.parametrize("topic", TOPICS)
def test_headers_are_what_kafkas_dump_tool_printed(topic: str) -> None:
    expected = expectation(topic)
    for name, data in segments(topic).items():
        position = 0
        for batch, dumped in zip(decode_batches(data), expected[f"batches of {name}"], strict=True):
            assert dumped["isvalid"] is True
            assert dumped["position"] == position
            assert header_of(batch) == {field: dumped[field] for field in header_of(batch)}
            position += batch.size
        assert position == len(data)


@pytest.mark.parametrize("topic", TOPICS)
def test_native_codecs_unpack_what_java_and_librdkafka_packed(topic: str) -> None:
    for data in segments(topic).values():
        position = 0
        while position < len(data):
            twin, _ = batch_twin.decode_batch(data, position)
            batch, position = batch_twin.decode_batch(data, position, decompress=codecs.decompress)
            assert batch == twin


def header_of(batch: Batch) -> dict[str, Any]:
    """A batch's header under the dump tool's names."""
    horizon = batch.attributes & batch_twin.DELETE_HORIZON
    return {
        "baseOffset": batch.base_offset,
        "lastOffset": batch.last_offset,
        "count": len(batch.records),
        "baseSequence": batch.base_sequence,
        "producerId": batch.producer_id,
        "producerEpoch": batch.producer_epoch,
        "partitionLeaderEpoch": batch.leader_epoch,
        "isTransactional": batch.transactional,
        "isControl": batch.control,
        "deleteHorizonMs": f"OptionalLong[{batch.base_timestamp}]"
        if horizon
        else "OptionalLong.empty",
        "LogAppendTime" if batch.append_time else "CreateTime": batch.max_timestamp,
        "size": batch.size,
        "magic": 2,
        "compresscodec": CODEC_NAMES[batch.codec],
        "crc": batch.crc,
    }


def test_batches_are_encoded_to_kafkas_own_bytes() -> None:
    """Uncompressed batches only: a compressor may choose other bytes for the same records."""
    compared = 0
    for topic in ("none", "append-time-none", "transactions"):
        for data in segments(topic).values():
            position = 0
            for batch in decode_batches(data):
                assert encoded_again(batch) == data[position : position + batch.size]
                position += batch.size
                compared += 1
    assert compared >= 12


def encoded_again(batch: Batch) -> bytes:
    """The batch from its decoded fields. Append time hides the records' own: take the base for all."""
    records = list(batch.records)
    if batch.append_time:
        # The producer's deltas are in the bytes but not in what a reader sees.
        offsets = {0: (0, 1, 2, 2, 3), 5: (0, 80_000, 65_001)}.get(batch.base_offset, range(40))
        records = [
            Record(r.value, r.key, batch.base_timestamp + at, r.headers)
            for r, at in zip(records, offsets, strict=True)
        ]
    return batch_twin.encode_batch(
        records,
        base_offset=batch.base_offset,
        append_time=batch.max_timestamp if batch.append_time else None,
        transactional=batch.transactional,
        control=batch.control,
        leader_epoch=batch.leader_epoch,
        producer_id=batch.producer_id,
        producer_epoch=batch.producer_epoch,
        base_sequence=batch.base_sequence,
    )


def test_control_batches_tell_commit_from_abort() -> None:
    batches = [
        batch for data in segments("transactions").values() for batch in decode_batches(data)
    ]
    markers = [
        (batch.producer_id, batch_twin.decode_control(record)[0])
        for batch in batches
        if batch.control
        for record in batch.records
    ]
    one, two = batches[1].producer_id, batches[0].producer_id
    commit, abort = batch_twin.CONTROL_COMMIT, batch_twin.CONTROL_ABORT
    assert markers == [(one, commit), (one, abort), (one, commit), (two, abort)]


def test_compaction_left_gaps_and_a_delete_horizon() -> None:
    first, second = decode_batches(segments("compacted")["00000000000000000000.log"])
    assert [record.offset for record in first.records] == [8, 9, 10]
    assert (first.base_offset, first.last_offset) == (6, 11)
    assert second.attributes & batch_twin.DELETE_HORIZON


@pytest.mark.parametrize("topic", TOPICS)
def test_index_entries_are_as_described(topic: str) -> None:
    """.index: a batch's last offset and its position. .timeindex: the largest time so far, and where."""
    for name, data in segments(topic).items():
        base = int(name.removesuffix(".log"))
        where = GOLDEN / "kafka" / f"{topic}-0" / name
        starts, position = {}, 0
        for batch in decode_batches(data):
            starts[position] = batch
            position += batch.size
        for relative, at in struct.iter_unpack(">ii", where.with_suffix(".index").read_bytes()):
            assert base + relative == starts[at].last_offset
        times = {(batch.max_timestamp, batch.last_offset - base) for batch in starts.values()}
        entries = list(struct.iter_unpack(">qi", where.with_suffix(".timeindex").read_bytes()))
        assert set(entries) <= times
        assert entries == sorted(set(entries))
        assert entries[-1][0] == max(batch.max_timestamp for batch in starts.values())


def test_transaction_index_lists_what_was_aborted() -> None:
    path = GOLDEN / "kafka" / "transactions-0" / "00000000000000000004.txnindex"
    first, second = struct.iter_unpack(">hqqqq", path.read_bytes())
    batches = [
        batch for data in segments("transactions").values() for batch in decode_batches(data)
    ]
    one, two = batches[1].producer_id, batches[0].producer_id
    # version, producer id, first offset, last offset (the marker's), last stable offset
    assert first == (0, one, 5, 8, 0)
    assert second == (0, two, 0, 13, 14)


@pytest.mark.parametrize("magic", [0, 1])
def test_old_formats_are_refused(magic: int) -> None:
    data = (GOLDEN / "old" / f"magic{magic}-0" / "00000000000000000000.log").read_bytes()
    # All formats have the magic at byte 16, so that a reader can tell them apart before anything else.
    assert data[16] == magic
    with pytest.raises(batch_twin.FormatError, match=f"magic {magic}"):
        batch_twin.decode_batch(data)
