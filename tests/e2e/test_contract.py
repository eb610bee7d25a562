"""The names that programs outside this repository rely on, used as their page shows them."""

from __future__ import annotations

import inspect
import threading

import numpy as np
import pytest

import logflume
from logflume import errors


@pytest.fixture
def log(tmp_path):
    with logflume.open(tmp_path / "data") as opened:
        yield opened


def test_log_and_topics(tmp_path):
    log = logflume.open(str(tmp_path / "data"))
    log.create_topic("t", partitions=4, config={"compression.type": "lz4"})
    with pytest.raises(errors.TopicExists):
        log.create_topic("t")
    assert log.topics() == ["t"]
    log.delete_topic("t")
    assert log.topics() == []
    log.close()
    with pytest.raises(errors.Closed):
        log.topics()


def test_producer(log):
    log.create_topic("t", partitions=4)
    producer = log.producer(acks="all", linger_ms=5, batch_size=65536, compression_type="lz4")
    delivery = producer.send(
        "t", b"value", key=b"k", headers=[("h", b"v")], partition=None, timestamp=None
    )
    metadata = delivery.result(timeout=60)
    assert (metadata.topic, metadata.offset) == ("t", 0)
    assert 0 <= metadata.partition < 4
    assert metadata.timestamp > 1_700_000_000_000
    count = producer.send_many("t", [b"a", b"b"], keys=None, partition=None, timestamps=None)
    assert count == 2
    producer.flush()
    producer.close()
    record = log.partition("t", metadata.partition).read(0)
    assert (record.key, record.value, record.headers) == (b"k", b"value", [("h", b"v")])


def test_consumer(log):
    log.create_topic("t", partitions=2)
    with log.producer(acks=1) as producer:
        producer.send_many("t", [b"%d" % i for i in range(10)], partition=0)
        producer.send_many("t", [b"x%d" % i for i in range(5)], partition=1)
    consumer = log.consumer(
        "t",
        group="g",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        isolation_level="read_uncommitted",
    )
    records = consumer.poll(timeout=1.0, max_records=500)
    assert isinstance(records, list)
    assert len(records) == 15
    first = records[0]
    assert first.topic == "t"
    for name in ("topic", "partition", "offset", "timestamp", "key", "value", "headers"):
        assert hasattr(first, name)
    consumer.seek("t", 0, 0)
    batch = consumer.poll_batch(timeout=1.0, max_records=100_000)
    assert len(batch) == 10
    assert batch.offsets.dtype == np.int64
    assert batch.timestamps.dtype == np.int64
    assert batch.partitions.dtype == np.int32
    assert [bytes(v) for v in batch.values] == [b"%d" % i for i in range(10)]
    assert list(batch.keys) == [None] * 10
    assert set(batch.to_numpy()) == {"partition", "offset", "timestamp", "key", "value"}
    assert batch.to_arrow().num_rows == 10
    assert batch.__arrow_c_stream__() is not None
    consumer.commit()
    assert consumer.committed("t", 0) == 10
    assert consumer.position("t", 0) == 10
    assert consumer.offsets_for_times({("t", 0): 1_700_000_000_000})["t", 0].offset == 0
    assert consumer.assignment() == {("t", 0), ("t", 1)}
    consumer.close()


def test_iteration_blocks_and_ends_at_close_from_another_thread(log):
    log.create_topic("t")
    consumer = log.consumer("t", auto_offset_reset="earliest")
    seen = []

    def consume():
        for record in consumer:
            seen.append(record.value)
            if len(seen) == 2:
                got_two.set()

    got_two = threading.Event()
    thread = threading.Thread(target=consume)
    thread.start()
    with log.producer() as producer:
        producer.send("t", b"1")
        producer.send("t", b"2").result(timeout=60)
        assert got_two.wait(60)
        consumer.close()
    thread.join(60)
    assert not thread.is_alive()
    assert seen == [b"1", b"2"]


def test_partition(log):
    log.create_topic("t")
    partition = log.partition("t", 0)
    assert (partition.start_offset, partition.end_offset) == (0, 0)
    assert partition.append(b"value", key=None) == 0
    assert partition.append_many([b"a", b"b"]) == 1
    assert partition.append_many(np.arange(3, dtype="<i8")) == 3
    partition.sync()
    assert partition.end_offset == 6
    assert partition.read(2).value == b"b"
    with pytest.raises(errors.OffsetOutOfRange):
        partition.read(42)
    found = partition.lookup(np.array([5, 0], dtype=np.int64))
    assert [bytes(v) for v in found.values] == [(2).to_bytes(8, "little"), b"value"]
    assert partition.offset_for_time(1_700_000_000_000) == 0


def test_errors_have_one_base():
    public = [getattr(errors, name) for name in errors.__all__]
    classes = [item for item in public if inspect.isclass(item)]
    assert classes
    assert all(issubclass(item, errors.LogflumeError) for item in classes)
