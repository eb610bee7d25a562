"""Records through the broker and back, by librdkafka and kafka-python; embedded writers and readers beside them."""

from __future__ import annotations

import threading
import time
from itertools import pairwise

import pytest
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

import logflume
from logflume.broker import ThreadedBroker

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


def producer(broker: ThreadedBroker, **config: object) -> Producer:
    return Producer(
        {"bootstrap.servers": broker.bootstrap, "linger.ms": 5, "log_level": 0, **config}
    )


def reader(broker: ThreadedBroker, *places: TopicPartition, **config: object) -> Consumer:
    consumer = Consumer(
        {
            "bootstrap.servers": broker.bootstrap,
            "group.id": "none",
            "enable.auto.commit": False,
            "check.crcs": True,
            "log_level": 0,
            **config,
        }
    )
    consumer.assign(list(places))
    return consumer


def take(consumer: Consumer, count: int, timeout: float = 60.0) -> list[Message]:
    """Exactly `count` messages, else what came by the deadline."""
    out: list[Message] = []
    deadline = time.monotonic() + timeout
    while len(out) < count and time.monotonic() < deadline:
        for message in consumer.consume(count - len(out), 0.2):
            assert message.error() is None, message.error()
            out.append(message)
    return out


@pytest.mark.parametrize("acks", ["0", "1", "all"])
@pytest.mark.parametrize("codec", CODECS)
def test_what_is_produced_is_consumed(
    broker: ThreadedBroker, log: logflume.Log, codec: str, acks: str
) -> None:
    log.create_topic("t")
    failed: list[KafkaError] = []
    sender = producer(broker, acks=acks, **{"compression.type": codec})
    sent = [(b"key-%d" % i, b"value-%d " % i * 20) for i in range(500)]
    for key, value in sent:
        sender.produce(
            "t",
            value,
            key,
            headers=[("h", key)],
            on_delivery=lambda error, _: failed.append(error) if error else None,
        )
    assert sender.flush(60) == 0
    assert not failed
    consumer = reader(broker, TopicPartition("t", 0, 0))
    got = take(consumer, len(sent))
    consumer.close()
    assert [(m.key(), m.value()) for m in got] == sent
    assert [m.offset() for m in got] == list(range(len(sent)))
    assert got[7].headers() == [("h", b"key-7")]
    # The same bytes for who reads the directory itself.
    assert [(r.key, r.value) for r in log.partition("t", 0).read_batch(0, 1000)] == sent


def test_acks_all_is_on_disk_when_it_is_acknowledged(
    broker: ThreadedBroker, log: logflume.Log
) -> None:
    log.create_topic("t")
    durable = []
    sender = producer(broker, acks="all")
    for _ in range(20):
        sender.produce(
            "t",
            b"x" * 100,
            on_delivery=lambda _, m: durable.append(
                log.partition("t", 0).durable_offset > m.offset()
            ),
        )
        sender.flush(60)
    assert durable == [True] * 20


def test_a_long_poll_ends_when_an_embedded_writer_appends(
    broker: ThreadedBroker, log: logflume.Log
) -> None:
    log.create_topic("t")
    consumer = reader(broker, TopicPartition("t", 0, 0), **{"fetch.wait.max.ms": 20_000})
    assert consumer.poll(0.5) is None  # now it waits
    appended: list[float] = []

    def append() -> None:
        time.sleep(0.3)
        appended.append(time.perf_counter())
        with logflume.open(log.path) as other:
            other.partition("t", 0).append(b"news")

    thread = threading.Thread(target=append)
    thread.start()
    message = consumer.poll(10)
    waited = time.perf_counter() - appended[0]
    thread.join()
    consumer.close()
    assert message.value() == b"news"
    assert waited < 1.0  # it says 20 s


def test_records_of_embedded_producers_are_consumed(
    broker: ThreadedBroker, log: logflume.Log
) -> None:
    log.create_topic("t", partitions=3, config={"segment.bytes": 20_000})
    with log.producer(acks=1, compression_type="lz4", batch_size=2000) as embedded:
        for i in range(5000):
            embedded.send("t", b"%06d" % i, key=b"%d" % i)
    consumer = reader(broker, *(TopicPartition("t", n, 0) for n in range(3)))
    got = take(consumer, 5000)
    consumer.close()
    assert sorted(m.value() for m in got) == [b"%06d" % i for i in range(5000)]
    for n in range(3):
        offsets = [m.offset() for m in got if m.partition() == n]
        assert offsets == list(range(len(offsets)))


def test_small_limits_still_let_everything_through(
    broker: ThreadedBroker, log: logflume.Log
) -> None:
    log.create_topic("t", partitions=2)
    sender = producer(broker, **{"batch.size": 3000})
    for i in range(200):
        sender.produce("t", b"x" * 1000, partition=i % 2)
    assert sender.flush(60) == 0
    consumer = reader(
        broker,
        TopicPartition("t", 0, 0),
        TopicPartition("t", 1, 0),
        **{"fetch.message.max.bytes": 100, "fetch.max.bytes": 1000, "message.max.bytes": 1000},
    )
    got = take(consumer, 200)
    consumer.close()
    assert len(got) == 200


def test_a_batch_that_is_too_large_is_refused_with_kafkas_error(
    broker: ThreadedBroker, log: logflume.Log
) -> None:
    log.create_topic("t", config={"max.message.bytes": 1000})
    errors: list[KafkaError] = []
    sender = producer(broker)
    sender.produce("t", b"x" * 2000, on_delivery=lambda error, _: errors.append(error))
    sender.produce("t", b"fine", on_delivery=lambda error, _: errors.append(error))
    sender.flush(60)
    codes = {None if error is None else error.code() for error in errors}
    assert KafkaError.MSG_SIZE_TOO_LARGE in codes


def test_a_compacted_topic_wants_keys(broker: ThreadedBroker, log: logflume.Log) -> None:
    log.create_topic("t", config={"cleanup.policy": "compact"})
    errors: list[KafkaError | None] = []
    sender = producer(broker)
    sender.produce("t", b"x", on_delivery=lambda error, _: errors.append(error))
    sender.flush(60)
    sender.produce("t", b"x", b"key", on_delivery=lambda error, _: errors.append(error))
    sender.flush(60)
    assert errors[0] is not None
    assert errors[1] is None


def test_timestamps_outside_the_topics_limits_are_refused(
    broker: ThreadedBroker, log: logflume.Log
) -> None:
    log.create_topic("t", config={"message.timestamp.before.max.ms": 60_000})
    errors: list[KafkaError | None] = []
    sender = producer(broker)
    now = time.time_ns() // 1_000_000
    for timestamp in (now - 3_600_000, now, now + 7_200_000):
        sender.produce(
            "t", b"x", timestamp=timestamp, on_delivery=lambda error, _: errors.append(error)
        )
        sender.flush(60)
    assert [error is None for error in errors] == [False, True, False]
    assert errors[0] is not None
    assert errors[0].code() == KafkaError.INVALID_TIMESTAMP


@pytest.mark.parametrize("codec", CODECS)
def test_a_topics_own_codec_replaces_the_producers(
    broker: ThreadedBroker, log: logflume.Log, codec: str
) -> None:
    from logflume._native.batches import BatchScan

    log.create_topic("t", config={"compression.type": "zstd"})
    sender = producer(broker, **{"compression.type": codec})
    for i in range(100):
        sender.produce("t", b"%d " % i * 50)
    assert sender.flush(60) == 0
    segment = log.partition("t", 0).segments()[0]
    with open(segment.path, "rb") as file:
        batches = list(BatchScan(file.read()[: segment.size]))
    assert {batch.codec_name for batch in batches} == {"zstd"}
    assert all(batch.crc_ok for batch in batches)
    values = [r.value for r in log.partition("t", 0).read_batch(0, 1000)]
    assert values == [b"%d " % i * 50 for i in range(100)]


def test_log_append_time_is_the_brokers(broker: ThreadedBroker, log: logflume.Log) -> None:
    log.create_topic("t", config={"message.timestamp.type": "LogAppendTime"})
    told: list[tuple[int, int]] = []
    sender = producer(broker)
    before = time.time_ns() // 1_000_000
    sender.produce("t", b"x", timestamp=1000, on_delivery=lambda _, m: told.append(m.timestamp()))
    sender.flush(60)
    kind, timestamp = told[0]
    assert kind == 2
    assert before <= timestamp <= time.time_ns() // 1_000_000
    assert log.partition("t", 0).read(0).timestamp == timestamp


def test_many_producers_at_once_lose_and_mix_nothing(
    broker: ThreadedBroker, log: logflume.Log
) -> None:
    log.create_topic("t", partitions=2)

    def send(number: int) -> None:
        mine = producer(broker, acks="all")
        for i in range(300):
            mine.produce("t", b"%d:%d" % (number, i), partition=i % 2)
        assert mine.flush(60) == 0

    threads = [threading.Thread(target=send, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for n in range(2):
        values = [r.value for r in log.partition("t", n).read_batch(0, 10_000)]
        assert len(values) == len(set(values)) == 6 * 150
        for number in range(6):
            mine = [int(v.split(b":")[1]) for v in values if v.startswith(b"%d:" % number)]
            assert all(a < b for a, b in pairwise(mine))
