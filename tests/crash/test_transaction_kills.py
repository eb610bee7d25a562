"""kill -9 in a transaction: no reader sees a part, nothing committed is lost, nobody waits for the dead."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path
from typing import Any

import pytest

import logflume
from crash.transaction_workers import PARTITIONS, STEPS, TOPIC
from support.children import Child
from support.committed import committed, undecided

pytestmark = [pytest.mark.crash, pytest.mark.timeout(240)]

SOAK = float(os.environ.get("LOGFLUME_SOAK", "0"))
SEED = int(os.environ.get("LOGFLUME_SEED", time.time_ns() % 1_000_000))


def names(child: Child, word: str) -> set[str]:
    return {line[1] for line in child.lines if line[0] == word}


def check(directory: Path, children: list[Child]) -> None:
    """All that was acknowledged, whole; nothing aborted; at most the one transaction of each that it died in."""
    with logflume.open(directory) as log:
        log.transactions.settle()
        assert undecided(log) == {}
        found: dict[str, list[int]] = {}
        for (_, number), values in committed(log, TOPIC).items():
            for value in values:
                name, _, count = value.decode().partition(" ")
                found.setdefault(name, [int(count)]).append(number)
        for name, (count, *places) in found.items():
            assert count == len(places) == len(set(places)), name
        acked = set().union(*(names(child, "ack") for child in children))
        aborted = set().union(*(names(child, "abort") for child in children))
        assert acked <= found.keys()
        assert not aborted & found.keys()
        tried = {child: [line[1] for line in child.lines if line[0] == "try"] for child in children}
        for child, all_ in tried.items():
            mine = set(all_) & found.keys() - names(child, "ack")
            assert mine <= set(all_[-1:]), "a transaction that was not acknowledged"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    with logflume.open(tmp_path / "data") as log:
        log.create_topic(TOPIC, partitions=PARTITIONS, config={"segment.bytes": 16_384})
    return tmp_path / "data"


def worker(directory: Path, name: str, rng: random.Random, **more: Any) -> Child:
    return Child(
        "crash.transaction_workers", "write", directory=directory, writer=name,
        seed=rng.randrange(1 << 30), **more,
    )  # fmt: skip


@pytest.mark.parametrize("step", STEPS)
def test_death_between_two_steps(step: str, directory: Path) -> None:
    """Others that have the directory open see all or nothing at once; so does who opens it later."""
    rng = random.Random(SEED)
    with logflume.open(directory) as log:
        consumer = log.consumer(
            TOPIC, isolation_level="read_committed", auto_offset_reset="earliest"
        )
        consumer.poll(0.0)
        with worker(directory, "x", rng, die=step, after=3, abort=False) as child:
            assert child.finish() == -9, child.errors()
            last = [line for line in child.lines if line[0] == "try"][-1]
            seen: dict[str, int] = {}
            deadline = time.monotonic() + 60
            while undecided(log) and time.monotonic() < deadline:
                for record in consumer.poll(0.05):
                    name = record.value.decode().split()[0]
                    seen[name] = seen.get(name, 0) + 1
            assert undecided(log) == {}, "a reader waits for the dead"
            for record in consumer.poll(0.0, 10_000):
                name = record.value.decode().split()[0]
                seen[name] = seen.get(name, 0) + 1
            is_decided = step not in ("begun", "before the decision")
            assert seen.get(last[1], 0) == (len(last[2].split(",")) if is_decided else 0)
            with worker(directory, "x", rng) as again:
                again.wait_for("ack")
                again.kill()
                check(directory, [child, again])


@pytest.mark.parametrize("step", STEPS)
def test_death_of_the_only_one(step: str, directory: Path) -> None:
    rng = random.Random(SEED)
    with worker(directory, "x", rng, die=step, after=3) as child:
        assert child.finish() == -9, child.errors()
        check(directory, [child])


def test_random_deaths_among_writers_and_readers(directory: Path) -> None:
    """Two transactional ids, each taken over again and again, while readers look on."""
    print(f"LOGFLUME_SEED={SEED}")
    rng = random.Random(SEED)
    seconds = max(6.0, SOAK)
    readers = [
        Child("crash.transaction_workers", "follow", directory=directory, seconds=seconds + 3)
        for _ in range(2)
    ]
    children: list[Child] = []
    try:
        for reader in readers:
            reader.wait_for("ready")
        living = {name: worker(directory, name, rng) for name in ("x", "y")}
        children += living.values()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            name = rng.choice("xy")
            living[name].wait_for("ready")
            time.sleep(rng.uniform(0.0, 0.15))
            after = worker(directory, name, rng)
            children.append(after)
            if rng.random() < 0.3:
                after.wait_for("ready")  # fences a living one
            living[name].kill()
            living[name] = after
        for child in living.values():
            child.wait_for("ack")
            child.kill()
        for reader in readers:
            assert reader.finish() == 0, reader.errors()
            torn = [line for line in reader.lines if line[0] == "torn"]
            assert not torn, f"LOGFLUME_SEED={SEED}: {torn[:3]}"
            acked = set().union(*(names(child, "ack") for child in children))
            missing = acked - names(reader, "seen")
            assert not missing, f"LOGFLUME_SEED={SEED}: {sorted(missing)[:3]}"
        check(directory, children)
        assert sum(len(names(child, "ack")) for child in children) > 20
    finally:
        for child in [*children, *readers]:
            child.close()
