"""On the disk, many records a sync: 1,000 in flight, lists of 1,000."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import logflume
from bench.entrants import TOPIC, history, limit_writing, ours
from bench.harness import Contest, Contestant, Goal, Job
from bench.limits import limits
from bench.payload import values
from bench.peers import FramedFile, Lmdb, Rocks, Sqlite, Store


def written_blocks(path: Path) -> int:
    """A descriptor of a file of 16 MiB whose blocks are on the disk."""
    limits.group_open(str(path), 16 << 20)
    limits.group_close()
    return os.open(path, os.O_RDWR)


def limit_calls(records: list[bytes], rounds: int) -> Contestant:
    """A call into C for each record, and one sync for all of a round, on written blocks."""

    @contextmanager
    def open_(where: Path) -> Iterator[Job]:
        fd = written_blocks(where / "blocks")

        def job() -> None:
            for _ in range(rounds):
                os.lseek(fd, 0, os.SEEK_SET)
                limits.send_open(fd)
                for value in records:
                    limits.send_call(TOPIC, value)
                limits.send_close()
                os.fdatasync(fd)

        yield job
        os.close(fd)

    return Contestant("C calls and one fdatasync", "limit", rounds * len(records), open_)


def test_in_flight(contest: Contest) -> None:
    """1,000 deliveries are open at a time."""
    rounds = max(3, int(contest.scale.seconds * 60))
    count = rounds * 1000
    records = values(100, 1000)

    def one_thread(log: logflume.Log) -> Job:
        producer = log.producer(acks="all")
        producer.send_many(TOPIC, history())

        def job() -> None:
            for _ in range(rounds):
                for delivery in [producer.send(TOPIC, value) for value in records]:
                    delivery.result(30)

        return job

    contest.run(
        "Durable, 1,000 in flight",
        [
            ours("send, then result()", count, one_thread),
            limit_calls(records, rounds),
            *(peer_lists(kind, records, max(3, rounds // 4)) for kind in (Lmdb, Rocks, Sqlite)),
        ],
        about="one thread sends 1,000 records, then waits for each delivery; the peers put them in one transaction or"
        " batch, which is synced",
        cpu="shown",
        goals=[Goal("send, then result()", "≥ 600,000/s", rate=6e5)],
    )


def peer_lists(kind: type[Store], records: list[bytes], rounds: int) -> Contestant:
    @contextmanager
    def open_(where: Path) -> Iterator[Job]:
        store = kind(where)
        store.put_many(history(), durable=True)

        def job() -> None:
            for _ in range(rounds):
                store.put_many(records, durable=True)

        yield job
        store.close()

    return Contestant(kind.name, "peer", rounds * len(records), open_)


BLOCKS = "C loop and fdatasync, written blocks"


def limit_lists(records: list[bytes], rounds: int) -> Iterator[Contestant]:
    """The same batches into blocks that are there from the start, and into a file that grows."""

    @contextmanager
    def blocks(where: Path) -> Iterator[Job]:
        fd = written_blocks(where / "blocks")

        def job() -> None:
            for _ in range(rounds):
                if os.lseek(fd, 0, os.SEEK_CUR) > 15 << 20:
                    os.lseek(fd, 0, os.SEEK_SET)
                limits.encode_list(records, fd)
                os.fdatasync(fd)

        yield job
        os.close(fd)

    def growing(fd: int) -> Job:
        def job() -> None:
            for _ in range(rounds):
                limits.encode_list(records, fd)
                os.fdatasync(fd)

        return job

    count = rounds * len(records)
    yield Contestant(BLOCKS, "limit", count, blocks)
    yield limit_writing("C loop and fdatasync, growing file", count, growing)


def test_batches(contest: Contest) -> None:
    """Lists of 1,000."""
    rounds = max(10, int(contest.scale.seconds * 1000))
    count = rounds * 1000
    records = values(100, 1000)

    def send_many(log: logflume.Log) -> Job:
        producer = log.producer(acks="all")
        producer.send_many(TOPIC, history())

        def job() -> None:
            for _ in range(rounds):
                producer.send_many(TOPIC, records)

        return job

    def append_many(log: logflume.Log) -> Job:
        partition = log.partition(TOPIC, 0)
        partition.append_many(history())
        partition.sync()

        def job() -> None:
            for _ in range(rounds):
                partition.append_many(records)
                partition.sync()

        return job

    contest.run(
        "Durable, lists of 1,000",
        [
            ours("send_many", count, send_many),
            ours("append_many + sync", count, append_many),
            *limit_lists(records, rounds),
            *(
                peer_lists(kind, records, max(3, rounds // 4))
                for kind in (FramedFile, Lmdb, Rocks, Sqlite)
            ),
        ],
        about="lists of 1,000 records, each on the disk before the next begins, in logs that hold 4 MB; one limit"
        " writes to blocks that are there from the start, the other to a file that grows",
        cpu="shown",
        goals=[Goal("send_many", "≥ 0.8 of the limit", beside=BLOCKS, share=0.8)],
    )
