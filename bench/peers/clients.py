"""librdkafka from Python as a client of any broker: the loops of `../shared/peers/kafka/clientbench.py`, and a ping."""

from __future__ import annotations

import importlib.util
import time
import uuid
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy

from bench.harness import Times, Took
from bench.peers.kafka import SCRIPT

__all__ = ["PINGS", "TRANSACTIONS", "Client"]

PING_RATE = 1000  # records a second
PINGS = 3000
PINGS_LEFT_OUT = 500
TRANSACTIONS = 200
TRANSACTION_RECORDS = 10
PATIENCE_S = 60.0


def _clientbench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("clientbench", SCRIPT.with_name("clientbench.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Client:
    """One way to produce and consume: `size` bytes a value, `acks`, `codec`; `count` records a run."""

    def __init__(self, size: int, acks: str, codec: str, count: int) -> None:
        self._bench: Any = _clientbench().Bench(
            Namespace(
                size=size, acks=acks, compression=codec, records=count, replication=1, topic_config=[],
                linger_ms=5, batch_size=1_000_000, idempotence=False, check_crcs=False,
            )
        )  # fmt: skip

    @contextmanager
    def topic(self, address: str) -> Iterator[str]:
        """A topic of one partition, deleted behind it."""
        name = f"bench-{uuid.uuid4().hex[:12]}"
        admin = self._bench.topic(address, name)
        try:
            yield name
        finally:
            for future in admin.delete_topics([name], operation_timeout=10).values():
                future.result(30)

    def produce(self, address: str, topic: str) -> Took:
        """All records, until the last is acknowledged."""
        return Took(self._bench.produce(address, topic)[0])

    def consume(self, address: str, topic: str) -> Took:
        """All records, in lists."""
        return Took(self._bench.consume(address, topic)[0])

    def ping(self, address: str, topic: str) -> Times:
        """From `produce` to `poll`, each of 1,000 records a second, linger 0."""
        from confluent_kafka import Consumer, Producer, TopicPartition

        values = self._bench
        producer = Producer(
            {"bootstrap.servers": address, "acks": values.a.acks, "linger.ms": 0, "log_level": 3}
        )
        consumer = Consumer({"bootstrap.servers": address, "group.id": topic, "log_level": 3})
        consumer.assign([TopicPartition(topic, 0, 0)])
        pad = bytes(max(values.a.size - 8, 0))
        took: list[int] = []
        started, sent = time.perf_counter(), 0
        while len(took) < PINGS:
            due = started + sent / PING_RATE
            now = time.perf_counter()
            if sent < PINGS and due <= now:
                producer.produce(
                    topic, time.perf_counter_ns().to_bytes(8, "big") + pad, partition=0
                )
                producer.poll(0)
                sent += 1
                continue
            message = consumer.poll(min(max(due - now, 0), 0.1) if sent < PINGS else 0.1)
            if message is not None and message.error() is None:
                took.append(time.perf_counter_ns() - int.from_bytes(message.value()[:8], "big"))
        producer.flush()
        consumer.close()
        return Times(numpy.array(took[PINGS_LEFT_OUT:]))

    def transact(self, address: str, topic: str) -> Took:
        """Transactions one after the other, each committed before the next begins."""
        from confluent_kafka import Producer

        value = bytes(self._bench.a.size)
        producer = Producer(
            {
                "bootstrap.servers": address,
                "transactional.id": topic,
                "linger.ms": 0,
                "log_level": 3,
            }
        )
        producer.init_transactions(PATIENCE_S)
        started = 0.0
        for number in range(TRANSACTIONS + 1):
            if number == 1:  # the first one asks where everything is
                started = time.perf_counter()
            producer.begin_transaction()
            for _ in range(TRANSACTION_RECORDS):
                producer.produce(topic, value, partition=0)
            producer.commit_transaction(PATIENCE_S)
        return Took(time.perf_counter() - started)
