"""The small values: tuples with names, which print and pickle."""

from __future__ import annotations

import pickle

import pytest

from logflume import types

CUT = types.Cut(path="/d/t-0/0.log", position=61, size=12, reason="crc mismatch")
SAMPLES = [
    types.TopicPartition("clicks", 3),
    types.OffsetAndMetadata(42, "note"),
    types.OffsetAndTimestamp(42, 1_700_000_000_000),
    types.RecordMetadata("clicks", 3, 42, 1_700_000_000_000),
    types.SegmentInfo("/d/t-0/0.log", 0, 10, 999, 1_700_000_000_000, sealed=True),
    CUT,
    types.AppendedBatches(5, 9, -1, duplicate=True),
    types.LogBatch((), 5, 9, 7, 0, 100, True, "abort", 0),  # type: ignore[arg-type]
    types.ProducerState(7, 0, 104, 9, 1_700_000_000_000, -1, 5),
    types.OpenTransaction(7, 0, 5, 1_700_000_000_000),
    types.AbortedTransaction(7, 5, 10),
    types.PartitionReport("t", 0, 0, 10, clean=False, bytes_scanned=5, cuts=(CUT,)),
    types.RecoveryReport("/d", 0.5),
    types.CompactionPass(10, 10, 3, 999, 500, 10, 7, 2, 1),
    types.CompactionReport("t", 0, 0, 10, 1, 3, 999, 500, 7, 1, 0.5),
]


@pytest.mark.parametrize("value", SAMPLES, ids=lambda v: type(v).__name__)
def test_values_are_plain_immutable_picklable_tuples(value) -> None:
    assert value == tuple(value)
    assert hash(value) == hash(tuple(value))
    again = pickle.loads(pickle.dumps(value))
    assert again == value
    assert type(again) is type(value)
    assert type(value).__doc__
    with pytest.raises(AttributeError):
        value.colour = "red"


def test_all_names_everything_public() -> None:
    assert set(types.__all__) == {type(value).__name__ for value in SAMPLES}


def test_topic_partition_prints_as_its_directory() -> None:
    assert str(types.TopicPartition("my-topic", 12)) == "my-topic-12"
    assert repr(types.TopicPartition("t", 0)) == "TopicPartition(topic='t', partition=0)"
    assert {types.TopicPartition("t", 0): 1}["t", 0] == 1


def test_defaults() -> None:
    assert types.OffsetAndMetadata(5) == (5, "", None)


def test_recovery_report_sums_its_partitions() -> None:
    clean = types.PartitionReport("t", 0, 0, 10, clean=True)
    cut = types.PartitionReport("t", 1, 0, 10, clean=False, cuts=(CUT, CUT))
    assert types.RecoveryReport("/d", 0.1, (clean,)).clean
    report = types.RecoveryReport("/d", 0.1, (clean, cut))
    assert not report.clean
    assert report.cuts == (CUT, CUT)
