"""On the disk: one record at a time, and threads that share a sync."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy

import logflume
from bench.entrants import TOPIC, history, ours
from bench.harness import Contest, Contestant, Goal, Job, Times
from bench.limits import limits
from bench.payload import values
from bench.peers import FramedFile, Lmdb, Rocks, Sqlite, Store
from bench.threads import each_thread

BARE = "C fdatasync, written blocks"
RECORD_BYTES = 61 + 107  # a batch of one record of 100 bytes


def timed_each(function: Callable[[bytes], object], records: list[bytes]) -> Times:
    """Nanoseconds of each call."""
    clock, times = time.perf_counter_ns, []
    for value in records:
        began = clock()
        function(value)
        times.append(clock() - began)
    return Times(times)


def durable_peer(kind: type[Store], records: list[bytes]) -> Contestant:
    @contextmanager
    def open_(where: Path) -> Iterator[Job]:
        store = kind(where)
        store.put_many(history(), durable=True)
        store.put_durable(b"")
        yield lambda: timed_each(store.put_durable, records)
        store.close()

    return Contestant(kind.name, "peer", len(records), open_)


def test_one_thread(contest: Contest) -> None:
    count = max(100, int(contest.scale.seconds * 1200))
    records = values(100, count)

    def send(log: logflume.Log) -> Job:
        producer = log.producer(acks="all")
        producer.send_many(TOPIC, history())
        return lambda: timed_each(lambda value: producer.send(TOPIC, value).result(10), records)

    def append(log: logflume.Log) -> Job:
        partition = log.partition(TOPIC, 0)

        def durable(value: bytes) -> None:
            partition.append(value)
            partition.sync()

        partition.append_many(history())
        durable(b"")
        return lambda: timed_each(durable, records)

    @contextmanager
    def bare(where: Path) -> Iterator[Job]:
        path = str(where / "blocks")
        limits.group_open(path, 4 << 20)  # makes and writes it
        limits.group_close()

        def job() -> Times:
            found = limits.sync_times(path, count, RECORD_BYTES)
            return Times(numpy.frombuffer(found, dtype=numpy.int64))

        yield job

    contest.run(
        "Durable, one thread",
        [
            ours("send().result()", count, send),
            ours("append + sync", count, append),
            Contestant(BARE, "limit", count, bare),
            *(durable_peer(kind, records) for kind in (FramedFile, Lmdb, Rocks, Sqlite)),
        ],
        about="one record on the disk before the next begins, in logs that hold 4 MB; the median of single records"
        " is compared",
        unit="syncs",
        cpu="shown",
        goals=[
            Goal("send().result()", "p50 ≤ 1.15 × the bare primitive", beside=BARE, share=1 / 1.15),
            Goal("append + sync", "p50 ≤ 1.15 × the bare primitive", beside=BARE, share=1 / 1.15),
        ],
    )


def rocks_in_threads(threads: int, records: list[bytes]) -> Contestant:
    """RocksDB joins the writes of threads to one sync, as far as its binding lets them in together."""

    @contextmanager
    def open_(where: Path) -> Iterator[Job]:
        store = Rocks(where)
        store.put_many(history(), durable=True)

        def worker(number: int) -> None:
            put, durable = store.db.put, store.durable
            for i, value in enumerate(records):
                put(b"%08d%08d" % (number, i), value, durable)

        yield each_thread(threads, worker)
        store.close()

    return Contestant(Rocks.name, "peer", threads * len(records), open_)


def sqlite_in_threads(threads: int, records: list[bytes]) -> Contestant:
    """A connection for each thread; SQLite lets one write at a time."""

    @contextmanager
    def open_(where: Path) -> Iterator[Job]:
        with ExitStack() as stack:
            stores = []
            for _ in range(threads):
                stores.append(Sqlite(where, shared=True))
                stack.callback(stores[-1].close)
            stores[0].put_many(history(), durable=True)

            def worker(number: int) -> None:
                for value in records:
                    stores[number].put_durable(value)

            yield each_thread(threads, worker)

    return Contestant(Sqlite.name, "peer", threads * len(records), open_)


def test_threads(contest: Contest, threads: int) -> None:
    each = max(20, int(contest.scale.seconds * 1000))
    count = each * threads
    records = values(100, each)

    def send(log: logflume.Log) -> Job:
        producer = log.producer(acks="all")
        producer.send_many(TOPIC, history())

        def worker(_: int) -> None:
            for value in records:
                producer.send(TOPIC, value).result(30)

        return each_thread(threads, worker)

    def append(log: logflume.Log) -> Job:
        partition = log.partition(TOPIC, 0)
        partition.append_many(history())
        partition.sync()

        def worker(_: int) -> None:
            for value in records:
                partition.append(value)
                partition.sync()

        return each_thread(threads, worker)

    @contextmanager
    def shared_sync(where: Path) -> Iterator[Job]:
        limits.group_open(str(where / "blocks"), 4 << 20)

        def worker(_: int) -> None:
            for value in records:
                limits.group_append(value)

        yield each_thread(threads, worker)
        limits.group_close()

    limit = "C group commit from Python threads"
    goals = [Goal("send().result()", "≥ 0.8 of the limit", beside=limit, share=0.8)]
    contest.run(
        "Durable, group commit",
        [
            ours("send().result()", count, send),
            ours("append + sync", count, append),
            Contestant(limit, "limit", count, shared_sync),
            rocks_in_threads(threads, records[: max(10, each // 4)]),
            sqlite_in_threads(threads, records[: max(5, each // threads)]),
        ],
        about="Python threads, each waiting for its record to be on the disk before it sends the next, in a log that"
        " holds 4 MB; the limit's blocks are all written beforehand",
        unit="syncs",
        cpu="shown",
        x=("threads", threads),
        goals=goals if threads >= 16 else [],
    )
