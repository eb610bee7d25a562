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


class Follower:
    """A member of a group that reads along and commits; what it hands out is kept."""

    def __init__(self, log: logflume.Log, topic: str) -> None:
        self.seen: dict[tuple[int, int], bytes] = {}
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


@pytest.mark.timeout(420)
def test_each_node_is_killed_and_nothing_acknowledged_is_lost_or_doubled(nodes: Nodes) -> None:
    with logflume.open(nodes.address) as log:
        log.create_topic("load", partitions=PARTITIONS)
        wait_until(lambda: all_in_sync(log, "load"), "all copies in sync at the start")
        load, follower = Load(log, "load"), Follower(log, "load")
        try:
            for node in (1, 2, 3):
                wait_until(lambda: load.count > 500, "the first records")
                nodes.kill(node)
                before = load.count
                wait_until(
                    lambda before=before: load.count > before + RECORDS_BETWEEN,
                    f"records go on without node {node}: {load.count - before}",
                )
                nodes.start(node)
                wait_until(lambda: all_in_sync(log, "load"), f"node {node} is in sync again")
        finally:
            load.stop()
        assert not load.failures
        ends = [partition.end_offset for partition in log["load"]]
        wait_until(lambda: len(follower.seen) >= sum(ends) or bool(follower.error), "the follower")
        follower.stop()
        assert follower.error is None

        stored: dict[bytes, list[int]] = {}
        for partition in log["load"]:
            reader = partition.reader()
            while len(batch := reader.read()):
                for record in batch:
                    stored.setdefault(record.key, []).append(int(record.value))
    assert stored == load.acknowledged
    assert load.count > 3 * RECORDS_BETWEEN
    numbers = sorted(int(value) for value in follower.seen.values())
    assert numbers == list(range(load.count))
