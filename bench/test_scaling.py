"""How cost grows: threads, processes, partitions (the size of the log: test_log_size.py)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from subprocess import Popen

import pytest

import logflume
from bench.entrants import TOPIC, log_with_topic, ours
from bench.harness import Contest, Contestant, Job, Role
from bench.payload import json_lines, packed, values
from bench.peers import Lmdb
from bench.programs import start
from bench.programs.appender import CHUNK
from bench.test_read import fixed
from logflume._native.input_columns import Packed


def in_threads(jobs: Sequence[Callable[[], object]]) -> None:
    workers = [threading.Thread(target=job) for job in jobs]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def test_threads(contest: Contest, workers: int) -> None:
    """Each thread on a partition of its own."""
    count = contest.scale.count(20e6)
    column = Packed(*packed(100, count))
    lines = json_lines(contest.scale.count(2e6))

    def columns(log: logflume.Log) -> Job:
        parts = [log.partition(TOPIC, i) for i in range(workers)]
        return lambda: in_threads([lambda p=p: p.append_many(column) for p in parts])  # type: ignore[misc]

    def compressed(log: logflume.Log) -> Job:
        producer = log.producer(acks=1, compression_type="lz4")

        def job(partition: int) -> None:
            producer.send_many(TOPIC, lines, partition=partition)

        return lambda: in_threads([lambda i=i: job(i) for i in range(workers)])  # type: ignore[misc]

    contest.run(
        "Threads, a partition each",
        [
            ours("columns of 100 bytes", count * workers, columns, partitions=workers),
            ours("lz4, lists of JSON lines", len(lines) * workers, compressed, partitions=workers),
        ],
        about="all threads together; `append_many(column)`, and `send_many(lines)` with lz4",
        x=("threads", workers),
    )


@contextmanager
def together(programs: list[Popen[bytes]]) -> Iterator[Job]:
    """A job that all do at once, and which ends when all have done it. They stay for the next round."""
    for process in programs:
        assert process.stdout is not None
        process.stdout.readline()

    def job() -> None:
        for process in programs:
            process.stdin.write(b"\n")  # type: ignore[union-attr] # it has pipes
            process.stdin.flush()  # type: ignore[union-attr]
        for process in programs:
            process.stdout.readline()  # type: ignore[union-attr]

    yield job
    for process in programs:
        process.communicate()


@pytest.mark.parametrize("shared", [False, True], ids=["own", "shared"])
def test_processes(contest: Contest, where: Path, workers: int, shared: bool) -> None:
    each = max(1, contest.scale.count(10e6) // CHUNK) * CHUNK
    numbers = [0 if shared else i for i in range(workers)]
    with log_with_topic(where, partitions=workers):
        pass
    with ExitStack() as stack:

        def appending(name: str, role: Role, how: str) -> Contestant:
            programs = [start("appender", how, where, n, each, 100) for n in numbers]
            return fixed(name, role, each * workers, stack.enter_context(together(programs)))

        contest.run(
            f"Processes, {'one partition' if shared else 'a partition each'}",
            [
                appending("append_many(column)", "logflume", "logflume"),
                appending("C loop, write()", "limit", "limit"),
            ],
            about="all processes together, columns of 100 bytes; the C loop writes to a file"
            + (", with O_APPEND to the same" if shared else " each"),
            x=("processes", workers),
            cpu=False,
        )


def test_reading_processes(contest: Contest, where: Path, workers: int) -> None:
    """All read the same partition, whose pages they share."""
    count = contest.scale.count(5e6)
    times, fewer = 10, 1
    with log_with_topic(where) as log:
        log.partition(TOPIC, 0).append_many(values(100, count))
    peer = Lmdb(where)
    peer.put_many(values(100, count))
    peer.close()
    with ExitStack() as stack:

        def reading(name: str, role: Role, how: str, times: int) -> Contestant:
            programs = [start("reader", how, where, count, times) for _ in range(workers)]
            job = stack.enter_context(together(programs))
            return fixed(name, role, count * times * workers, job)

        contest.run(
            "Processes reading one partition",
            [
                reading("read batches", "logflume", "logflume", times),
                reading("C loop, CRC checked", "limit", "limit", times),
                reading("LMDB", "peer", "lmdb", fewer),
            ],
            about=f"all processes together, {count:,} records of 100 bytes as columns, read before by each; logflume"
            " checks a checksum once a process, the C loop each time; LMDB hands out bytes",
            x=("processes", workers),
            cpu=False,
        )


def test_partitions(contest: Contest, where: Path, partitions: int) -> None:
    """One log for all rounds: closing syncs each partition, which would take most of the time."""
    count = contest.scale.count(4e6)
    records = values(100, count)
    keys = [value[:8] for value in records]
    with logflume.open(where / "log") as log:
        for topic in ("each", "lists"):
            log.create_topic(topic, partitions=partitions)
        producer = log.producer(acks=1)
        for topic in ("each", "lists"):
            producer.send_many(topic, records, keys=keys)  # all partitions are open from here on

        def each() -> None:
            send = producer.send
            for value, key in zip(records, keys, strict=True):
                send("each", value, key=key)
            producer.flush()

        contest.run(
            "Partitions of a topic",
            [
                fixed("send with key", "logflume", count, each),
                fixed(
                    "send_many(list, keys)",
                    "logflume",
                    count,
                    lambda: producer.send_many("lists", records, keys=keys),
                ),
            ],
            about="one producer, keys spread over all partitions, all of them open",
            x=("partitions", partitions),
        )
