"""Starting: opening a log of many segments, clean and after a crash; a broker."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import logflume
from bench.entrants import TOPIC
from bench.harness import Contest, Contestant, Goal, Job, Took, fixed
from bench.limits import limits
from bench.payload import values
from bench.peers.serving import Serving
from bench.programs import ROOT
from bench.stored import segment_bytes

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
    megabytes = 512 if contest.scale.name == "full" else 128
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

    (segment,) = (made / f"{TOPIC}-0").glob("*.log")

    @contextmanager
    def summed(_: Path) -> Iterator[Job]:
        with segment_bytes(segment) as view:

            def job() -> None:
                assert limits.decode(view) == megabytes * 1024

            yield job

    contest.run(
        "Open after kill -9",
        [
            Contestant("open", "logflume", 1, after_kill),
            Contestant("C loop, CRC checked", "limit", 1, summed),
        ],
        about=f"a partition of {megabytes} MB in one unsealed segment, whose writer was killed; the page cache is warm",
        unit="starts",
        goals=[Goal("open", "≤ 1 s per GiB", at_most=megabytes / 1024 * 1e9)],
    )


LISTENING = """
import socket
with socket.create_server(("127.0.0.1", 0)):
    print("listening", flush=True)
"""


def test_broker(contest: Contest) -> None:
    """Beside a real Kafka: make bench-broker."""

    def process(where: Path) -> Iterator[Job]:
        def job() -> Took:
            began = time.perf_counter()
            with Serving.running(where / "data"):
                return Took(time.perf_counter() - began)

        yield job

    def inside(where: Path) -> Iterator[Job]:
        def job() -> Took:
            began = time.perf_counter()
            with logflume.serve(where / "data"):
                return Took(time.perf_counter() - began)

        yield job

    def bare() -> Took:
        began = time.perf_counter()
        words = [sys.executable, "-c", LISTENING]
        with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            return Took(time.perf_counter() - began)

    contest.run(
        "Start of a broker",
        [
            Contestant("logflume serve, a process", "logflume", 1, contextmanager(process)),
            Contestant("logflume.serve, in this process", "logflume", 1, contextmanager(inside)),
            fixed("a socket in a bare interpreter", "limit", 1, bare),
        ],
        about="from its start to where clients can connect, on an empty directory; a Kafka takes seconds"
        " ([beside it](benchmarks/broker.md))",
        unit="starts",
        cpu="unseen",
        goals=[
            Goal("logflume serve, a process", "≤ 300 ms", at_most=300e6),
            Goal("logflume.serve, in this process", "≤ 50 ms", at_most=50e6),
        ],
    )
