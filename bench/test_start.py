"""Starting: import, opening a log of many segments, clean and after a crash."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import logflume
from bench.entrants import TOPIC
from bench.harness import Contest, Contestant, Goal, Job
from bench.payload import values
from bench.programs import ROOT

SEGMENTS = 1000
CRASH = """
import os, sys, logflume
from bench.payload import values
log = logflume.open(sys.argv[1])
log.create_topic("t", config={"segment.bytes": 1 << 30})
partition = log.partition("t", 0)
for _ in range(int(sys.argv[2])):
    partition.append_many(values(1024, 16384))
os.kill(os.getpid(), 9)
"""


def starting(name: str, role: str, code: str) -> Contestant:
    @contextmanager
    def open_(_: Path) -> Iterator[Job]:
        yield lambda: subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)

    return Contestant(name, role, 1, open_)  # type: ignore[arg-type] # a Role


def test_import(contest: Contest) -> None:
    contest.run(
        "Interpreter and import",
        [
            starting("import logflume", "logflume", "import logflume"),
            starting("import logflume, open", "logflume", "import logflume; logflume.open"),
            starting("bare interpreter", "limit", "pass"),
            *(
                starting(f"import {name}", "peer", f"import {name}")
                for name in ("lmdb", "sqlite3", "rocksdict", "persistqueue", "pyarrow")
            ),
        ],
        about="a process from its start to its end",
        unit="starts",
        rounds=15 if contest.scale.name == "full" else 5,
    )


def test_open_many_segments(contest: Contest, where: Path) -> None:
    config = {"segment.bytes": 4096, "max.message.bytes": 4096}
    with logflume.open(where / "log") as log:
        log.create_topic(TOPIC, config=config)
        partition = log.partition(TOPIC, 0)
        for record in values(3000, SEGMENTS):
            partition.append(record)
        assert len(partition.segments()) >= SEGMENTS - 1

    @contextmanager
    def clean(_: Path) -> Iterator[Job]:
        def job() -> None:
            with logflume.open(where / "log") as log:
                log.partition(TOPIC, 0).read(SEGMENTS // 2)

        yield job

    @contextmanager
    def listed(_: Path) -> Iterator[Job]:
        folder = where / "log" / f"{TOPIC}-0"
        yield lambda: [path.stat() for path in folder.iterdir()]

    contest.run(
        "Open 1,000 segments",
        [
            Contestant("open, read one, close", "logflume", 1, clean),
            Contestant("stat of every file", "limit", 1, listed),
        ],
        about="a partition of 1,000 small segments that was closed cleanly",
        unit="starts",
        goals=[Goal("open, read one, close", "≤ 50 ms", at_most=50e6)],
    )


def test_open_after_crash(contest: Contest, where: Path) -> None:
    megabytes = 1024 if contest.scale.name == "full" else 128
    made = where / "made"
    subprocess.run(
        [sys.executable, "-c", CRASH, made, str(megabytes // 16)], cwd=ROOT, check=False, timeout=60
    )

    @contextmanager
    def after_kill(place: Path) -> Iterator[Job]:
        # Links would share the files that recovery mends; the copy is warm, as after a crash of the process.
        shutil.copytree(made, place / "log")

        def job() -> None:
            with logflume.open(place / "log") as log:
                assert log.partition(TOPIC, 0).end_offset == megabytes * 1024

        yield job

    @contextmanager
    def summed(_: Path) -> Iterator[Job]:
        from bench.limits import limits
        from bench.test_read import segment_bytes

        with segment_bytes(next((made / f"{TOPIC}-0").glob("*.log"))) as view:
            yield lambda: limits.decode(view)

    contest.run(
        "Open after kill -9",
        [
            Contestant("open", "logflume", 1, after_kill),
            Contestant("C loop, CRC checked", "limit", 1, summed),
        ],
        about=f"a partition of {megabytes} MB in one unsealed segment, whose writer was killed; the page cache is warm",
        unit="starts",
        rounds=3,
        goals=[Goal("open", "≤ 1 s per GiB", at_most=megabytes / 1024 * 1e9)],
    )
