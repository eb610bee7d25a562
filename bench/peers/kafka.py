"""A real Kafka on this machine, from `../shared/peers/kafka` (or LOGFLUME_KAFKA_PEER): one node, and clients of it.

Its clients are librdkafka (confluent-kafka), which is how Python talks to Kafka, and Kafka's own perf tools, which
measure themselves: the start of their JVM does not count.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.harness import Took

__all__ = ["Kafka", "missing"]

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Path(os.environ.get("LOGFLUME_KAFKA_PEER", ROOT.parent / "shared/peers/kafka/kafka"))
ADDRESS = re.compile(r"^[\d.]+:\d+$", re.MULTILINE)
# "50000 records sent, 31250.0 records/sec (2.98 MB/sec), ..."
SENT = re.compile(r"^(\d+) records sent, ([\d.]+) records/sec", re.MULTILINE)
PRODUCER = {"acks": 1, "linger.ms": 5, "batch.size": 65536}
ATTEMPTS = 8
STUCK_S = 60.0


def missing() -> str | None:
    """Why there is no Kafka here; None when there is one."""
    if not SCRIPT.is_file():
        return f"no Kafka peer at {SCRIPT} (LOGFLUME_KAFKA_PEER)"
    if shutil.which("java") is None:
        return "no Java for the Kafka peer"
    return None


def _run(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(SCRIPT), *args], capture_output=True, text=True, timeout=240, check=False
    )


def _up(where: Path) -> str:
    """Starts a node; its address. It draws a cluster id; one in 64 begins with "-", which Kafka refuses."""
    said = ""
    for _ in range(ATTEMPTS):
        done = _run("-d", str(where), "up")
        found = ADDRESS.search(done.stdout)
        if done.returncode == 0 and found is not None:
            return found.group()
        said = f"{done.stdout}\n{done.stderr}"
        shutil.rmtree(where, ignore_errors=True)
    raise RuntimeError(f"Kafka does not start: {said}")


class Kafka:
    """A running node and what its clients do. One partition a topic."""

    def __init__(self, where: Path, address: str) -> None:
        self.where = where
        self.address = address

    @classmethod
    @contextmanager
    def running(cls, where: Path) -> Iterator[Kafka]:
        """Starts a node with its data in `where`, and ends it."""
        address = _up(where)
        try:
            yield cls(where, address)
        finally:
            _run("-d", str(where), "down", "--wipe")

    def pid(self) -> int:
        """The node's process."""
        found = re.search(r"pid (\d+)", _run("-d", str(self.where), "status").stdout)
        if found is None:
            raise RuntimeError("Kafka's node does not run")
        return int(found[1])

    def create_topic(self, name: str) -> None:
        from confluent_kafka.admin import AdminClient, NewTopic

        admin = AdminClient({"bootstrap.servers": self.address})
        for future in admin.create_topics([NewTopic(name, 1, 1)]).values():
            future.result(30)

    def put_each(self, topic: str, values: Iterable[bytes]) -> None:
        """librdkafka: one call a record, acks=1; all acknowledged when it returns."""
        from confluent_kafka import Producer

        producer = Producer({"bootstrap.servers": self.address, **PRODUCER})
        produce = producer.produce
        for value in values:
            since = None
            while True:
                try:
                    produce(topic, value, partition=0)
                    break
                except (
                    BufferError
                ):  # its queue is full: without callbacks poll() says nothing of what was sent
                    since = since or time.monotonic()
                    if time.monotonic() - since > STUCK_S:
                        raise
                    producer.poll(0.01)
        if producer.flush(STUCK_S):
            raise RuntimeError(f"Kafka did not take all records within {STUCK_S} s")

    def read_all(self, topic: str, count: int) -> None:
        """librdkafka: `consume` in lists, every value touched."""
        from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

        consumer = Consumer(
            {
                "bootstrap.servers": self.address,
                "group.id": "bench",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 20,
            }
        )
        consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
        while count > 0:
            for message in consumer.consume(10_000, timeout=1.0):
                message.value()
                count -= 1
        consumer.close()

    def perf_producer(self, topic: str, count: int, size: int) -> Took:
        """kafka-producer-perf-test: the Java client."""
        done = self._tool(
            "kafka-producer-perf-test",
            *("--topic", topic, "--num-records", str(count), "--record-size", str(size)),
            *("--throughput", "-1", "--producer-props", f"bootstrap.servers={self.address}"),
            *(f"{name}={value}" for name, value in PRODUCER.items()),
        )
        rate = float(SENT.findall(done)[-1][1])
        return Took(count / rate)

    def perf_consumer(self, topic: str, count: int) -> Took:
        """kafka-consumer-perf-test: the Java client; the time that it fetched."""
        done = self._tool(
            "kafka-consumer-perf-test",
            *("--bootstrap-server", self.address, "--topic", topic, "--num-records", str(count)),
        )
        lines = [line.split(", ") for line in done.splitlines() if ", " in line]
        names = next(line for line in lines if line[0] == "start.time")
        row = dict(zip(names, lines[-1], strict=True))
        # It may read a little more than was asked for.
        return Took(count / int(row["data.consumed.in.nMsg"]) * int(row["fetch.time.ms"]) / 1000)

    def _tool(self, *words: str) -> str:
        done = _run("-d", str(self.where), "tool", *words)
        if done.returncode:
            raise RuntimeError(f"{words[0]}: {done.stdout}\n{done.stderr}")
        return done.stdout
