"""Look-ups: one offset, an array of them, by time; with everything warm and from a cold start."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy

import logflume
from bench.entrants import TOPIC, log_with_topic
from bench.harness import Contest, Contestant, Goal, Job, fixed
from bench.limits import limits
from bench.pages import forget
from bench.payload import values
from bench.peers import FramedFile, Lmdb, Rocks, Sqlite, Store
from bench.stored import mapped_segment, peers_reading

KINDS = (FramedFile, Lmdb, Rocks, Sqlite)


def records_stored(contest: Contest) -> int:
    return 1_000_000 if contest.scale.name == "full" else 100_000


def chosen(count: int, of: int) -> list[int]:
    """Random numbers below `of`."""
    found: list[int] = numpy.random.default_rng(3).integers(0, of, count).tolist()
    return found


def test_one(contest: Contest, where: Path) -> None:
    total = records_stored(contest)
    by_offset(
        contest,
        where,
        "Look-up by offset, warm",
        total,
        KINDS,
        [
            Goal("partition.read", "≤ 400 ns a call", at_most=400),
            Goal("partition.lookup(array)", "≤ 280 ns each", at_most=280),
        ],
    )


def test_one_in_a_large_log(contest: Contest, where: Path) -> None:
    """Much larger than the processor's caches, so that only the sparse index is near: what users meet."""
    by_offset(
        contest,
        where,
        "Look-up by offset, large log",
        records_stored(contest) * 3,
        (Lmdb, Rocks),
        [Goal("partition.read", "≤ 900 ns a call", at_most=900)],
    )


def by_offset(
    contest: Contest,
    where: Path,
    path: str,
    total: int,
    kinds: Sequence[type[Store]],
    goals: list[Goal],
) -> None:
    records = values(100, total)
    offsets = chosen(contest.scale.count(4e6), total)
    array = numpy.array(offsets)
    fewer = offsets[: len(offsets) // 4]
    with log_with_topic(where) as log:
        partition = log.partition(TOPIC, 0)
        partition.append_many(records)

        def read() -> None:
            find = partition.read
            for offset in offsets:
                find(offset).value  # noqa: B018 - the bytes are made by the property

        with mapped_segment(log) as segment, peers_reading(kinds, where, records) as (_, peers):
            limits.read_open(segment)

            def c_call() -> None:
                find = limits.read_call
                for offset in offsets:
                    find(offset)

            contest.run(
                path,
                [
                    fixed("partition.read", "logflume", len(offsets), read),
                    fixed(
                        "partition.lookup(array)",
                        "logflume",
                        len(offsets),
                        lambda: partition.lookup(array),
                    ),
                    fixed("C call, sparse index", "limit", len(offsets), c_call),
                    *(
                        fixed(p.name, "peer", len(fewer), lambda p=p: p.get_each(fewer))  # type: ignore[misc]
                        for p in peers
                    ),
                ],
                about=f"random offsets of {total:,} records of 100 bytes, looked up before; one call each,"
                " `.value` touched, or one array for all",
                unit="calls",
                goals=goals,
            )
            limits.read_open(b"")  # lets go of the map


def test_by_time(contest: Contest, where: Path) -> None:
    total = records_stored(contest)
    count = contest.scale.count(2e5)
    first = 1_700_000_000_000
    stamps = [first + n for n in chosen(count, total)]
    with log_with_topic(where) as log:
        partition = log.partition(TOPIC, 0)
        partition.append_many(values(100, total), timestamps=numpy.arange(total) + first)
        sqlite_file = where / "Sqlite"
        sqlite_file.mkdir()
        peer = Sqlite(sqlite_file)
        peer.put_many(values(100, total))
        fewer = stamps[: len(stamps) // 4]

        def by_time() -> None:
            find = partition.offset_for_time
            for stamp in stamps:
                find(stamp)

        def numbers() -> None:
            execute = peer.db.execute
            for stamp in fewer:
                query = "SELECT number FROM records WHERE number >= ? ORDER BY number LIMIT 1"
                execute(query, (stamp - first,)).fetchone()

        contest.run(
            "Look-up by time",
            [
                fixed("offset_for_time", "logflume", count, by_time),
                fixed("SQLite (WAL)", "peer", len(fewer), numbers),
            ],
            about=f"first offset at or after a random time, {total:,} records of 100 bytes a millisecond apart;"
            " SQLite finds it in its primary key",
            unit="calls",
        )
        peer.close()


def test_cold_disk(contest: Contest, where: Path) -> None:
    """Nothing of the log is in memory: the kernel was told to forget it."""
    total = records_stored(contest)
    offsets = chosen(100, total)
    with log_with_topic(where) as log:
        partition = log.partition(TOPIC, 0)
        partition.append_many(values(100, total))
        partition.sync()
    files = sorted((where / "log" / f"{TOPIC}-0").iterdir())
    segment = next(path for path in files if path.suffix == ".log")

    @contextmanager
    def ours(_: Path) -> Iterator[Job]:
        forget(files)
        with logflume.open(where / "log") as log:
            partition = log.partition(TOPIC, 0)

            def job() -> None:
                for offset in offsets:
                    partition.read(offset)

            yield job

    @contextmanager
    def bare(_: Path) -> Iterator[Job]:
        forget(files)
        size = segment.stat().st_size
        fd = os.open(segment, os.O_RDONLY)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)

        def job() -> None:
            for offset in offsets:
                os.pread(fd, 4096, offset * size // total // 4096 * 4096)

        yield job
        os.close(fd)

    contest.run(
        "Look-up by offset, cold disk",
        [
            Contestant("partition.read", "logflume", len(offsets), ours),
            Contestant("pread of 4 KiB", "limit", len(offsets), bare),
        ],
        about=f"{len(offsets)} random offsets of {total:,} records of 100 bytes, nothing in the page cache",
        unit="calls",
    )
