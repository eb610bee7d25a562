"""Sending: deliveries, durability words, order, partitions of keys, columns, errors by type."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from contract.conftest import drain
from logflume import RecordMetadata, errors
from logflume._native.hashing import murmur2


def test_a_delivery_tells_where_the_record_went(log, name):
    log.create_topic(name, partitions=4)
    before = time.time_ns() // 1_000_000
    with log.producer(
        acks="all", linger_ms=5, batch_size=65536, compression_type="lz4"
    ) as producer:
        delivery = producer.send(name, b"value", key=b"k", headers=[("h", b"v"), ("n", None)])
        metadata = delivery.result(timeout=60)
    assert isinstance(metadata, RecordMetadata)
    assert (metadata.topic, metadata.offset) == (name, 0)
    assert before <= metadata.timestamp <= time.time_ns() // 1_000_000
    assert delivery.done()
    assert (delivery.offset, delivery.exception()) == (0, None)
    record = log.partition(name, metadata.partition).read(0)
    assert (record.key, record.value) == (b"k", b"value")
    assert record.headers == [("h", b"v"), ("n", None)]
    assert record.timestamp == metadata.timestamp


@pytest.mark.parametrize("acks", [0, 1, "all"])
def test_every_level_of_acks_brings_the_records_there(log, name, acks):
    log.create_topic(name, partitions=1)
    with log.producer(acks=acks) as producer:
        deliveries = [producer.send(name, b"%d" % i) for i in range(100)]
        producer.flush()
        assert all(d.done() for d in deliveries)
        assert [d.result(60).offset for d in deliveries] == (
            [-1] * 100 if acks == 0 else list(range(100))
        )
    with log.consumer(name, auto_offset_reset="earliest") as consumer:
        assert [r.value for r in drain(consumer, 100)] == [b"%d" % i for i in range(100)]


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_every_codec_is_read_back(log, name, codec):
    log.create_topic(name, partitions=1)
    values = [b"the same words again and again %d" % i for i in range(1000)]
    with log.producer(compression_type=codec) as producer:
        assert producer.send_many(name, values) == 1000
    with log.consumer(name, auto_offset_reset="earliest") as consumer:
        assert [r.value for r in drain(consumer, 1000)] == values


def test_keys_go_where_kafkas_murmur2_puts_them(log, name):
    log.create_topic(name, partitions=7)
    keys = [b"", b"a", b"user-1", "ü".encode(), *(b"%d" % i for i in range(40))]
    wanted = [(murmur2(key) & 0x7FFFFFFF) % 7 for key in keys]
    with log.producer() as producer:
        sent = [producer.send(name, b"v", key=key) for key in keys]
        assert [d.result(60).partition for d in sent] == wanted
        producer.send_many(name, keys, keys=keys)
    with log.consumer(name, auto_offset_reset="earliest") as consumer:
        for record in drain(consumer, 2 * len(keys)):
            assert record.partition == wanted[keys.index(record.key)]


def test_records_of_a_key_keep_their_order(log, name):
    log.create_topic(name, partitions=3)
    with log.producer(linger_ms=1) as producer:
        for i in range(500):
            producer.send(name, b"%d" % i, key=b"k%d" % (i % 5))
        producer.send_many(
            name, [b"%d" % i for i in range(500, 1000)], keys=[b"k%d" % (i % 5) for i in range(500)]
        )
    with log.consumer(name, auto_offset_reset="earliest") as consumer:
        seen: dict[bytes, list[int]] = {}
        for record in drain(consumer, 1000):
            seen.setdefault(record.key, []).append(int(record.value))
    assert sorted(seen) == [b"k%d" % i for i in range(5)]
    assert all(numbers == sorted(numbers) for numbers in seen.values())


def test_null_and_empty_are_told_apart(log, name):
    log.create_topic(name, partitions=1)
    given = [(None, None), (b"", b""), (b"k", None), (None, b"v"), (b"", None)]
    with log.producer() as producer:
        for key, value in given:
            producer.send(name, value, key=key, partition=0)
        producer.flush()
        producer.send_many(name, [v for _, v in given], keys=[k for k, _ in given], partition=0)
    with log.consumer(name, auto_offset_reset="earliest") as consumer:
        assert [(r.key, r.value) for r in drain(consumer, 10)] == given * 2


def test_timestamps_and_headers_of_many(log, name):
    log.create_topic(name, partitions=1)
    times = [1_700_000_000_000 + i for i in range(5)]
    headers = [[("n", b"%d" % i)] if i % 2 else None for i in range(5)]
    with log.producer() as producer:
        producer.send(name, b"first", timestamp=times[0]).result(60)
        producer.send_many(name, [b"v"] * 5, timestamps=times, headers=headers)
        producer.send_many(name, np.arange(5), timestamps=np.array(times))
    batch = log.partition(name, 0).read_batch(0)
    assert batch.timestamps.tolist() == [times[0], *times, *times]
    assert [r.headers for r in batch][1:6] == [h or [] for h in headers]
    assert batch.values.tolist()[6:] == [i.tobytes() for i in np.arange(5)]


def test_columns_of_every_kind(log, name):
    pa = pytest.importorskip("pyarrow")
    log.create_topic(name, partitions=2)
    with log.producer() as producer:
        assert producer.send_many(name, [], partition=0) == 0
        assert producer.send_many(name, (b"%d" % i for i in range(3)), partition=0) == 3
        assert producer.send_many(name, np.array([b"a", b"b"], dtype="S1"), partition=0) == 2
        chunked = pa.chunked_array([[b"c", None], [b"d"]])
        assert producer.send_many(name, chunked, keys=pa.array(["x", None, "y"]), partition=1) == 3
        assert producer.send_many(name, [bytearray(b"e"), memoryview(b"f")], partition=1) == 2
    first, second = (log.partition(name, n).read_batch(0) for n in (0, 1))
    assert first.values.tolist() == [b"0", b"1", b"2", b"a", b"b"]
    assert second.values.tolist() == [b"c", None, b"d", b"e", b"f"]
    assert second.keys.tolist() == [b"x", None, b"y", None, None]


def test_a_large_call_is_spread_and_whole(log, name):
    log.create_topic(name, partitions=4)
    values = np.arange(50_000, dtype=">u4")
    with log.producer(linger_ms=0) as producer:
        assert producer.send_many(name, values) == 50_000
    ends = [log.partition(name, n).end_offset for n in range(4)]
    assert sum(ends) == 50_000
    assert all(ends)


@pytest.mark.parametrize("partitioner", ["round_robin", "sticky", "xxh3"])
def test_other_partitioners(log, name, partitioner):
    log.create_topic(name, partitions=3)
    with log.producer(partitioner=partitioner, linger_ms=0) as producer:
        placed = [producer.send(name, b"v", key=b"k").result(60).partition for _ in range(6)]
    if partitioner == "round_robin":
        assert placed[:3] == placed[3:]
        assert sorted(placed[:3]) == [0, 1, 2]
    elif partitioner == "xxh3":
        assert len(set(placed)) == 1


def test_errors_of_a_send_have_types(log, name):
    log.create_topic(name, partitions=1)
    producer = log.producer(max_request_size=10_000)
    with pytest.raises(errors.UnknownTopicOrPartition):
        producer.send(name + "-none", b"v")
    with pytest.raises(errors.UnknownTopicOrPartition):
        producer.send(name, b"v", partition=1)
    with pytest.raises(errors.RecordTooLarge) as caught:
        producer.send(name, b"v" * 20_000)
    assert (caught.value.size, caught.value.limit) == (20_000, 10_000)
    with pytest.raises(TypeError):
        producer.send(name, "text")
    with pytest.raises(TypeError):
        producer.send(name, b"v", key="text")
    with pytest.raises(errors.InvalidRecord):
        producer.send(name, b"v", headers=[("h", "text")])
    with pytest.raises(errors.InvalidTimestamp):
        producer.send(name, b"v", timestamp=-5)
    with pytest.raises(errors.InvalidTopicName):
        producer.send("__consumer_offsets", b"v")
    producer.close()
    producer.close()
    with pytest.raises(errors.Closed):
        producer.send(name, b"v")
    assert log.partition(name, 0).end_offset == 0


def test_what_the_topic_refuses_comes_out_of_the_delivery(log, name):
    log.create_topic(name, partitions=1, config={"message.timestamp.before.max.ms": 3_600_000})
    with log.producer(linger_ms=0) as producer:
        with pytest.raises(errors.InvalidTimestamp):
            producer.send(name, b"old", timestamp=1_000).result(60)
        assert producer.send(name, b"new").result(60).offset == 0


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (errors.UnknownConfig, {"linger": 5}),
        (errors.InvalidConfig, {"acks": 2}),
        (errors.InvalidConfig, {"compression_type": "brotli"}),
        (errors.InvalidConfig, {"enable_idempotence": True, "acks": 1}),
        (errors.InvalidConfig, {"security_protocol": "ssl"}),
    ],
)
def test_options_that_cannot_be(log, kind, options):
    with pytest.raises(kind):
        log.producer(**options)


def test_several_threads_share_a_producer(log, name):
    log.create_topic(name, partitions=2)
    with log.producer() as producer:

        def send(number: int) -> None:
            for i in range(300):
                producer.send(name, b"%d" % i, key=b"thread-%d" % number)

        threads = [threading.Thread(target=send, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    with log.consumer(name, auto_offset_reset="earliest") as consumer:
        seen: dict[bytes, list[int]] = {}
        for record in drain(consumer, 1200):
            seen.setdefault(record.key, []).append(int(record.value))
    assert all(numbers == list(range(300)) for numbers in seen.values())


def test_callbacks_are_called(log, name):
    log.create_topic(name, partitions=1)
    called = threading.Event()
    with log.producer() as producer:
        delivery = producer.send(name, b"v")
        delivery.add_done_callback(lambda d: called.set())
        delivery.result(60)
        assert called.wait(30)
        late = threading.Event()
        delivery.add_done_callback(lambda d: late.set())
        assert late.wait(1)
