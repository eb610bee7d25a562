"""Each of three nodes is killed and comes back, during load: nothing acknowledged is lost, doubled or moved."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import logflume
from logflume import errors
from support import kafka_peer

pytestmark = [pytest.mark.peers, pytest.mark.slow, pytest.mark.crash]

PARTITIONS, KEYS = 6, 24
RECORDS_BETWEEN = 3000
QUICK = {
    "broker.session.timeout.ms": 2000,
    "broker.heartbeat.interval.ms": 250,
    "controller.quorum.election.timeout.ms": 500,
    "controller.quorum.fetch.timeout.ms": 1000,
}


class Nodes:
    """Three brokers, each fact on all three, two of them needed for an acknowledgement."""

    def __init__(self, where: Path) -> None:
        self._where = str(where)
        settings = [word for name, value in QUICK.items() for word in ("--set", f"{name}={value}")]
        self.address = f"kafka://{kafka_peer.up(where, '3', *settings)}"

    def kill(self, node: int) -> None:
        kafka_peer.run("-d", self._where, "kill", str(node))

    def start(self, node: int) -> None:
        kafka_peer.run("-d", self._where, "start", str(node))

    def down(self) -> None:
        kafka_peer.run("-d", self._where, "down", "--wipe")


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Nodes]:
    kafka_peer.script()
    started = Nodes(tmp_path)
    try:
        yield started
    finally:
        started.down()


class Load:
    """Sends numbers, each key its own, until it is stopped; counts what is acknowledged."""

    def __init__(self, log: logflume.Log, topic: str) -> None:
        self.acknowledged: dict[bytes, list[int]] = {}
        self.failures: list[Exception] = []
        self._log, self._topic = log, topic
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        number = 0
        with self._log.producer(acks="all", linger_ms=2) as producer:
            while not self._stop.is_set():
                sent = []
                for _ in range(200):
                    key = b"key-%d" % (number % KEYS)
                    sent.append((key, number, producer.send(self._topic, b"%d" % number, key=key)))
                    number += 1
                for key, this, delivery in sent:
                    try:
                        delivery.result(90)
                    except errors.LogflumeError as error:
                        self.failures.append(error)
                    else:
                        self.acknowledged.setdefault(key, []).append(this)

    @property
    def count(self) -> int:
        return sum(map(len, list(self.acknowledged.values())))

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(120)
        assert not self._thread.is_alive()


class Transactions:
    """Transactions over two topics, one number each, every fifth aborted, until it is stopped."""

    def __init__(self, log: logflume.Log, topics: tuple[str, str]) -> None:
        self.committed: list[int] = []
        self.in_doubt: list[int] = []
        self.failures: list[errors.LogflumeError] = []
        self._log, self._topics = log, topics
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        number = 0
        while not self._stop.is_set():
            # After a failure another producer takes the id over, which ends what the one before left open.
            try:
                with self._log.producer(transactional_id="load", delivery_timeout_ms=60_000) as p:
                    while not self._stop.is_set():
                        number += 1
                        self._one(p, number)
            except errors.LogflumeError as error:
                self.failures.append(error)

    def _one(self, producer: logflume.Producer, number: int) -> None:
        transaction = producer.transaction()
        for topic in self._topics:
            producer.send(topic, b"%d" % number, key=b"%d" % (number % KEYS))
        if number % 5 == 0:
            producer.flush()
            transaction.abort()
            return
        self.in_doubt.append(number)  # until the answer is there
        transaction.commit()
        self.committed.append(self.in_doubt.pop())

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(180)
        assert not self._thread.is_alive()

    def check(self, log: logflume.Log) -> None:
        """What was committed is in both topics once and in order per key; what was aborted in none."""
        numbers = []
        for topic in self._topics:
            found: list[int] = []
            for partition in log[topic]:
                reader = partition.reader(read_committed=True)
                here: dict[bytes, list[int]] = {}
                while len(batch := reader.read()):
                    for record in batch:
                        here.setdefault(record.key, []).append(int(record.value))
                for of_key in here.values():
                    assert of_key == sorted(set(of_key))
                    found += of_key
            numbers.append(sorted(found))
        assert numbers[0] == numbers[1]
        assert len(set(numbers[0])) == len(numbers[0])
        assert set(self.committed) <= set(numbers[0])
        assert set(numbers[0]) <= {*self.committed, *self.in_doubt}


class Follower:
    """A member of a group that reads along and commits; what it hands out is kept."""

    def __init__(self, log: logflume.Log, topic: str, seen: dict[tuple[int, int], bytes]) -> None:
        self.seen = seen
        self.count = 0
        self.error: Exception | None = None
        self._stop = threading.Event()
        self._consumer = log.consumer(
            topic, group="followers", auto_offset_reset="earliest", enable_auto_commit=False
        )
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                for record in self._consumer.poll(0.2):
                    self.seen[record.partition, record.offset] = record.value
                    self.count += 1
                self._consumer.commit(wait=False)
            except errors.LogflumeError as error:
                if not error.retriable and not isinstance(error, errors.CommitFailed):
                    self.error = error
                    return

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(60)
        self._consumer.close()


def wait_until(done: Callable[[], bool], what: str, seconds: float = 90.0) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def all_in_sync(log: logflume.Log, topic: str) -> bool:
    with log.engine.readers.lend() as handle:
        try:
            _, rows = handle.metadata(topic, 5000)[topic]
        except errors.LogflumeError:
            return False
    return len(rows) == PARTITIONS and all(len(isr) == 3 for _, _, _, isr in rows)


@pytest.mark.timeout(600)
def test_each_node_is_killed_and_nothing_acknowledged_is_lost_or_doubled(nodes: Nodes) -> None:
    with logflume.open(nodes.address) as log:
        log.create_topic("load", partitions=PARTITIONS)
        wait_until(lambda: all_in_sync(log, "load"), "all copies in sync at the start")
        for topic in ("left", "right"):
            log.create_topic(topic, partitions=3)
        seen: dict[tuple[int, int], bytes] = {}
        load, transactions = Load(log, "load"), Transactions(log, ("left", "right"))
        followers = [Follower(log, "load", seen) for _ in range(2)]
        try:
            for node in (1, 2, 3):
                wait_until(lambda: load.count > 500, "the first records")
                done = len(transactions.committed)
                nodes.kill(node)
                before = load.count
                wait_until(
                    lambda before=before: load.count > before + RECORDS_BETWEEN,
                    f"records go on without node {node}: {load.count - before}",
                )
                wait_until(
                    lambda done=done: len(transactions.committed) > done + 20,
                    f"transactions go on without node {node}: {transactions.failures[-3:]}",
                )
                nodes.start(node)
                wait_until(lambda: all_in_sync(log, "load"), f"node {node} is in sync again")
        finally:
            load.stop()
            transactions.stop()
        assert not load.failures
        ends = [partition.end_offset for partition in log["load"]]
        wait_until(
            lambda: len(seen) >= sum(ends) or any(f.error for f in followers), "the followers"
        )
        for follower in followers:
            follower.stop()
            assert follower.error is None
            assert follower.count  # each had its share
        transactions.check(log)

        stored: dict[bytes, list[int]] = {}
        for partition in log["load"]:
            reader = partition.reader()
            while len(batch := reader.read()):
                for record in batch:
                    stored.setdefault(record.key, []).append(int(record.value))
    assert stored == load.acknowledged
    assert load.count > 3 * RECORDS_BETWEEN
    numbers = sorted(int(value) for value in seen.values())
    assert numbers == list(range(load.count))
