"""Transactions: records of one or several partitions that are on the disk, and seen, together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import logflume
from bench.entrants import TOPIC, history, ours
from bench.harness import Contest, Contestant, Job
from bench.payload import values
from bench.peers import Lmdb, Rocks, Sqlite, Store
from bench.test_durable_batches import limit_lists

Prepare = Callable[[logflume.Log], Job]


def sending(records: list[bytes], times: int, partitions: int) -> Prepare:
    def prepare(log: logflume.Log) -> Job:
        log.partition(TOPIC, 0).append_many(history())
        producer = log.producer(transactional_id="bench")
        numbers = [n % partitions for n in range(len(records))]

        def once() -> None:
            with producer.transaction():
                for number, value in zip(numbers, records, strict=True):
                    producer.send(TOPIC, value, partition=number)

        once()

        def job() -> None:
            for _ in range(times):
                once()

        return job

    return prepare


def passing_on(records: list[bytes], times: int) -> Prepare:
    """Consume, send, and commit the consumer's positions with what was sent."""

    def prepare(log: logflume.Log) -> Job:
        log.create_topic("in")
        log.partition("in", 0).append_many(records * (times + 1))
        log.partition(TOPIC, 0).append_many(history())
        producer = log.producer(transactional_id="bench")
        consumer = log.consumer(
            "in", group="g", auto_offset_reset="earliest", enable_auto_commit=False
        )

        def once() -> None:
            with producer.transaction():
                for record in consumer.poll(10.0, max_records=len(records)):
                    producer.send(TOPIC, record.value)
                producer.send_offsets(consumer)

        once()

        def job() -> None:
            for _ in range(times):
                once()

        return job

    return prepare


def peer(kind: type[Store], records: list[bytes], times: int) -> Contestant:
    """One transaction or batch of all the records, synced."""

    @contextmanager
    def open_(where: Path) -> Iterator[Job]:
        store = kind(where)
        store.put_many(history(), durable=True)

        def job() -> None:
            for _ in range(times):
                store.put_many(records, durable=True)

        yield job
        store.close()

    return Contestant(kind.name, "peer", times, open_)


def test_transactions(contest: Contest, together: int) -> None:
    times = max(10, int(contest.scale.seconds * 1000 / (1 + together / 1000)))
    records = values(100, together)
    (limit, _) = limit_lists(records, times)
    contest.run(
        "Transactions",
        [
            ours("one partition", times, sending(records, times, 1), partitions=4),
            ours("four partitions", times, sending(records, times, 4), partitions=4),
            ours("consume, send, offsets", times, passing_on(records, times), partitions=4),
            Contestant(limit.name, limit.role, times, limit.open),
            *(peer(kind, records, max(5, times // 2)) for kind in (Sqlite, Rocks, Lmdb)),
        ],
        about="each is on the disk before the next begins, and readers see all of it or nothing; records of 100 bytes,"
        " sent one by one. The limit and the peers write them at once, to one place",
        unit="transactions",
        x=("records", together),
        cpu="shown",
    )
