"""`kafka://` beside the best loops that confluent-kafka allows: the same library below, one real broker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy

import logflume
from bench.harness import Contest, Contestant, Goal, Job
from bench.payload import values
from bench.peers.kafka import Kafka
from bench.test_kafka import kafka

__all__ = ["kafka", "test_consuming_from_a_cluster", "test_producing_to_a_cluster"]

COUNT = 500_000
CHUNK = 10_000
ABOUT = (
    "100 bytes a value, one partition, one broker on the same machine, which takes most of the time"
)
PRODUCER = {"acks": "1", "linger.ms": 5, "queue.buffering.max.messages": 1_000_000}


def through(name: str, role: Any, job: Any) -> Contestant:
    @contextmanager
    def open_(_: Path) -> Iterator[Job]:
        yield job

    return Contestant(name, role, COUNT, open_)


def test_producing_to_a_cluster(contest: Contest, kafka: Kafka) -> None:
    from confluent_kafka import Producer

    records = values(100, COUNT)
    column = numpy.array(records, dtype="S100")
    kafka.create_topic("to-cluster")
    settings = {"bootstrap.servers": kafka.address, **PRODUCER}

    def each() -> None:
        producer = Producer(settings)
        produce = producer.produce
        for value in records:
            produce("to-cluster", value, partition=0)
        producer.flush()

    def in_batches() -> None:
        producer = Producer(settings)
        for at in range(0, COUNT, CHUNK):
            batch = [{"value": value} for value in records[at : at + CHUNK]]
            producer.produce_batch("to-cluster", batch, partition=0)
        producer.flush()

    with logflume.open(f"kafka://{kafka.address}") as log, log.producer(acks=1) as producer:

        def send() -> None:
            for value in records:
                producer.send("to-cluster", value, partition=0)
            producer.flush()

        contest.run(
            "Producing to a cluster",
            [
                through(
                    "send_many(list)",
                    "logflume",
                    lambda: producer.send_many("to-cluster", records, partition=0),
                ),
                through(
                    "send_many(numpy)",
                    "logflume",
                    lambda: producer.send_many("to-cluster", column, partition=0),
                ),
                through("producer.send", "logflume", send),
                through("confluent-kafka, produce_batch", "peer", in_batches),
                through("confluent-kafka, produce", "peer", each),
            ],
            about=f"acks=1, linger 5 ms; {ABOUT}",
            warmup=False,
            cpu="shown",
            goals=[
                Goal(
                    "send_many(list)",
                    "≥ 0.9 of the best loop",
                    beside="confluent-kafka, produce_batch",
                    share=0.9,
                )
            ],
        )


def test_consuming_from_a_cluster(contest: Contest, kafka: Kafka) -> None:
    from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

    kafka.create_topic("from-cluster")
    place = [TopicPartition("from-cluster", 0, OFFSET_BEGINNING)]
    settings = {
        "bootstrap.servers": kafka.address,
        "group.id": "bench",
        "enable.auto.commit": False,
    }

    def lists() -> None:
        consumer = Consumer(settings)
        consumer.assign(place)
        left = COUNT
        while left > 0:
            found = [message.value() for message in consumer.consume(CHUNK, timeout=0.5)]
            left -= len(found)
        consumer.close()

    with logflume.open(f"kafka://{kafka.address}") as log:
        with log.producer() as producer:
            producer.send_many("from-cluster", values(100, COUNT), partition=0)

        def columns() -> None:
            left = COUNT
            with log.consumer(auto_offset_reset="earliest", check_crcs=False) as consumer:
                consumer.assign([("from-cluster", 0)])
                while left > 0:
                    batch = consumer.poll_batch(timeout=0.5)
                    left -= 0 if batch is None else len(batch)

        def records() -> None:
            left = COUNT
            with log.consumer(auto_offset_reset="earliest", check_crcs=False) as consumer:
                consumer.assign([("from-cluster", 0)])
                for record in consumer:
                    _ = record.value
                    left -= 1
                    if not left:
                        break

        contest.run(
            "Consuming from a cluster",
            [
                through("poll_batch", "logflume", columns),
                through("for record in consumer", "logflume", records),
                through("confluent-kafka, consume", "peer", lists),
            ],
            about=f"from the beginning, with a connection made each time; {ABOUT}",
            warmup=False,
            cpu="shown",
            goals=[
                Goal(
                    "poll_batch",
                    "≥ 0.9 of the best loop",
                    beside="confluent-kafka, consume",
                    share=0.9,
                )
            ],
        )
