"""kill -9 at any moment: what was acknowledged is there, in order and whole, and nobody waits for the dead."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path
from typing import Any

import pytest

from crash.workers import SETTINGS, parse
from support.children import Child
from support.partitions import Row, opened, read_all

pytestmark = pytest.mark.crash

SOAK = float(os.environ.get("LOGFLUME_SOAK", "0"))
SEED = int(os.environ.get("LOGFLUME_SEED", time.time_ns() % 1_000_000))


def acknowledged(child: Child) -> dict[int, int]:
    """Number to offset of every record that the child was told is in the log."""
    out = {}
    for line in child.lines:
        if line[0] == "ack":
            number, offset, count = map(int, line[1:])
            out.update((number + i, offset + i) for i in range(count))
    return out


def tried(child: Child, start: int) -> int:
    """Behind the last record that the child may have written."""
    return max((int(line[1]) for line in child.lines if line[0] == "try"), default=start)


def check(rows: list[Row], acks: dict[str, dict[int, int]], most: dict[str, int]) -> None:
    """Consecutive offsets, every writer's records whole and in order, all that was acknowledged, nothing else."""
    assert [row.offset for row in rows] == list(range(rows[0].offset, rows[0].offset + len(rows)))
    seen = dict.fromkeys(acks, 0)
    at = {}
    for row in rows:
        writer, number = parse(row.value)
        assert number == seen[writer]
        seen[writer] += 1
        at[writer, number] = row.offset
    for writer, acked in acks.items():
        assert seen[writer] <= most[writer]
        for number, offset in acked.items():
            assert at[writer, number] == offset


@pytest.mark.parametrize(("mode", "codec"), [("one", 0), ("many", 0), ("mixed", 0), ("mixed", 3)])
def test_a_killed_writer_loses_nothing_acknowledged(mode: str, codec: int, tmp_path: Path) -> None:
    print(f"LOGFLUME_SEED={SEED}")
    rng = random.Random(SEED)
    acks: dict[int, int] = {}
    number, most, deadline = 0, 0, time.monotonic() + SOAK
    rounds = 0
    while rounds < 8 or time.monotonic() < deadline:
        rounds += 1
        with Child(
            "crash.workers", "write", directory=tmp_path, writer="w", mode=mode, codec=codec,
            seed=rng.randrange(1 << 30), start=number,
        ) as child:  # fmt: skip
            child.wait_for("ready")
            time.sleep(rng.uniform(0.0, 0.08))
            child.kill()
            acks.update(acknowledged(child))
            most = max(most, tried(child, number))
            synced = [int(line[1]) for line in child.lines if line[0] == "synced"]
        with opened(tmp_path, **SETTINGS) as log:
            assert not log.recovery.clean
            assert log.durable_offset >= max(synced, default=0)
            rows = read_all(log)
            if rows:
                check(rows, {"w": acks}, {"w": most})
            number = len(rows)
    assert number > 0


def test_writers_go_on_when_one_is_killed(tmp_path: Path) -> None:
    """Three writers and two readers on one partition; every 60 ms a writer dies and another takes its place."""
    print(f"LOGFLUME_SEED={SEED}")
    rng = random.Random(SEED)
    seconds = max(5.0, SOAK)
    children: dict[str, Child] = {}
    dead: dict[str, Child] = {}
    readers: list[Child] = []
    try:
        for _ in range(2):
            readers.append(
                Child("crash.workers", "follow", directory=tmp_path, seconds=seconds + 2)
            )
        for i in range(3):
            children[f"w{i}"] = writer(tmp_path, f"w{i}", rng)
        until, born = time.monotonic() + seconds, 3
        while time.monotonic() < until:
            name = rng.choice(list(children))
            children[name].wait_for("ready")
            time.sleep(rng.uniform(0.0, 0.06))
            dead[name] = children.pop(name)
            dead[name].kill()
            for child in children.values():
                goes_on(child)
            children[f"w{born}"] = writer(tmp_path, f"w{born}", rng)
            born += 1
        for name, child in list(children.items()):
            child.wait_for("ready")
            dead[name] = children.pop(name)
            child.kill()
        counts = []
        for reader in readers:
            assert reader.finish() == 0, reader.errors()
            counts.append(int(reader.lines[-1][1]))
        with opened(tmp_path, **SETTINGS) as log:
            rows = read_all(log)
        check(
            rows,
            {name: acknowledged(child) for name, child in dead.items()},
            {name: tried(child, 0) for name, child in dead.items()},
        )
        assert counts == [len(rows)] * 2
    finally:
        for child in [*children.values(), *dead.values(), *readers]:
            child.close()


def writer(directory: Path, name: str, rng: random.Random) -> Child:
    seed = rng.randrange(1 << 30)
    return Child("crash.workers", "write", directory=directory, writer=name, seed=seed)


def goes_on(child: Child) -> None:
    """Fails when the writer is given no acknowledgement any more."""
    child.wait_for("ready")
    child.take()
    before, deadline = len(child.lines), time.monotonic() + 10
    while not any(line[0] == "ack" for line in child.lines[before:]):
        assert child.process.poll() is None, child.errors()
        assert time.monotonic() < deadline, "wedged"
        child.take(0.1)


def test_readers_writers_and_retention_do_not_disturb_each_other(tmp_path: Path) -> None:
    """Two writers roll every few milliseconds, two processes delete, three look up; one deleter is killed."""
    print(f"LOGFLUME_SEED={SEED}")
    seconds = max(4.0, SOAK)
    common: dict[str, Any] = {"directory": tmp_path, "seconds": seconds}
    children = [
        Child("crash.workers", "write", writer=f"w{i}", seed=SEED + i, pause=0.001, **common)
        for i in range(2)
    ]
    children[0].wait_for("ready")
    children += [Child("crash.workers", "retain", seed=SEED + i, **common) for i in range(2)]
    children += [Child("crash.workers", "wander", seed=SEED + i, **common) for i in range(3)]
    try:
        time.sleep(seconds / 2)
        children[3].kill()
        for i, child in enumerate(children):
            if i != 3:
                assert child.finish() == 0, child.errors()
        start = int(children[2].lines[-1][1])
        assert all(int(child.lines[-1][1]) > 20 for child in children[4:])
        with opened(tmp_path, **SETTINGS) as log:
            rows = read_all(log)
            assert log.start_offset == rows[0].offset >= start > 0
        at = {parse(row.value): row.offset for row in rows}
        for i in range(2):
            for number, offset in acknowledged(children[i]).items():
                assert offset < rows[0].offset or at[f"w{i}", number] == offset
    finally:
        for child in children:
            child.close()
