"""Beside a real Kafka on the same machine: one partition, in and out. Left out where there is no Java."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import logflume
from bench.entrants import TOPIC, ours
from bench.harness import Contest, Contestant, Job, fixed
from bench.payload import values
from bench.peers.kafka import Kafka, missing
from bench.stored import by_batches, by_records, consuming, stored

ABOUT = (
    "100 bytes a value, one partition; Kafka and its clients are processes on the same machine. `librdkafka` is"
    " confluent-kafka from Python; the perf tools are Java and tell their own rate, without the start of their JVM"
)


@pytest.fixture(scope="module")
def kafka(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Kafka]:
    if request.config.getoption("--scale") != "full":
        pytest.skip(
            "Kafka takes part at --scale=full only: its start takes longer than a quick run may"
        )
    if reason := missing():
        pytest.skip(f"KAFKA IS NOT COMPARED WITH: {reason}")
    with Kafka.running(tmp_path_factory.mktemp("kafka") / "node") as running:
        yield running


def test_producing(contest: Contest, kafka: Kafka) -> None:
    count = 500_000
    records = values(100, count)
    topics = iter(range(1000))

    def sent(log: logflume.Log) -> Job:
        producer = log.producer(acks=1)

        def job() -> None:
            send = producer.send
            for value in records:
                send(TOPIC, value)
            producer.flush()

        return job

    def listed(log: logflume.Log) -> Job:
        producer = log.producer(acks=1)
        return lambda: producer.send_many(TOPIC, records)

    def through(name: str, few: int) -> Contestant:
        @contextmanager
        def open_(_: Path) -> Iterator[Job]:
            topic = f"produced-{next(topics)}"
            kafka.create_topic(topic)
            if name == "Kafka, librdkafka":
                yield lambda: kafka.put_each(topic, records[:few])
            else:
                yield lambda: kafka.perf_producer(topic, few, 100)

        return Contestant(name, "peer", few, open_)

    contest.run(
        "Producing beside Kafka",
        [
            ours("producer.send", count, sent),
            ours("send_many(list)", count, listed),
            through("Kafka, librdkafka", 200_000),
            through("Kafka, its perf test", 300_000),
        ],
        about=f"acks=1, linger 5 ms, batches of 64 KiB; {ABOUT}",
        warmup=False,
        cpu="unseen",
    )


def test_consuming(contest: Contest, kafka: Kafka, where: Path) -> None:
    count, few = 1_000_000, 300_000
    kafka.create_topic("stored")
    kafka.put_each("stored", values(100, few))
    with stored(where, 100, count):
        contest.run(
            "Consuming beside Kafka",
            [
                consuming(where, "for record in consumer", count, by_records),
                consuming(where, "poll_batch", count, by_batches),
                fixed("Kafka, librdkafka", "peer", few, lambda: kafka.read_all("stored", few)),
                fixed(
                    "Kafka, its perf test", "peer", few, lambda: kafka.perf_consumer("stored", few)
                ),
            ],
            about=f"from the beginning, everything in the page cache; {ABOUT}",
            warmup=False,
            cpu="unseen",
        )
