"""Queues: records taken, answered and committed, beside a consumer's poll and commit."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import logflume
from bench.entrants import TOPIC, limit_writing, log_with_topic
from bench.harness import Contest, Contestant, Job
from bench.limits import limits
from bench.payload import values
from bench.peers.queues import LiteQueue, PersistAckQueue, SqliteQueue, WorkQueue

Work = Callable[[logflume.Log, int, int], Job]


def ours(name: str, lot: int, lots: int, work: Work) -> Contestant:
    """`work(log, lot, lots)` prepares, untimed, and returns what is timed, on a topic with all records in it."""

    @contextmanager
    def open_(where: Path) -> Iterator[Job]:
        with log_with_topic(where) as log:
            log.partition(TOPIC, 0).append_many(values(100, lot * (lots + 1)))
            yield work(log, lot, lots)

    return Contestant(name, "logflume", lot * lots, open_)


def answering(log: logflume.Log, lot: int, lots: int) -> Job:
    """Each record is accepted by name, and each lot is on the disk before the next is taken."""
    queue = log.queue(TOPIC, group="g", share_auto_offset_reset="earliest")
    first = queue.poll(10.0, max_records=lot)  # the group is there from here on
    assert len(first) == lot
    queue.commit()

    def job() -> None:
        for _ in range(lots):
            records = queue.poll(10.0, max_records=lot)
            for record in records:
                queue.accept(record)
            queue.commit()

    return job


def polling(log: logflume.Log, lot: int, lots: int) -> Job:
    """Each poll accepts what the one before handed out: survives kill -9."""
    queue = log.queue(TOPIC, group="g", share_auto_offset_reset="earliest")
    assert len(queue.poll(10.0, max_records=lot)) == lot

    def job() -> None:
        for _ in range(lots):
            assert queue.poll(10.0, max_records=lot)

    return job


def consuming(log: logflume.Log, lot: int, lots: int) -> Job:
    """One reader of the partition, whose position is on the disk after each lot."""
    consumer = log.consumer(TOPIC, group="g", auto_offset_reset="earliest")
    assert len(consumer.poll(10.0, max_records=lot)) == lot
    consumer.commit()

    def job() -> None:
        for _ in range(lots):
            assert consumer.poll(10.0, max_records=lot)
            consumer.commit()

    return job


def synced(lot: int, lots: int) -> Contestant:
    """What commits need at least: 200 bytes and a sync of blocks that are there already."""

    @contextmanager
    def open_(where: Path) -> Iterator[Job]:
        path = str(where / "blocks")
        limits.group_open(path, 4 << 20)
        limits.group_close()
        yield lambda: limits.sync_times(path, lots, 200)

    return Contestant("one bare sync a lot", "limit", lot * lots, open_)


def written(lot: int, lots: int) -> Contestant:
    """What surviving `kill -9` needs at least: 200 bytes with the kernel."""

    def job(fd: int) -> Job:
        def write() -> None:
            block = bytes(200)
            for _ in range(lots):
                os.write(fd, block)

        return write

    return limit_writing("one write() a lot", lot * lots, job)


def peer(kind: type[WorkQueue], lot: int, lots: int) -> Contestant:
    @contextmanager
    def open_(where: Path) -> Iterator[Job]:
        queue = kind(where)  # type: ignore[call-arg] # each is made in a directory
        queue.fill(values(100, lot * lots))

        def job() -> None:
            for _ in range(lots):
                queue.work(lot)

        yield job
        queue.close()

    return Contestant(kind.name, "peer", lot * lots, open_)


def lots_of(contest: Contest, kind: type[WorkQueue], lot: int) -> int:
    return max(2, int(contest.scale.seconds * kind.items_a_second / lot))


def test_committing(contest: Contest, lot: int) -> None:
    lots = max(10, int(contest.scale.seconds * 1500 / (1 + lot / 100)))
    durable = (SqliteQueue, PersistAckQueue)
    contest.run(
        "Queue",
        [
            ours("queue: poll, accept, commit", lot, lots, answering),
            ours("consumer: poll, commit", lot, lots, consuming),
            synced(lot, lots),
            *(peer(kind, lot, min(lots, lots_of(contest, kind, lot))) for kind in durable),
        ],
        about="a lot of records is taken, each is marked as done, and all of that is on the disk before the next lot;"
        " persist-queue takes and marks one by one",
        x=("records a lot", lot),
        cpu="shown",
    )


def test_polling(contest: Contest, lot: int) -> None:
    lots = max(10, int(contest.scale.seconds * 3e5 / (lot + 50)))
    contest.run(
        "Queue, surviving kill -9",
        [
            ours("queue: poll", lot, lots, polling),
            written(lot, lots),
            peer(LiteQueue, lot, lots_of(contest, LiteQueue, lot)),
        ],
        about="each poll marks what the one before took as done, which the death of the process does not undo, a power"
        " loss may; litequeue takes and marks one by one",
        x=("records a lot", lot),
    )
