"""What tests of producers look at: the records and batches that came out."""

from __future__ import annotations

from pathlib import Path

from logflume._native.batches import BatchScan


def records_of(log, topic="one", number=0):
    partition = log.partition(topic, number)
    return partition.read_batch(0, 1_000_000, 1 << 30).records() if partition.end_offset else []


def values_of(log, topic="one", number=0):
    return [record.value for record in records_of(log, topic, number)]


def spread(log, topic="t"):
    return [partition.end_offset for partition in log[topic]]


def batches_of(log, topic="one", number=0):
    """The batches of the first segment, as they are on disk."""
    return list(BatchScan(Path(log[topic][number].segments()[0].path).read_bytes()))
