"""What tests of producers and readers write, and look at: the records and batches that came out."""

from __future__ import annotations

from pathlib import Path

import logflume
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


def numbered(records):
    """Where they are, in order."""
    return sorted((record.partition, record.offset) for record in records)


def fill(path, count=100, topic="t"):
    """So many records into each of the topic's two partitions."""
    with logflume.open(path) as log, log.producer(acks=1) as producer:
        for number in range(2):
            values = [b"%d-%d" % (number, i) for i in range(count)]
            producer.send_many(topic, values, partition=number)
