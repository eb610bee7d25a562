"""Threads that wait for the disk share its syncs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

import logflume
from logflume._native.partition_log import arm_failpoints

THREADS = 12


@pytest.fixture
def log(tmp_path: Path) -> Iterator[logflume.Log]:
    with logflume.open(tmp_path / "data") as opened:
        opened.create_topic("t", partitions=1)
        opened.partition("t", 0).append(b"opened")
        opened.partition("t", 0).sync()
        yield opened
        arm_failpoints("")


def in_threads(count: int, work: object) -> list[BaseException]:
    """Runs `work(number)` in threads; what they raised."""
    failures: list[BaseException] = []

    def run(number: int) -> None:
        try:
            work(number)  # type: ignore[operator]
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    return failures


# The first sync takes long and covers what was there before; a third one would fail.
TWO_SYNCS = "sync.before:1:sleep=0.5,sync.fdatasync:3:raise"


def test_deliveries_that_come_during_a_sync_share_the_next(log: logflume.Log) -> None:
    producer = log.producer(acks="all", linger_ms=60_000)
    arm_failpoints(TWO_SYNCS)
    places = []
    failures = in_threads(
        THREADS, lambda n: places.append(producer.send("t", b"%d" % n).result(60))
    )
    arm_failpoints("")
    assert not failures
    assert sorted(place.offset for place in places) == list(range(1, THREADS + 1))
    assert log.partition("t", 0).durable_offset == THREADS + 1


def test_appends_that_come_during_a_sync_share_the_next(log: logflume.Log) -> None:
    partition = log.partition("t", 0)

    def work(number: int) -> None:
        offset = partition.append(b"%d" % number)
        partition.sync()
        assert partition.durable_offset > offset

    arm_failpoints(TWO_SYNCS)
    assert not in_threads(THREADS, work)


def test_all_who_share_a_sync_that_fails_are_told(log: logflume.Log) -> None:
    producer = log.producer(acks="all", linger_ms=60_000)
    arm_failpoints("sync.before:1:sleep=0.5,sync.fdatasync:2:raise")
    failures = in_threads(THREADS, lambda n: producer.send("t", b"%d" % n).result(60))
    arm_failpoints("")
    # The first sync went well: who led it, and who sent before it began, has its record on the disk.
    assert THREADS > len(failures) >= THREADS // 2
    assert all(isinstance(error, logflume.errors.SyncFailed) for error in failures)
    durable = log.partition("t", 0).durable_offset
    assert durable == THREADS + 1 - len(failures)
    with pytest.raises(logflume.errors.SyncFailed):
        producer.send("t", b"more").result(60)


def test_all_whose_records_a_failed_sync_left_out_are_told_why(log: logflume.Log) -> None:
    partition = log.partition("t", 0)
    partition.append_many([b"%d" % n for n in range(THREADS)])
    arm_failpoints("sync.before:1:sleep=0.3,sync.fdatasync:1:raise")
    failures = in_threads(THREADS, lambda _: partition.sync())
    arm_failpoints("")
    # Who waited for that sync, and who comes when it has failed already.
    failures += in_threads(1, lambda _: partition.sync())
    assert len(failures) == THREADS + 1
    assert {getattr(error, "reason", error) for error in failures} == {
        "fdatasync: Input/output error"
    }
    with pytest.raises(logflume.errors.SyncFailed, match="a sync failed earlier"):
        partition.append(b"later")


def test_waiting_flushing_and_calling_back_at_once_settles_everything(log: logflume.Log) -> None:
    producer = log.producer(acks="all", linger_ms=1, batch_size=500)
    called: list[int] = []
    places: list[int] = []

    def work(number: int) -> None:
        for i in range(40):
            delivery = producer.send("t", b"x" * (i * 7 % 90))
            if number % 4 == 0:
                producer.flush()
                assert delivery.done()
            elif number % 4 == 1:
                delivery.add_done_callback(lambda done: called.append(done.offset))
            else:
                places.append(delivery.result(60).offset)

    assert not in_threads(THREADS, work)
    producer.flush()
    assert len(set(places)) == len(places) == THREADS // 2 * 40
    assert len(set(called)) == len(called) == THREADS // 4 * 40
    assert not set(places) & set(called)
    assert log.partition("t", 0).end_offset == 1 + THREADS * 40


@pytest.mark.parametrize("keyed", [False, True])
def test_small_durable_lists_are_written_into_blocks_made_before(
    log: logflume.Log, tmp_path: Path, keyed: bool
) -> None:
    log.create_topic("lists", partitions=2)
    segments = [tmp_path / "data" / f"lists-{n}" / f"{0:020d}.log" for n in range(2)]
    producer = log.producer(acks="all")
    keys = [b"%d" % n for n in range(100)] if keyed else None

    def send(count: int = 100) -> list[int]:
        producer.send_many("lists", [b"x" * 100] * count, keys=keys, partition=None if keyed else 1)
        return [segment.stat().st_size for segment in segments]

    # A sync of a file that did not grow has no size to write down.
    sizes = [send() for _ in range(6)]
    assert any(before == after for before, after in pairwise(sizes))
    log.producer(acks=1).send_many("lists", [b"x"] * 10, partition=0)
    assert log.partition("lists", 1).durable_offset == log.partition("lists", 1).end_offset
