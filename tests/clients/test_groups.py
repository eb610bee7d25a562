"""Groups of real clients: they share partitions, commit, come and go, and survive the broker's death."""

from __future__ import annotations

import asyncio
import contextlib
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import aiokafka
import pytest
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

import logflume
from logflume.broker import ThreadedBroker, serve
from logflume.coordinator.offsets_topic import open_offsets
from logflume.errors import InvalidGroup
from logflume.types import OffsetAndMetadata
from logflume.types import TopicPartition as Where
from support.cli import Runner

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of importlib.resources, in kafka-python
    import kafka

pytestmark = pytest.mark.slow

PROTOCOLS = ["classic", "consumer"]
PARTITIONS = 4
RECORDS = 40


@pytest.fixture
def broker(log: logflume.Log) -> Iterator[ThreadedBroker]:
    log.create_topic("t", partitions=PARTITIONS)
    for number in range(PARTITIONS):
        values = [b"%d-%d" % (number, i) for i in range(RECORDS // PARTITIONS)]
        log.partition("t", number).append_many(values)
    begin(log, "g")
    with serve(log, group_consumer_heartbeat_interval_ms=100) as running:
        yield running


def begin(log: logflume.Log, group: str, topic: str = "t") -> None:
    """A group that committed the beginning of everything."""
    places = {Where(topic, n): OffsetAndMetadata(0) for n in range(PARTITIONS)}
    open_offsets(log.directory, group).commit(group, places)


def committed(log: logflume.Log, group: str = "g") -> dict[int, int]:
    found = open_offsets(log.directory, group).offsets(group)
    return {where.partition: entry.offset for where, entry in found.items()}


def librdkafka(broker: ThreadedBroker, protocol: str, **config: object) -> Consumer:
    plain = {
        "bootstrap.servers": broker.bootstrap,
        "group.id": "g",
        "group.protocol": protocol,
        "enable.auto.commit": False,
        "log_level": 0,
    }
    if protocol == "classic":
        plain |= {"heartbeat.interval.ms": 100, "session.timeout.ms": 6000}
    return Consumer(plain | {name.replace("_", "."): value for name, value in config.items()})


def until(done: Callable[[], bool], *consumers: Consumer, seconds: float = 60.0) -> list[bytes]:
    """Poll until it is so; the values that came."""
    values = []
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "not in time"
        for consumer in consumers:
            message = consumer.poll(0.02)
            if message is not None:
                assert message.error() is None, message.error()
                values.append(message.value())
    return values


def owned(consumer: Consumer) -> set[int]:
    return {where.partition for where in consumer.assignment()}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_librdkafka_reads_commits_and_goes_on(
    broker: ThreadedBroker, log: logflume.Log, protocol: str
) -> None:
    consumer = librdkafka(broker, protocol)
    consumer.subscribe(["t"])
    seen: list[bytes] = []
    while len(seen) < RECORDS:
        seen += [m.value() for m in consumer.consume(10, timeout=5.0)]
    consumer.commit(asynchronous=False)
    consumer.close()
    assert len(set(seen)) == RECORDS
    assert committed(log) == dict.fromkeys(range(PARTITIONS), RECORDS // PARTITIONS)
    again = librdkafka(broker, protocol)
    again.subscribe(["t"])
    log.partition("t", 2).append(b"new")
    assert until(lambda: bool(again.assignment()), again) + [
        m.value() for m in again.consume(1, timeout=5.0)
    ] == [b"new"]
    again.close()


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("strategy", ["range", "cooperative-sticky"])
def test_librdkafka_consumers_share_come_and_go(
    broker: ThreadedBroker, protocol: str, strategy: str
) -> None:
    config = {"partition_assignment_strategy": strategy} if protocol == "classic" else {}
    if protocol == "consumer":
        config = {"group_remote_assignor": "range" if strategy == "range" else "uniform"}
    one, two = librdkafka(broker, protocol, **config), librdkafka(broker, protocol, **config)
    one.subscribe(["t"])
    until(lambda: len(owned(one)) == 4, one)
    two.subscribe(["t"])
    until(lambda: len(owned(one)) == len(owned(two)) == 2, one, two)
    assert owned(one) | owned(two) == set(range(PARTITIONS))
    one.close()
    until(lambda: len(owned(two)) == 4, two)
    two.close()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_static_member_comes_back_to_its_partitions(
    broker: ThreadedBroker, protocol: str
) -> None:
    one = librdkafka(broker, protocol, group_instance_id="one")
    two = librdkafka(broker, protocol, group_instance_id="two")
    one.subscribe(["t"])
    two.subscribe(["t"])
    until(lambda: len(owned(one)) == len(owned(two)) == 2, one, two)
    had, kept = owned(one), owned(two)
    one.close()
    until(lambda: True, two)
    back = librdkafka(broker, protocol, group_instance_id="one")
    back.subscribe(["t"])
    until(lambda: len(owned(back)) == 2, back, two)
    assert (owned(back), owned(two)) == (had, kept)
    back.close()
    two.close()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_members_go_on_with_a_broker_that_starts_again(log: logflume.Log, protocol: str) -> None:
    log.create_topic("t", partitions=PARTITIONS)
    begin(log, "g")
    with serve(log, group_consumer_heartbeat_interval_ms=100) as first:
        consumer = librdkafka(first, protocol)
        consumer.subscribe(["t"])
        until(lambda: len(owned(consumer)) == PARTITIONS, consumer)
    with serve(log, first.bootstrap, group_consumer_heartbeat_interval_ms=100) as second:
        log.partition("t", 1).append(b"after")
        assert until_value(consumer) == b"after"
        consumer.commit(asynchronous=False)
        admin = AdminClient({"bootstrap.servers": second.bootstrap})
        group = admin.describe_consumer_groups(["g"])["g"].result(60)
        assert (group.state.name, len(group.members)) == ("STABLE", 1)
        consumer.close()
    assert committed(log)[1] == 1


def until_value(consumer: Consumer, seconds: float = 60.0) -> bytes:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        message = consumer.poll(0.1)
        if message is not None and message.error() is None:
            return message.value()
    raise AssertionError("nothing came")


def test_a_pattern_finds_topics_that_come_later(broker: ThreadedBroker, log: logflume.Log) -> None:
    consumer = librdkafka(broker, "consumer", topic_metadata_refresh_interval_ms=200)
    consumer.subscribe(["^t.*"])
    until(lambda: len(owned(consumer)) == PARTITIONS, consumer)
    log.create_topic("tt", partitions=1)
    until(lambda: len(consumer.assignment()) == PARTITIONS + 1, consumer)
    consumer.close()


def test_kafka_python_shares_and_commits(broker: ThreadedBroker, log: logflume.Log) -> None:
    """A thread for each consumer and long polls: kafka-python 3.0 forgets a join that the end of a short poll cuts off,
    and never comes back to its group (a real Kafka sees the same)."""
    seen: set[bytes] = set()
    shared: set[int] = set()  # who has had half of the partitions

    def consume(number: int) -> None:
        options = {"group_id": "g", "enable_auto_commit": False, "heartbeat_interval_ms": 100}
        with contextlib.closing(
            kafka.KafkaConsumer("t", bootstrap_servers=broker.bootstrap, **options)
        ) as consumer:
            deadline = time.monotonic() + 60
            while len(seen) < RECORDS or len(shared) < 2:
                assert time.monotonic() < deadline, (number, len(seen), consumer.assignment())
                for records in consumer.poll(timeout_ms=1000).values():
                    seen.update(record.value for record in records)
                with contextlib.suppress(kafka.errors.RebalanceInProgressError):
                    consumer.commit()
                if len(consumer.assignment()) == PARTITIONS // 2:
                    shared.add(number)

    with ThreadPoolExecutor(2) as threads:
        for running in [threads.submit(consume, number) for number in range(2)]:
            running.result()
    assert committed(log) == dict.fromkeys(range(PARTITIONS), RECORDS // PARTITIONS)


def test_aiokafka_shares_and_commits(broker: ThreadedBroker, log: logflume.Log) -> None:
    async def main() -> set[bytes]:
        consumer = aiokafka.AIOKafkaConsumer(
            "t", bootstrap_servers=broker.bootstrap, group_id="g", enable_auto_commit=False
        )
        try:
            await consumer.start()
            seen: set[bytes] = set()
            while len(seen) < RECORDS:
                for records in (await consumer.getmany(timeout_ms=1000)).values():
                    seen.update(record.value for record in records)
            await consumer.commit()
            return seen
        finally:
            await consumer.stop()

    assert len(asyncio.run(asyncio.wait_for(main(), 60))) == RECORDS
    assert committed(log) == dict.fromkeys(range(PARTITIONS), RECORDS // PARTITIONS)


def test_operators_list_describe_and_delete(broker: ThreadedBroker, log: logflume.Log) -> None:
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    consumers = {p: librdkafka(broker, p, group_id=f"g-{p}", client_id="me") for p in PROTOCOLS}
    for consumer in consumers.values():
        consumer.subscribe(["t"])
        until(lambda consumer=consumer: len(owned(consumer)) == PARTITIONS, consumer)
    with log.consumer("t", group="embedded", auto_offset_reset="earliest") as embedded:
        for _ in range(5):  # what it owns is told at its next look around
            embedded.poll(timeout=0.05)
        listed = {g.group_id: g for g in admin.list_consumer_groups().result(60).valid}
        assert {name: group.state.name for name, group in listed.items()} == {
            "g": "EMPTY",
            "g-classic": "STABLE",
            "g-consumer": "STABLE",
            "embedded": "STABLE",
        }
        assert listed["g-consumer"].type.name == "CONSUMER"
        named = ["g-classic", "g-consumer", "embedded"]
        for name, future in admin.describe_consumer_groups(named).items():
            group = future.result(60)
            [member] = group.members
            places = {(w.topic, w.partition) for w in member.assignment.topic_partitions}
            assert places == {("t", n) for n in range(PARTITIONS)}, name
        with pytest.raises(KafkaException, match="NON_EMPTY_GROUP"):
            admin.delete_consumer_groups(["embedded"])["embedded"].result(60)
    for protocol, consumer in consumers.items():
        with pytest.raises(KafkaException, match="NON_EMPTY_GROUP"):
            admin.delete_consumer_groups([f"g-{protocol}"])[f"g-{protocol}"].result(60)
        consumer.commit(offsets=[TopicPartition("t", 0, 7)], asynchronous=False)
        consumer.close()
        admin.delete_consumer_groups([f"g-{protocol}"])[f"g-{protocol}"].result(60)
        assert committed(log, f"g-{protocol}") == {}
    with pytest.raises(KafkaException, match="GROUP_ID_NOT_FOUND"):
        admin.delete_consumer_groups(["nobody"])["nobody"].result(60)


def test_operators_move_offsets_of_a_group_without_members(
    broker: ThreadedBroker, log: logflume.Log
) -> None:
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    moved = ConsumerGroupTopicPartitions("g", [TopicPartition("t", 1, 5, "why")])
    admin.alter_consumer_group_offsets([moved])["g"].result(60)
    assert committed(log)[1] == 5
    asked = ConsumerGroupTopicPartitions("g")
    found = admin.list_consumer_group_offsets([asked])["g"].result(60)
    assert {w.partition: w.offset for w in found.topic_partitions} == {0: 0, 1: 5, 2: 0, 3: 0}
    consumer = librdkafka(broker, "classic")
    consumer.subscribe(["t"])
    until(lambda: len(owned(consumer)) == PARTITIONS, consumer)
    [refused] = admin.alter_consumer_group_offsets([moved])["g"].result(60).topic_partitions
    assert refused.error.name() == "UNKNOWN_MEMBER_ID"
    consumer.close()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_group_of_embedded_consumers_is_closed_to_clients_and_the_other_way_round(
    broker: ThreadedBroker, log: logflume.Log, protocol: str
) -> None:
    consumer = librdkafka(broker, protocol)
    with log.consumer("t", group="g") as embedded:
        embedded.poll(timeout=0.1)
        consumer.subscribe(["t"])
        deadline = time.monotonic() + 60
        told = ""
        while "Inconsistent" not in told and "INCONSISTENT" not in told:
            assert time.monotonic() < deadline, told
            message = consumer.poll(0.1)
            if message is not None and message.error() is not None:
                told = f"{message.error().name()} {message.error().str()}"
        assert owned(consumer) == set()
    consumer.close()
    consumer = librdkafka(broker, protocol)
    consumer.subscribe(["t"])
    until(lambda: len(owned(consumer)) == PARTITIONS, consumer)
    with pytest.raises(InvalidGroup, match="broker"):
        log.consumer("t", group="g").poll(timeout=0.1)
    consumer.close()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_command_line_shows_a_brokers_groups(
    broker: ThreadedBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    run = Runner(tmp_path / "data", monkeypatch)
    consumer = librdkafka(broker, protocol, client_id="me")
    consumer.subscribe(["t"])
    until(lambda: len(owned(consumer)) == PARTITIONS, consumer)
    consumer.commit(offsets=[TopicPartition("t", 0, 4)], asynchronous=False)
    [row] = run("group", "ls", "--json").json
    assert (row["group"], row["state"], row["members"]) == ("g", "Stable", 1)
    described = run("group", "describe", "g", "--json").json
    [member] = described["members"]
    assert (member["client_id"], member["client_host"], member["alive"]) == (
        "me",
        "/127.0.0.1",
        True,
    )
    assert member["owned"] == [["t", n] for n in range(PARTITIONS)]
    assert "127.0.0.1" in run("group", "describe", "g").out
    assert run("lag", "g", "--json").json["lag"] == RECORDS - 4
    assert "has members" in run("group", "seek", "g", "--to", "end", expect=1).err
    consumer.close()
    assert run("group", "describe", "g", "--json").json["state"] == "Empty"
    run("group", "delete", "g", "--yes")
    assert run("group", "ls", "--json").json == []
