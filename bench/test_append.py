"""Partition.append, one call a record, safe from kill -9 when it returns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import logflume
from bench.entrants import TOPIC, limit_writing, ours, peer_writing
from bench.harness import Contest, Contestant, Goal, Job
from bench.limits import limits
from bench.payload import values
from bench.peers import FramedFile, Lmdb, PersistQueue, Rocks, Sqlite

KEY, HEADERS = b"key-of-8", [("trace", b"0123456789abcdef")]
GOALS = [Goal("append", "≥ 6 M/s", rate=6e6)]


def call_each(call: Callable[[bytes], object], records: list[bytes]) -> Job:
    def job() -> None:
        for value in records:
            call(value)

    return job


def appending(records: list[bytes]) -> Callable[[logflume.Log], Job]:
    return lambda log: call_each(log.partition(TOPIC, 0).append, records)


def keyed(records: list[bytes]) -> Callable[[logflume.Log], Job]:
    def prepare(log: logflume.Log) -> Job:
        append = log.partition(TOPIC, 0).append

        def job() -> None:
            for value in records:
                append(value, key=KEY)

        return job

    return prepare


def with_header(records: list[bytes]) -> Callable[[logflume.Log], Job]:
    def prepare(log: logflume.Log) -> Job:
        append = log.partition(TOPIC, 0).append

        def job() -> None:
            for value in records:
                append(value, key=KEY, headers=HEADERS)

        return job

    return prepare


def test_append(contest: Contest, size: int) -> None:
    count = contest.scale.count(5e6, size)
    records = values(size, count)

    @contextmanager
    def mapped(where: Path) -> Iterator[Job]:
        limits.append_open(str(where / "map"), count * (size + 110) + (1 << 20))
        yield call_each(limits.append_call, records)
        limits.append_close()

    def write_each(fd: int) -> Job:
        def job() -> None:
            for value in records:
                limits.encode_list([value], fd)

        return job

    ways = [ours("append", count, appending(records))]
    if size == 100:
        ways += [
            ours("append with key", count, keyed(records)),
            ours("append with key and header", count, with_header(records)),
        ]
    contest.run(
        "Append per call",
        [
            *ways,
            Contestant("C call into a written map", "limit", count, mapped),
            limit_writing("C call with write()", count, write_each, role="peer"),
            *(
                peer_writing(kind, "surviving", contest.scale, size)
                for kind in (FramedFile, Lmdb, Rocks, Sqlite, PersistQueue)
            ),
        ],
        about="`partition.append(value)`: each record is safe from kill -9 when its call returns",
        x=("bytes of a value", size),
        goals=GOALS if size == 100 else [],
    )
