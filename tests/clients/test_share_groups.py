"""Share groups (KIP-932) of librdkafka through our broker: records worked off by several, answers, deaths, restarts."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import AcknowledgeType, Producer, ShareConsumer
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

import logflume
from logflume.broker import ThreadedBroker, serve

pytestmark = pytest.mark.timeout(300)

GROUP = "workers"
SETTLE_S = 90.0

# A member that takes what it can get and dies with it.
HOLDER = """
import os, sys
from confluent_kafka import ShareConsumer
consumer = ShareConsumer({"bootstrap.servers": sys.argv[1], "group.id": sys.argv[2], "log_level": 0})
consumer.subscribe(["t"])
held = []
while not held:
    held = [int(m.value()) for m in consumer.poll(1.0)]
print(*held, flush=True)
sys.stdin.read()
os._exit(0)
"""


@contextmanager
def member(bootstrap: str, **config: Any) -> Iterator[ShareConsumer]:
    plain = {"bootstrap.servers": bootstrap, "group.id": GROUP, "log_level": 0}
    names = {name.replace("_", "."): value for name, value in config.items()}
    consumer = ShareConsumer(plain | names)
    try:
        consumer.subscribe(["t"])
        yield consumer
    finally:
        consumer.close()


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SETTLE_S
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def begin_early(bootstrap: str, **settings: str) -> None:
    """Set the group up as an operator does."""
    named = {"share.auto.offset.reset": "earliest"}
    named |= {name.replace("_", "."): value for name, value in settings.items()}
    entries = [
        ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
        for name, value in named.items()
    ]
    resource = ConfigResource(ResourceType.GROUP, GROUP, incremental_configs=entries)
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    for future in admin.incremental_alter_configs([resource]).values():
        future.result(60)


def produce(bootstrap: str, values: range) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "log_level": 0})
    for value in values:
        producer.produce("t", b"%d" % value, key=b"%d" % value)
    assert producer.flush(60) == 0


def take(consumer: ShareConsumer, wait_s: float = 1.0) -> list[Any]:
    messages = list(consumer.poll(wait_s))
    assert [m.error() for m in messages if m.error() is not None] == []
    return messages


@pytest.fixture
def broker(log: logflume.Log) -> Iterator[ThreadedBroker]:
    log.create_topic("t", partitions=2)
    with serve(log, group_share_heartbeat_interval_ms=200) as running:
        begin_early(running.bootstrap)
        yield running


def test_three_members_work_off_all_records_each_once(broker: ThreadedBroker) -> None:
    found: list[int] = []
    by_member: list[int] = []
    with ExitStack() as stack:
        consumers = [stack.enter_context(member(broker.bootstrap)) for _ in range(3)]
        by_member = [0] * 3
        produced = 0

        def step() -> bool:
            nonlocal produced
            produce(broker.bootstrap, range(produced, produced + 20))
            produced += 20
            for number, consumer in enumerate(consumers):
                messages = take(consumer, 0.2)
                by_member[number] += len(messages)
                found.extend(int(m.value()) for m in messages)
            return min(by_member) > 0

        until(step)

        def rest() -> bool:
            for consumer in consumers:
                found.extend(int(m.value()) for m in take(consumer, 0.2))
            return len(found) >= produced

        until(rest)
    assert sorted(found) == list(range(produced)), "each record came to one member, once"


def test_released_records_come_again_and_rejected_ones_do_not(broker: ThreadedBroker) -> None:
    produce(broker.bootstrap, range(30))
    accepted, rejected, deliveries = set[int](), set[int](), dict[int, int]()
    with member(broker.bootstrap, share_acknowledgement_mode="explicit") as consumer:

        def step() -> bool:
            for message in take(consumer):
                value = int(message.value())
                deliveries[value] = message.delivery_count()
                if value % 3 == 0 and message.delivery_count() == 1:
                    consumer.acknowledge(message, AcknowledgeType.RELEASE)
                elif value % 3 == 1:
                    rejected.add(value)
                    consumer.acknowledge(message, AcknowledgeType.REJECT)
                else:
                    accepted.add(value)
                    consumer.acknowledge(message, AcknowledgeType.ACCEPT)
            return len(accepted) + len(rejected) == 30

        until(step)
        errors = [error for error in consumer.commit_sync(60).values() if error is not None]
        assert errors == []
    assert rejected == set(range(1, 30, 3))
    assert {value for value, count in deliveries.items() if count == 2} == set(range(0, 30, 3))
    with member(broker.bootstrap) as consumer:
        produce(broker.bootstrap, range(100, 101))
        again: list[int] = []

        def seen() -> bool:
            again.extend(int(m.value()) for m in take(consumer))
            return 100 in again

        until(seen)
    assert again == [100], "nothing that was answered comes again"


def test_what_a_dead_member_held_comes_to_another(broker: ThreadedBroker) -> None:
    begin_early(broker.bootstrap, share_record_lock_duration_ms="600000")
    time.sleep(0.1)  # a change is seen within moments
    produce(broker.bootstrap, range(20))
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, broker.bootstrap, GROUP],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as holder:
        assert holder.stdout is not None
        held = {int(word) for word in holder.stdout.readline().split()}
        assert held
        with member(broker.bootstrap) as consumer:
            assert held.isdisjoint(int(m.value()) for m in take(consumer)), "they are another's"
            holder.kill()
            holder.wait(60)
            found: set[int] = set()

            def seen() -> bool:
                found.update(int(m.value()) for m in take(consumer))
                return found >= held

            until(seen)


def test_a_lock_that_runs_out_counts_as_a_delivery(broker: ThreadedBroker) -> None:
    begin_early(broker.bootstrap, share_record_lock_duration_ms="1000")
    time.sleep(0.1)  # a change is seen within moments
    produce(broker.bootstrap, range(5))
    with member(broker.bootstrap) as sleeper:
        until(lambda: bool(take(sleeper)))
        counts: dict[int, int] = {}
        with member(broker.bootstrap) as consumer:

            def seen() -> bool:
                counts.update({int(m.value()): m.delivery_count() for m in take(consumer)})
                return max(counts.values(), default=0) >= 2

            until(seen)


@contextmanager
def serving(directory: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    command = [sys.executable, "-m", "logflume", "--json", "serve", str(directory)]
    with subprocess.Popen(
        [*command, "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        try:
            assert process.stdout is not None
            text = b""
            while not text.rstrip().endswith(b"}"):
                line = process.stdout.readline()
                assert line
                text += line
            yield process, json.loads(text)["bootstrap"]
        finally:
            if process.poll() is None:
                process.kill()


def test_nothing_accepted_comes_again_after_kill_9(tmp_path: Path) -> None:
    accepted: set[int] = set()
    with serving(tmp_path / "data") as (process, bootstrap):
        begin_early(bootstrap)
        produce(bootstrap, range(200))
        # Left open: it must not give back anything when it closes, for its broker is gone then.
        with member(bootstrap, share_acknowledgement_mode="explicit", max_poll_records=20) as one:

            def half() -> bool:
                messages = take(one)
                for message in messages:
                    one.acknowledge(message, AcknowledgeType.ACCEPT)
                if messages:
                    assert [e for e in one.commit_sync(60).values() if e is not None] == []
                    accepted.update(int(m.value()) for m in messages)
                return len(accepted) >= 100

            until(half)
            process.send_signal(signal.SIGKILL)
            process.wait(60)
    with serving(tmp_path / "data") as (_, bootstrap):
        found: list[int] = []
        with member(bootstrap) as other:

            def rest() -> bool:
                found.extend(int(m.value()) for m in take(other))
                return len(accepted) + len(set(found)) >= 200

            until(rest)
    assert accepted.isdisjoint(found), "what was accepted is done"
    assert accepted | set(found) == set(range(200))
