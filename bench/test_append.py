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

GOALS = [Goal("append", "≥ 6 M/s", rate=6e6)]


def call_each(call: Callable[[bytes], object], records: list[bytes]) -> Job:
    def job() -> None:

        for value in records:
            call(value)

    return job


def test_append(contest: Contest, size: int) -> None:
    count = contest.scale.count(5e6, size)
    records = values(size, count)

    def append(log: logflume.Log) -> Job:
        return call_each(log.partition(TOPIC, 0).append, records)

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

    contest.run(
        "Append per call",
        [
            ours("append", count, append),
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
