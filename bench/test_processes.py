"""How cost grows with processes: a partition each, one for all, and reading together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from subprocess import Popen

import pytest

from bench.entrants import TOPIC, log_with_topic
from bench.harness import Contest, Contestant, Job, Role, fixed
from bench.payload import values
from bench.peers import Lmdb
from bench.programs import start
from bench.programs.appender import CHUNK


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
            cpu="unseen",
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
            cpu="unseen",
        )
