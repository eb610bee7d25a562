"""The agent beside the real Flume: the same configuration file, the same lines of 100 bytes. `make bench-agent`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.harness import Amount, Contest, Contestant, Goal, Job, Took
from bench.peers.agents import (
    LINE,
    Agent,
    configuration,
    free_port,
    missing_flume,
    running,
    sending,
)

WARM = 100_000
CHUNK = 20_000
ABOUT = (
    "lines of 100 bytes, both agents on one file of properties, as processes, warmed up; from the first byte behind the"
    " warm-up that is in the sink's files to the last. Flume 1.11 with -Xmx2g"
)


@pytest.fixture(autouse=True)
def wanted(request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("--agent"):
        pytest.skip("the real Flume takes minutes: make bench-agent")
    if reason := missing_flume():
        pytest.skip(f"FLUME IS NOT COMPARED WITH: {reason}")


def touch_memory() -> None:
    """What a page of a virtual machine costs must not depend on who ran before: pages are touched, and given back."""
    block = bytearray(2 << 30)
    del block


def lines(path: Path, first: int, count: int) -> None:
    """Lines `first` and following, into a new file."""
    with path.open("wb") as file:
        for start in range(first, first + count, CHUNK):
            upto = min(start + CHUNK, first + count)
            file.write(b"".join(LINE % number for number in range(start, upto)))


def flow(
    name: str, count: int, source: str, channel: str, batch: int, *, flume: bool = False
) -> Contestant:
    """Lines come at once, when the agent has delivered some and waits for more."""

    @contextmanager
    def opened(where: Path) -> Iterator[Job]:
        touch_memory()
        conf = configuration(where, source, channel, batch)
        lines(where / "more", WARM, count)
        lines(where / "warm", 0, WARM)
        os.rename(where / "warm", where / "in" / "0.log")
        with running(where, conf, flume=flume) as agent:
            agent.wait(WARM * len(LINE % 0))
            time.sleep(0.5)

            def job() -> Took:
                spent = agent.cpu_seconds()
                os.rename(where / "more", where / "in" / "1.log")
                begun = agent.wait(WARM * len(LINE % 0) + 1)
                took = agent.wait((WARM + count) * len(LINE % 0)) - begun
                return Took(took, agent.cpu_seconds() - spent)

            yield job

    return Contestant(name, "peer" if flume else "logflume", count, opened)


@pytest.mark.parametrize("source", ["taildir", "spooldir"])
def test_durable_channel(contest: Contest, source: str) -> None:
    ours, theirs = 2_000_000, 300_000
    contest.run(
        f"Agent: {source}, file channel, file roll",
        [
            flow("logflume, batches of 1,000", ours, source, "file", 1000),
            flow("logflume, batches of 10,000", ours, source, "file", 10_000),
            flow("logflume, batches of 100", ours, source, "file", 100),
            flow("Flume, batches of 10,000", theirs, source, "file", 10_000, flume=True),
            flow("Flume, batches of 1,000", theirs, source, "file", 1000, flume=True),
        ],
        about=ABOUT,
        cpu="shown",
        rounds=2,
        warmup=False,
        goals=[
            Goal(
                "logflume, batches of 1,000",
                "≥ 10 × Flume (aim 50 ×)",
                beside="Flume, batches of 1,000",
                share=10.0,
            )
        ],
    )


def test_memory_channel(contest: Contest) -> None:
    contest.run(
        "Agent: taildir, memory channel, file roll",
        [
            flow("logflume", 4_000_000, "taildir", "memory", 1000),
            flow("Flume", 2_000_000, "taildir", "memory", 1000, flume=True),
        ],
        about=ABOUT,
        rounds=2,
        warmup=False,
        goals=[Goal("logflume", "≥ 3 × Flume", beside="Flume", share=3.0)],
        cpu="shown",
    )


def sent(
    name: str, count: int, channel: str, batch: int, *, clients: int = 4, flume: bool = False
) -> Contestant:
    """Flume's RPC client sends, until the last event is in the sink's files."""
    size = 100

    @contextmanager
    def opened(where: Path) -> Iterator[Job]:
        touch_memory()
        port = free_port()
        conf = configuration(where, "avro", channel, max(batch, 1000), port=port)
        with (
            running(where, conf, flume=flume) as agent,
            sending(where, port, clients, batch) as sender,
        ):
            sender.send(WARM)
            agent.wait(WARM * size)

            def job() -> Took:
                spent, begun = agent.cpu_seconds(), time.perf_counter()
                sender.send(count)
                took = agent.wait((WARM + count) * size) - begun
                return Took(took, agent.cpu_seconds() - spent)

            yield job

    return Contestant(name, "peer" if flume else "logflume", count, opened)


def answered(name: str, count: int, batch: int, *, clients: int = 4) -> Contestant:
    """The same client, and a server that only answers: no agent can be driven faster by it."""

    @contextmanager
    def opened(where: Path) -> Iterator[Job]:
        port = free_port()
        words = [sys.executable, "-m", "bench.peers.avro_answers", str(port)]
        with Agent(where, words) as server, sending(where, port, clients, batch) as sender:
            sender.send(WARM)

            def job() -> Took:
                spent = server.cpu_seconds()
                return Took(sender.send(count), server.cpu_seconds() - spent)

            yield job

    return Contestant(name, "limit", count, opened)


@pytest.mark.parametrize("channel", ["file", "memory"])
@pytest.mark.parametrize("batch", [100, 1000])
def test_avro_in(contest: Contest, channel: str, batch: int) -> None:
    ours = 300_000 if channel == "file" and batch == 100 else 2_000_000
    theirs = ours // 10 if channel == "file" else ours // 4
    contest.run(
        f"Agent: Avro in by Flume's client, batches of {batch:,}, {channel} channel, file roll",
        [
            sent("logflume", ours, channel, batch),
            answered("a server that only answers", ours, batch),
            sent("Flume", theirs, channel, batch, flume=True),
        ],
        about="events of 99 bytes by four of Flume's RPC clients in one JVM, on the same two processors; from the first"
        " that is sent to the last that is in the sink's files",
        rounds=2,
        warmup=False,
        goals=[
            Goal("logflume", "≥ 10 × Flume", beside="Flume", share=10.0)
            if channel == "file"
            else Goal("logflume", "≥ 3 × Flume", beside="Flume", share=3.0)
        ],
        cpu="shown",
    )


def restart(name: str, count: int, *, flume: bool = False) -> Contestant:
    """An agent whose sink could not deliver is killed with `count` events in its channel; then one whose sink can."""

    @contextmanager
    def opened(where: Path) -> Iterator[Job]:
        conf = configuration(where, "spooldir", "file", 10_000, stuck=True)
        lines(where / "more", 0, count)
        os.rename(where / "more", where / "in" / "0.log")
        with running(where, conf, flume=flume) as agent:
            end = time.monotonic() + 300
            while not (where / "in" / "0.log.COMPLETED").exists():
                assert agent.process.poll() is None, agent.log()
                assert time.monotonic() < end, agent.log()
                time.sleep(0.05)
        conf = configuration(where, "spooldir", "file", 1000)

        def job() -> Amount:
            begun = time.perf_counter()
            with running(where, conf, flume=flume) as again:
                return Amount((again.wait(1) - begun) * 1000)

        yield job

    return Contestant(name, "peer" if flume else "logflume", 1, opened)


def test_first_event_after_a_crash(contest: Contest) -> None:
    contest.run(
        "Agent: first event out after kill -9, a million events in the channel",
        [restart("logflume", 1_000_000), restart("Flume", 1_000_000, flume=True)],
        about="milliseconds from the start of the process to the first byte in the sink's file",
        unit="ms",
        rounds=2,
        warmup=False,
        cpu="unseen",
        goals=[Goal("logflume", "≤ 0.05 × Flume", beside="Flume", share=20.0)],
    )
