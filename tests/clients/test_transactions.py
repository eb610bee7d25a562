"""Transactions of real clients: whole or not at all, for all readers, over restarts, and once."""

from __future__ import annotations

import asyncio
import os
import threading
import time
import warnings
from collections.abc import Callable, Iterator

import aiokafka
import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

import logflume
from logflume.broker import ThreadedBroker, serve
from logflume.coordinator.offsets_topic import open_offsets

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of importlib.resources, in kafka-python
    import kafka

pytestmark = pytest.mark.slow

TURNS = 6
"""Transactions of a test; every third is aborted."""
EXPECTED = sorted(b"%d" % turn for turn in range(TURNS) if turn % 3)


@pytest.fixture
def log(log: logflume.Log) -> logflume.Log:
    log.create_topic("in", partitions=1)
    log.create_topic("out", partitions=3)
    return log


def librdkafka(broker: ThreadedBroker, name: str = "x", **config: object) -> Producer:
    plain = {"bootstrap.servers": broker.bootstrap, "transactional.id": name, "log_level": 0}
    made = Producer(plain | {key.replace("_", "."): value for key, value in config.items()})
    made.init_transactions(30)
    return made


def by_librdkafka(broker: ThreadedBroker) -> None:
    producer = librdkafka(broker)
    for turn in range(TURNS):
        producer.begin_transaction()
        for number in range(3):
            producer.produce("out", b"%d" % turn, partition=number)
        if turn % 3:
            producer.commit_transaction(30)
        else:
            producer.flush(60)
            producer.abort_transaction(30)


def by_kafka_python(broker: ThreadedBroker) -> None:
    producer = kafka.KafkaProducer(bootstrap_servers=broker.bootstrap, transactional_id="x")
    try:
        producer.init_transactions()
        for turn in range(TURNS):
            producer.begin_transaction()
            for number in range(3):
                producer.send("out", b"%d" % turn, partition=number)
            if turn % 3:
                producer.commit_transaction()
            else:
                producer.flush()
                producer.abort_transaction()
    finally:
        producer.close()


def by_aiokafka(broker: ThreadedBroker) -> None:
    async def main() -> None:
        producer = aiokafka.AIOKafkaProducer(
            bootstrap_servers=broker.bootstrap, transactional_id="x"
        )
        try:
            await producer.start()
            for turn in range(TURNS):
                await producer.begin_transaction()
                for number in range(3):
                    await producer.send("out", b"%d" % turn, partition=number)
                await (producer.commit_transaction if turn % 3 else producer.abort_transaction)()
        finally:
            await producer.stop()

    asyncio.run(asyncio.wait_for(main(), 60))


PRODUCERS = [by_librdkafka, by_kafka_python, by_aiokafka]


def seen_embedded(broker: ThreadedBroker, log: logflume.Log, number: int) -> list[bytes]:
    with log.consumer(isolation_level="read_committed") as consumer:
        consumer.assign([("out", number)])
        consumer.seek("out", number, 0)
        found: list[bytes] = []
        while records := consumer.poll(timeout=0.2):
            found += [bytes(r.value) for r in records]
        return found


def seen_by_librdkafka(broker: ThreadedBroker, log: logflume.Log, number: int) -> list[bytes]:
    config = {"bootstrap.servers": broker.bootstrap, "group.id": "g", "enable.partition.eof": True}
    consumer = Consumer(config | {"isolation.level": "read_committed", "log_level": 0})
    found: list[bytes] = []
    try:
        consumer.assign([TopicPartition("out", number, 0)])
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            message = consumer.poll(1.0)
            if message is None:
                continue
            if message.error() is not None:
                assert message.error().code() == KafkaError._PARTITION_EOF
                break
            found.append(message.value())
    finally:
        consumer.close()
    return found


def seen_by_kafka_python(broker: ThreadedBroker, log: logflume.Log, number: int) -> list[bytes]:
    consumer = kafka.KafkaConsumer(
        bootstrap_servers=broker.bootstrap, isolation_level="read_committed"
    )
    try:
        where = kafka.TopicPartition("out", number)
        consumer.assign([where])
        consumer.seek(where, 0)
        end = log.partition("out", number).last_stable_offset
        found: list[bytes] = []
        deadline = time.monotonic() + 60
        while consumer.position(where) < end - 1 and time.monotonic() < deadline:
            for records in consumer.poll(timeout_ms=500).values():
                found += [record.value for record in records]
            if consumer.position(where) == end - 1:
                break
        return found
    finally:
        consumer.close()


def seen_by_aiokafka(broker: ThreadedBroker, log: logflume.Log, number: int) -> list[bytes]:
    async def main() -> list[bytes]:
        consumer = aiokafka.AIOKafkaConsumer(
            bootstrap_servers=broker.bootstrap, isolation_level="read_committed"
        )
        try:
            await consumer.start()
            where = aiokafka.TopicPartition("out", number)
            consumer.assign([where])
            consumer.seek(where, 0)
            found: list[bytes] = []
            while len(found) < len(EXPECTED):
                for records in (await consumer.getmany(timeout_ms=500)).values():
                    found += [record.value for record in records]
            return found
        finally:
            await consumer.stop()

    return asyncio.run(asyncio.wait_for(main(), 60))


READERS = [seen_embedded, seen_by_librdkafka, seen_by_kafka_python, seen_by_aiokafka]


@pytest.mark.parametrize("write", PRODUCERS)
def test_every_reader_sees_what_was_committed_and_nothing_else(
    broker: ThreadedBroker, log: logflume.Log, write: Callable[[ThreadedBroker], None]
) -> None:
    write(broker)
    for read in READERS:
        for number in range(3):
            assert sorted(read(broker, log, number)) == EXPECTED, read


def copy(broker: ThreadedBroker, producer: Producer, consumer: Consumer, count: int) -> int:
    """A transaction: records from "in" to "out", and the group's offsets. Returns how many."""
    messages = [m for m in consumer.consume(count, timeout=1.0) if m.error() is None]
    if not messages:
        return 0
    producer.begin_transaction()
    for message in messages:
        producer.produce("out", message.value(), partition=int(message.value()) % 3)
    places = consumer.position(consumer.assignment())
    producer.send_offsets_to_transaction(places, consumer.consumer_group_metadata(), 30)
    producer.commit_transaction(30)
    return len(messages)


@pytest.fixture
def reader(broker: ThreadedBroker) -> Iterator[Consumer]:
    consumer = Consumer(
        {
            "bootstrap.servers": broker.bootstrap,
            "group.id": "g",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "log_level": 0,
        }
    )
    consumer.subscribe(["in"])
    yield consumer
    consumer.close()


def test_offsets_move_with_the_records_that_were_made_of_them(
    broker: ThreadedBroker, log: logflume.Log, reader: Consumer
) -> None:
    log.partition("in", 0).append_many([b"%d" % i for i in range(100)])
    producer = librdkafka(broker)
    done = 0
    deadline = time.monotonic() + 60
    while done < 100:
        assert time.monotonic() < deadline
        done += copy(broker, producer, reader, 30)
    found = [value for n in range(3) for value in seen_embedded(broker, log, n)]
    assert sorted(map(int, found)) == list(range(100))
    [entry] = open_offsets(log.directory, "g").offsets("g").values()
    assert entry.offset == 100


def test_a_later_producer_fences_the_one_before(broker: ThreadedBroker, log: logflume.Log) -> None:
    first = librdkafka(broker)
    first.begin_transaction()
    first.produce("out", b"lost", partition=0)
    first.flush(60)
    second = librdkafka(broker)
    with pytest.raises(KafkaException) as refused:
        first.commit_transaction(30)
    assert refused.value.args[0].code() == KafkaError._FENCED
    second.begin_transaction()
    second.produce("out", b"kept", partition=0)
    second.commit_transaction(30)
    assert seen_embedded(broker, log, 0) == [b"kept"]


def test_embedded_producers_and_clients_fence_each_other(
    broker: ThreadedBroker, log: logflume.Log
) -> None:
    client = librdkafka(broker)
    client.begin_transaction()
    client.produce("out", b"lost", partition=0)
    client.flush(60)
    with log.producer(transactional_id="x") as producer:
        with producer.transaction():
            producer.send("out", b"embedded", partition=0)
        with pytest.raises(KafkaException) as refused:
            client.commit_transaction(30)
        assert refused.value.args[0].code() == KafkaError._FENCED
        librdkafka(broker)
        with pytest.raises(logflume.errors.ProducerFenced), producer.transaction():
            producer.send("out", b"fenced", partition=0)
    assert seen_embedded(broker, log, 0) == [b"embedded"]


def test_a_transaction_goes_on_with_a_broker_that_starts_again(log: logflume.Log) -> None:
    with serve(log) as first:
        producer = librdkafka(first, metadata_recovery_strategy="none")
        producer.begin_transaction()
        producer.produce("out", b"before", partition=0)
        assert producer.flush(60) == 0
    assert seen_embedded(first, log, 0) == []
    with serve(log, first.bootstrap) as second:
        producer.produce("out", b"after", partition=1)
        producer.produce("out", b"after", partition=0)
        producer.commit_transaction(60)
        assert seen_embedded(second, log, 0) == [b"before", b"after"]
        assert seen_embedded(second, log, 1) == [b"after"]


def test_a_client_that_is_gone_holds_nobody_up_for_longer_than_its_time(log: logflume.Log) -> None:
    with serve(log, transaction_abort_timed_out_transaction_cleanup_interval_ms=50) as broker:
        gone = librdkafka(broker, transaction_timeout_ms=1000)
        gone.begin_transaction()
        gone.produce("out", b"lost", partition=0)
        gone.flush(60)
        log.partition("out", 0).append(b"behind")
        assert seen_by_librdkafka(broker, log, 0) == []
        deadline = time.monotonic() + 60
        while seen_by_librdkafka(broker, log, 0) != [b"behind"]:
            assert time.monotonic() < deadline
        with pytest.raises(KafkaException):
            gone.commit_transaction(30)


def test_clients_need_not_wait_for_an_embedded_producer_that_died(
    broker: ThreadedBroker, log: logflume.Log
) -> None:
    child = os.fork()
    if not child:
        own = logflume.open(log.directory.path)
        producer = own.producer(transactional_id="dies", linger_ms=0)
        producer.transaction()
        producer.send("out", b"lost", partition=0)
        producer.flush()
        os._exit(0)
    os.waitpid(child, 0)
    assert log.partition("out", 0).end_offset == 1
    log.partition("out", 0).append(b"behind")
    deadline = time.monotonic() + 60
    while seen_by_librdkafka(broker, log, 0) != [b"behind"]:
        assert time.monotonic() < deadline


def test_a_client_sees_no_part_of_a_transaction_that_lies_behind_anothers_open_one(
    broker: ThreadedBroker, log: logflume.Log
) -> None:
    """By whomever each was written; readers wait in the partition where nothing is open, and are woken there."""
    with log.producer(transactional_id="embedded") as embedded:
        clients = librdkafka(broker, "client")
        for older_is_embedded in (True, False):
            before = seen_by_librdkafka(broker, log, 1)
            open_ = embedded.transaction()
            clients.begin_transaction()
            if older_is_embedded:
                embedded.send("out", b"older", partition=0).result(60)
            clients.produce("out", b"client's", partition=0)
            clients.flush(60)
            if not older_is_embedded:
                embedded.send("out", b"younger", partition=0).result(60)
                embedded.send("out", b"younger", partition=1).result(60)
                open_.commit()
            else:
                clients.produce("out", b"younger", partition=1)
                clients.commit_transaction(30)
            assert seen_by_librdkafka(broker, log, 1) == before
            assert seen_embedded(broker, log, 1) == before
            if older_is_embedded:
                open_.commit()
            else:
                clients.commit_transaction(30)
            assert seen_by_librdkafka(broker, log, 1) == [*before, b"younger"]
            assert seen_embedded(broker, log, 1) == [*before, b"younger"]


def test_clients_whose_transactions_overlap_without_end_are_seen_all_the_same(
    broker: ThreadedBroker, log: logflume.Log
) -> None:
    stop = time.monotonic() + 4
    counts = [0, 0, 0]

    def write(number: int) -> None:
        producer = librdkafka(broker, f"x{number}", linger_ms=0)
        time.sleep(number * 0.02)
        while time.monotonic() < stop:
            producer.begin_transaction()
            for _ in range(4):
                producer.produce("out", b"v", partition=0)
                producer.flush(60)
                time.sleep(0.015)
            producer.commit_transaction(30)
            counts[number] += 1

    threads = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    partition, seen = log.partition("out", 0), set()
    while time.monotonic() < stop:
        seen.add(partition.last_stable_offset)
        time.sleep(0.005)
    for thread in threads:
        thread.join(60)
    assert min(counts) > 3
    assert len(seen) > 4, counts
    assert partition.last_stable_offset == partition.end_offset
