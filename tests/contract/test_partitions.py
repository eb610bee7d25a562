"""Direct access to a partition."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from logflume import errors


def test_append_and_read(log, name):
    log.create_topic(name, partitions=2)
    partition = log.partition(name, 1)
    assert (partition.topic, partition.partition) == (name, 1)
    assert (partition.start_offset, partition.end_offset) == (0, 0)
    assert (
        partition.append(b"value", key=b"k", headers=[("h", b"v")], timestamp=1_700_000_000_000)
        == 0
    )
    assert partition.append_many([b"a", None], keys=[None, b"b"]) == 1
    assert partition.append_many(np.arange(3, dtype="<i8")) == 3
    assert partition.append_many([]) == 6
    partition.sync()
    assert partition.end_offset == partition.durable_offset == 6
    record = partition.read(0)
    assert (record.key, record.value, record.headers) == (b"k", b"value", [("h", b"v")])
    assert (record.topic, record.partition, record.timestamp) == (name, 1, 1_700_000_000_000)
    assert partition.read(2).value is None
    with pytest.raises(errors.OffsetOutOfRange) as caught:
        partition.read(6)
    assert (caught.value.offset, caught.value.end_offset) == (6, 6)


def test_lookup_in_any_order(log, name):
    log.create_topic(name)
    partition = log.partition(name, 0)
    partition.append_many([b"%d" % i for i in range(5000)])
    wanted = [4999, 0, 17, 17, 2500]
    found = partition.lookup(np.array(wanted, dtype=np.int64))
    assert found.offsets.tolist() == wanted
    assert [bytes(v) for v in found.values] == [b"%d" % i for i in wanted]
    with pytest.raises(errors.OffsetOutOfRange):
        partition.lookup([1, 5000])


def test_reading_on(log, name):
    log.create_topic(name)
    partition = log.partition(name, 0)
    partition.append_many([b"%d" % i for i in range(3000)])
    reader = partition.reader()
    seen = []
    while len(batch := reader.read(max_records=700)):
        assert len(batch) <= 700
        seen += batch.offsets.tolist()
    assert seen == list(range(3000))
    assert reader.position == 3000
    partition.append(b"more")
    assert reader.read().offsets.tolist() == [3000]
    reader.seek(2999)
    assert reader.read(max_records=1).offsets.tolist() == [2999]
    assert len(partition.read_batch(3001)) == 0
    with pytest.raises(errors.OffsetOutOfRange):
        partition.read_batch(3002)


def test_times(log, name):
    log.create_topic(name)
    partition = log.partition(name, 0)
    start = 1_700_000_000_000
    partition.append_many([b"v"] * 10, timestamps=[start + 10 * i for i in range(10)])
    assert partition.offset_for_time(start) == 0
    assert partition.offset_for_time(start + 41) == 5
    assert partition.offset_for_time(start + 91) is None
    reader = partition.reader()
    assert reader.seek_to_time(start + 41) == (5, start + 50)
    assert reader.position == 5


def test_wait_for_an_offset(log, name):
    log.create_topic(name)
    partition = log.partition(name, 0)
    assert not partition.wait(0, 0.1)
    timer = threading.Timer(0.2, lambda: partition.append(b"v"))
    timer.start()
    assert partition.wait(0, 20)
    timer.join()
    assert partition.wait(0, 0)
