"""How cost grows with the size of the log, 1 MB to 20 GB: looking up, reading its end, opening, memory."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import logflume
from bench.conftest import directory
from bench.entrants import TOPIC, log_with_topic
from bench.harness import Contest, Contestant, Goal, Job
from bench.pages import forget
from bench.payload import values
from bench.programs.memory import COUNT
from bench.test_lookup import chosen
from bench.test_memory import MAPPED, measured

SIZE = 1024
SYNC_EVERY = (
    1 << 20
)  # records; a large log would otherwise be held up by the kernel's write-back later
ROOM = 10 << 30  # bytes that stay free on the disk


@pytest.fixture(scope="module")
def big(request: pytest.FixtureRequest, log_mb: int) -> Iterator[Path]:
    """A directory with a log of that size, values of 1 KiB in segments of 256 MiB; on the disk, and closed."""
    where = directory(request.config)
    try:
        if shutil.disk_usage(where).free < (log_mb << 20) + ROOM:
            pytest.skip(f"NO ROOM FOR A LOG OF {log_mb:,} MB on the disk of {where}")
        total = log_mb * 1024
        records = values(SIZE, 16384)
        with log_with_topic(where, config={"segment.bytes": 256 << 20}) as log:
            partition = log.partition(TOPIC, 0)
            while partition.end_offset < total:
                partition.append_many(records[: total - partition.end_offset])
                if partition.end_offset % SYNC_EVERY == 0:
                    partition.sync()
            partition.sync()
        yield where
    finally:
        shutil.rmtree(where)


def files_of(where: Path) -> list[Path]:
    return sorted((where / "log" / f"{TOPIC}-0").iterdir())


def opened(
    where: Path,
    name: str,
    count: int,
    job: Callable[[logflume.Partition], object],
    *,
    cold: bool = False,
) -> Contestant:
    """`job` on the partition: once before, untimed, so that its pages are in memory; or with none of them there."""

    @contextmanager
    def open_(_: Path) -> Iterator[Job]:
        if cold:
            forget(files_of(where))
        with logflume.open(where / "log") as log:
            partition = log.partition(TOPIC, 0)
            if not cold:
                job(partition)
            yield lambda: job(partition)

    return Contestant(name, "logflume", count, open_)


def test_looking(contest: Contest, big: Path, log_mb: int) -> None:
    """Neither opening nor a look-up nor reading the end may depend on how much is there."""
    total = log_mb * 1024
    some, few = chosen(1000, total), chosen(100, total)
    with logflume.open(big / "log") as log:
        stamps = [log.partition(TOPIC, 0).read(n).timestamp for n in chosen(20, total)]

    @contextmanager
    def opening(_: Path) -> Iterator[Job]:
        def job() -> None:
            with logflume.open(big / "log") as log:
                log.partition(TOPIC, 0).read(total - 1)

        yield job

    contest.run(
        "Size of the log",
        [
            opened(big, "look-up, random", 1000, lambda p: [p.read(n) for n in some]),
            opened(big, "look-up, cold disk", 100, lambda p: [p.read(n) for n in few], cold=True),
            opened(big, "look-up by time", 20, lambda p: [p.offset_for_time(t) for t in stamps]),
            opened(big, "last 1,000 records", 1000, lambda p: p.read_batch(total - 1000)),
            Contestant("open, read the last", "logflume", 1, opening),
        ],
        about="a log of values of 1 KiB in segments of 256 MiB; each was done once before, but for the look-up on a"
        " cold disk: nothing of the log is in the page cache then",
        unit="calls",
        x=("MB", log_mb),
        goals=[Goal("open, read the last", "≤ 50 ms", at_most=50e6)] if log_mb > 1000 else [],
    )


def test_memory(contest: Contest, big: Path, log_mb: int) -> None:
    if log_mb * 1024 < COUNT:
        pytest.skip(f"fewer than {COUNT:,} records")
    contest.run(
        "Memory on a large log",
        [
            measured("consumer", "logflume", "consumer", big),
            measured("consumer, with mapped files", "logflume", "consumer", big, MAPPED),
            measured("producer", "logflume", "appender", big),
            measured("producer, with mapped files", "logflume", "appender", big, MAPPED),
        ],
        about=f"what a process holds more than a bare interpreter, imports included, that read {COUNT:,} records of"
        f" 1 KiB from the log, or wrote as many of 100 bytes to it; mapped files are pages of the page cache",
        unit="MB",
        x=("MB of log", log_mb),
        rounds=1,
        warmup=False,
    )
