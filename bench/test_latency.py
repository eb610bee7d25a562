"""From publish in one process to receive in another, at 10,000 records a second."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic_ns

import numpy

import logflume
from bench.entrants import TOPIC, log_with_topic
from bench.harness import Contest, Contestant, Goal, Job, Times
from bench.limits import limits
from bench.peers import Lmdb
from bench.programs import start

INTERVAL_NS = 100_000
RECORD = 100
Receive = Callable[[int, list[int]], None]


def sent_at(value: bytes | None) -> int:
    assert value is not None
    return int.from_bytes(value[:8], "little")


def ticking(
    name: str, how: str, role: str, count: int, prepare: Callable[[Path], Iterator[Receive]]
) -> Contestant:
    """A ticker writes; `prepare(directory)` yields what receives: it appends the delay of each record."""

    @contextmanager
    def open_(where: Path) -> Iterator[Job]:
        with contextmanager(prepare)(where) as receive:
            ticker = start("ticker", how, where, count, INTERVAL_NS)
            assert ticker.stdin is not None
            assert ticker.stdout is not None
            if how != "pipe":
                ticker.stdout.readline()

            def job() -> Times:
                delays: list[int] = []
                ticker.stdin.close()  # type: ignore[union-attr] # it has one
                receive(count, delays)
                return Times(delays)

            yield job
            ticker.wait()
            ticker.stdout.close()

    return Contestant(name, role, count, open_)  # type: ignore[arg-type] # a Role


def consumer(timeout: float) -> Callable[[Path], Iterator[Receive]]:
    """A consumer that blocks for up to `timeout`, or spins with 0."""

    def prepare(where: Path) -> Iterator[Receive]:
        with (
            log_with_topic(where) as log,
            log.consumer(auto_offset_reset="earliest") as reader,
        ):
            reader.assign([(TOPIC, 0)])
            reader.poll(0)

            def receive(count: int, delays: list[int]) -> None:
                while len(delays) < count:
                    for record in reader.poll(timeout):
                        delays.append(monotonic_ns() - sent_at(record.value))

            yield receive

    return prepare


def file_reader(where: Path) -> Iterator[Receive]:
    """Polls a file without pause."""
    fd = os.open(where / "file", os.O_RDONLY | os.O_CREAT, 0o644)

    def receive(count: int, delays: list[int]) -> None:
        while len(delays) < count:
            if value := os.read(fd, RECORD):
                delays.append(monotonic_ns() - int.from_bytes(value[:8], "little"))

    yield receive
    os.close(fd)


def lmdb_reader(where: Path) -> Iterator[Receive]:
    """Polls LMDB without pause, each time with a new read transaction."""
    store = Lmdb(where)

    def receive(count: int, delays: list[int]) -> None:
        begin = store.env.begin
        while len(delays) < count:
            with begin() as txn:
                while value := txn.get(len(delays).to_bytes(8, "big")):
                    delays.append(monotonic_ns() - int.from_bytes(value[:8], "little"))

    yield receive
    store.close()


def pipe_reader(where: Path) -> Iterator[Receive]:
    """Blocks in read() of a named pipe: no log at all."""
    path = where / "pipe"
    os.mkfifo(path)

    def receive(count: int, delays: list[int]) -> None:
        fd = os.open(path, os.O_RDONLY)
        while len(delays) < count:
            if value := os.read(fd, RECORD):
                delays.append(monotonic_ns() - int.from_bytes(value[:8], "little"))
        os.close(fd)

    yield receive


def in_c(name: str, count: int, spin: bool) -> Contestant:
    @contextmanager
    def open_(_: Path) -> Iterator[Job]:
        def job() -> Times:
            found = limits.wakeup_times(count, INTERVAL_NS, spin)
            return Times(numpy.frombuffer(found, dtype=numpy.int64))

        yield job

    return Contestant(name, "limit", count, open_)


def asyncio_consumer(where: Path) -> Iterator[Receive]:
    """A task that awaits each record, and nobody else in the loop."""

    async def opened() -> logflume.aio.Log:
        return await logflume.aio.open(where / "log")

    with log_with_topic(where), asyncio.Runner() as loop:
        log = loop.run(opened())
        reader = log.consumer(auto_offset_reset="earliest")
        loop.run(reader.assign([(TOPIC, 0)]))
        loop.run(reader.poll(0))

        async def receiving(count: int, delays: list[int]) -> None:
            async for record in reader:
                delays.append(monotonic_ns() - sent_at(record.value))
                if len(delays) == count:
                    return

        yield lambda count, delays: loop.run(receiving(count, delays))
        loop.run(reader.close())
        loop.run(log.close())


def asyncio_pipe(where: Path) -> Iterator[Receive]:
    """The loop's own stream over a named pipe."""
    path = where / "pipe"
    os.mkfifo(path)

    async def receiving(count: int, delays: list[int]) -> None:
        loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()
        file = open(path, "rb", 0)  # noqa: SIM115 - the transport closes it; waits for the writer
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), file
        )
        while len(delays) < count:
            value = await reader.readexactly(RECORD)
            delays.append(monotonic_ns() - int.from_bytes(value[:8], "little"))
        transport.close()

    yield lambda count, delays: asyncio.run(receiving(count, delays))


ABOUT = (
    "10,000 records of 100 bytes a second, from before the write in one process to the value's bytes in"
    " another; the limit is C that stores a word in shared memory"
)


def records(contest: Contest) -> int:
    return 6_000 if contest.scale.name == "full" else 1_000


def test_blocking(contest: Contest) -> None:
    count = records(contest)
    contest.run(
        "Latency, blocking",
        [
            ticking("append, poll(1.0)", "append", "logflume", count, consumer(1.0)),
            ticking("send, poll(1.0)", "send", "logflume", count, consumer(1.0)),
            in_c("C futex", count, False),
            ticking("pipe", "pipe", "peer", count, pipe_reader),
        ],
        about=f"{ABOUT}; the reader sleeps until there is something",
        unit="calls",
        cpu="shown",
        goals=[Goal("append, poll(1.0)", "p50 ≤ 40 µs", at_most=40_000)],
    )


def test_asyncio(contest: Contest) -> None:
    count = records(contest)
    contest.run(
        "Latency, asyncio",
        [
            ticking("append, async for", "append", "logflume", count, asyncio_consumer),
            ticking("send, async for", "send", "logflume", count, asyncio_consumer),
            in_c("C futex", count, False),
            ticking("pipe, StreamReader", "pipe", "peer", count, asyncio_pipe),
        ],
        about=f"{ABOUT}; the reader is a task of an event loop that has nothing else to do",
        unit="calls",
        cpu="shown",
    )


def test_spinning(contest: Contest) -> None:
    count = records(contest)
    contest.run(
        "Latency, spinning",
        [
            ticking("append, poll(0)", "append", "logflume", count, consumer(0.0)),
            in_c("C", count, True),
            ticking("file, read", "file", "peer", count, file_reader),
            ticking("LMDB, get", "lmdb", "peer", count, lmdb_reader),
        ],
        about=f"{ABOUT}; the reader asks again and again",
        unit="calls",
        cpu="shown",
        goals=[
            Goal("append, poll(0)", "p50 ≤ 2 µs", at_most=2_000),
            Goal(
                "append, poll(0)", "p99 ≤ 10 µs, on a quiet core", at_most=10_000, percentile="p99"
            ),
        ],
    )
