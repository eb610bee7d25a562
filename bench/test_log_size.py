"""How cost grows with the size of the log, 1 MB to 20 GB: looking up, warm and cold, opening, memory."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy
import pytest

import logflume
from bench.conftest import directory
from bench.entrants import TOPIC, log_with_topic
from bench.harness import Contest, Contestant, Goal, Job, Role, fixed
from bench.pages import forget
from bench.payload import values
from bench.programs.memory import COUNT
from bench.stored import Read
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


def looking(
    where: Path, name: str, count: int, job: Read, *, cold: bool = False, role: Role = "logflume"
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

    return Contestant(name, role, count, open_)


def places(where: Path, offsets: list[int], total: int) -> list[tuple[Path, int]]:
    """File and position near each offset, as somebody knows them who has kept them."""
    with logflume.open(where / "log") as log:
        segments = log.partition(TOPIC, 0).segments()
    found = []
    for offset in offsets:
        one = next(s for s in reversed(segments) if s.base_offset <= offset)
        ends = [s.base_offset for s in segments if s.base_offset > one.base_offset]
        share = (offset - one.base_offset) / ((ends[0] if ends else total) - one.base_offset)
        found.append((Path(one.path), int(share * one.size) // 4096 * 4096))
    return found


def bare_reads(where: Path, name: str, offsets: list[int], total: int, *, cold: bool) -> Contestant:
    """pread of 4 KiB where the record lies: no index, no checksum."""
    known = places(where, offsets, total)

    @contextmanager
    def open_(_: Path) -> Iterator[Job]:
        if cold:
            forget(files_of(where))
        with ExitStack() as stack:
            files = {}
            for path in {path for path, _ in known}:
                files[path] = os.open(path, os.O_RDONLY)
                stack.callback(os.close, files[path])
                os.posix_fadvise(files[path], 0, 0, os.POSIX_FADV_RANDOM)
            reads = [(files[path], position) for path, position in known]

            def job() -> None:
                for fd, position in reads:
                    os.pread(fd, 4096, position)

            if not cold:
                job()
            yield job

    return Contestant(name, "limit", len(offsets), open_)


def test_warm(contest: Contest, big: Path, log_mb: int) -> None:
    total = log_mb * 1024
    some = chosen(1000, total)
    array = numpy.array(some)
    with logflume.open(big / "log") as log:
        partition = log.partition(TOPIC, 0)
        stamps = [partition.read(n).timestamp for n in some[:200]]

    def each(partition: logflume.Partition) -> None:
        for offset in some:
            partition.read(offset)

    def by_time(partition: logflume.Partition) -> None:
        for stamp in stamps:
            partition.offset_for_time(stamp)

    contest.run(
        "Size of the log: looking up, warm",
        [
            looking(big, "one offset a call", len(some), each),
            looking(big, "an array of 1,000 offsets", len(some), lambda p: p.lookup(array)),
            looking(big, "by time", len(stamps), by_time),
            bare_reads(big, "pread, place known", some, total, cold=False),
        ],
        about="random places in a log of values of 1 KiB in segments of 256 MiB, just opened, each looked up before",
        unit="calls",
        x=("MB", log_mb),
    )


def test_cold(contest: Contest, big: Path, log_mb: int) -> None:
    total = log_mb * 1024
    few = chosen(100, total)
    array = numpy.array(few)
    with logflume.open(big / "log") as log:
        partition = log.partition(TOPIC, 0)
        stamps = [partition.read(n).timestamp for n in few[:20]]

    def each(partition: logflume.Partition) -> None:
        for offset in few:
            partition.read(offset)

    def by_time(partition: logflume.Partition) -> None:
        for stamp in stamps:
            partition.offset_for_time(stamp)

    contest.run(
        "Size of the log: looking up, cold",
        [
            looking(big, "one offset a call", len(few), each, cold=True),
            looking(big, "an array of 100 offsets", len(few), lambda p: p.lookup(array), cold=True),
            looking(big, "by time", len(stamps), by_time, cold=True),
            bare_reads(big, "pread, place known", few, total, cold=True),
        ],
        about="the same on a disk that has to be read: nothing of the log, nor of its indexes, is in the page cache."
        " The bare read brings 4 KiB, a look-up index pages and the whole batch, for its checksum",
        unit="calls",
        x=("MB", log_mb),
        cpu="shown",
    )


def test_end(contest: Contest, big: Path, log_mb: int) -> None:
    total = log_mb * 1024

    def opening() -> None:
        with logflume.open(big / "log") as log:
            log.partition(TOPIC, 0).read(total - 1)

    def listing() -> None:
        for path in files_of(big):
            path.stat()

    contest.run(
        "Size of the log: opening",
        [
            fixed("open, read the last, close", "logflume", 1, opening),
            fixed("stat of every file", "limit", 1, listing),
        ],
        about="a log that was closed cleanly",
        unit="starts",
        x=("MB", log_mb),
        goals=[Goal("open, read the last, close", "≤ 50 ms", at_most=50e6)]
        if log_mb > 1000
        else [],
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
        rounds=5 if contest.scale.name == "full" else 2,
        warmup=False,
        cpu="unseen",
    )
