"""A process dies while committed transactions wait for others': nobody sees a part of one or waits for ever."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest

import logflume
from logflume.coordinator.transactions.holding import Holding
from support.children import Child, report
from support.committed import undecided
from support.power import power_loss

pytestmark = pytest.mark.crash

ROUNDS = 6
PARTS = {"young": 3, "third": 2}  # records of each in a round


def run(directory: str, step: str, nth: int) -> None:
    """Rounds in which an older transaction holds back a younger one, and that a third.

    `step`: of keeping the table, at whose `nth` time the process kills itself; empty for none.
    """
    count = 0

    def die(when: str) -> None:
        nonlocal count
        count += when == step
        if count == nth and when == step:
            os.kill(os.getpid(), signal.SIGKILL)

    real = Holding._save

    def save(self: Holding, table: Any) -> None:
        die("before it is stored")
        real(self, table)
        die("when it is stored")

    Holding._save = save  # type: ignore[method-assign]
    log = logflume.open(directory)
    old, young, third = (log.producer(transactional_id=name) for name in ("old", "young", "third"))

    def send(producer: Any, topic: str, partition: int, value: str) -> None:
        producer.send(topic, value.encode(), partition=partition).result(60)

    for number in range(ROUNDS):
        first = old.transaction()
        send(old, "a", 0, f"old {number}")
        second = young.transaction()
        for topic, partition in (("a", 0), ("a", 1), ("b", 0)):
            send(young, topic, partition, f"young {number}")
        last = third.transaction()
        send(third, "b", 0, f"third {number}")
        send(third, "a", 2, f"third {number}")
        last.commit()
        report("committed", "third", number)
        second.commit()
        report("committed", "young", number)
        first.commit() if number % 2 else first.abort()
        report("round", number)
    log.close()
    report("done")


class Watcher:
    """A reader that polls while others write, and looks at what it has whenever there is no more."""

    def __init__(self, log: Any) -> None:
        self.consumer = log.consumer(
            "a", "b", isolation_level="read_committed", auto_offset_reset="earliest"
        )
        self.seen: dict[tuple[str, int], int] = {}

    def look(self) -> None:
        while records := self.consumer.poll(0.0, 100_000):
            for record in records:
                name, number = record.value.decode().split()
                self.seen[name, int(number)] = self.seen.get((name, int(number)), 0) + 1
        for (name, number), count in self.seen.items():
            assert count == PARTS.get(name, 1), f"{count} records of {name} {number}"


STEPS = [
    ("held.half", 1), ("held.half", 2), ("held.half", 5), ("held.half", 9), ("txn.marker_written", 4),
    ("txn.before_publish", 3), ("txn.half_published", 4), ("txn.half_stable", 5), ("txn.published", 2),
    ("before it is stored", 1), ("before it is stored", 3), ("when it is stored", 1), ("when it is stored", 2),
    ("when it is stored", 3),
]  # fmt: skip


@pytest.mark.parametrize("survivors", [False, True], ids=["all died", "others live"])
@pytest.mark.parametrize(("step", "nth"), STEPS)
def test_killed_there(step: str, nth: int, survivors: bool, tmp_path: Path) -> None:
    where = tmp_path / "data"
    with logflume.open(where) as log:
        log.create_topic("a", partitions=3)
        log.create_topic("b")
    log = logflume.open(where) if survivors else None
    watcher = Watcher(log) if log is not None else None
    native = "." in step
    with Child(
        "crash.test_held_crash",
        "run",
        failpoint=f"{step}:{nth}:kill" if native else "",
        directory=where,
        step="" if native else step,
        nth=nth,
    ) as child:
        while child.process.poll() is None:
            child.take(0.001)
            if watcher is not None:
                watcher.look()
        child.finish()
        assert child.process.returncode == -signal.SIGKILL, child.errors()
        told = [line for line in child.lines if line[0] == "committed"]
    try:
        if log is None:
            log = logflume.open(where)
            watcher = Watcher(log)
        assert watcher is not None
        watcher.look()
        until = time.monotonic() + 30
        while undecided(log) and time.monotonic() < until:
            log.transactions.settle()
            watcher.look()
        assert undecided(log) == {}
        watcher.look()
        for _, name, number in told:
            assert (name, int(number)) in watcher.seen
        with log.producer(transactional_id="young") as producer, producer.transaction():
            producer.send("a", b"next 0", partition=0)
        watcher.look()
        assert ("next", 0) in watcher.seen
    finally:
        if log is not None:
            log.close()


def test_unharmed_it_shows_all_of_every_round(tmp_path: Path) -> None:
    with logflume.open(tmp_path / "data") as log:
        log.create_topic("a", partitions=3)
        log.create_topic("b")
        watcher = Watcher(log)
        with Child(
            "crash.test_held_crash", "run", directory=tmp_path / "data", step="", nth=0
        ) as child:
            while child.process.poll() is None:
                child.take(0.001)
                watcher.look()
            assert child.finish() == 0, child.errors()
        watcher.look()
        assert {name for name, _ in watcher.seen} == {"old", "young", "third"}
        assert len(watcher.seen) == 2 * ROUNDS + ROUNDS // 2
        assert undecided(log) == {}


@pytest.mark.parametrize("seed", range(12))
def test_after_a_power_loss_no_reader_sees_a_part(seed: int, tmp_path: Path) -> None:
    """What was held is not known any more; the open one that hid it is dead, and ended before anybody reads."""
    rng = random.Random(seed)
    with logflume.open(
        tmp_path / "data", transaction_redo_max_bytes=rng.choice([0, 1 << 20])
    ) as log:
        log.create_topic("a", partitions=3)
        log.create_topic("b")
        old, young = (log.producer(transactional_id=name) for name in ("old", "young"))
        number = 0
        for number in range(rng.randrange(1, 4)):
            old.transaction()
            old.send("a", b"old %d" % number, partition=0).result(60)
            with young.transaction():
                for topic, partition in (("a", 0), ("a", 1), ("b", 0)):
                    young.send(topic, b"young %d" % number, partition=partition)
            if rng.random() < 0.5:
                log.partition("a", 0).sync()
            if rng.random() < 0.5:
                old._core.transactions.abort()
                break
            old._core.transactions.commit()
        else:
            number += 1
            old.transaction()
            old.send("a", b"old %d" % number, partition=0).result(60)
            with young.transaction():
                for topic, partition in (("a", 0), ("a", 1), ("b", 0)):
                    young.send(topic, b"young %d" % number, partition=partition)
            log.partition("a", 0).sync()
            assert undecided(log)
        image = power_loss(log, tmp_path / "image", rng)
    with logflume.open(image) as log:
        # The partition where nothing is open comes first, alone.
        with log.consumer(
            isolation_level="read_committed", auto_offset_reset="earliest", enable_auto_commit=False
        ) as consumer:
            consumer.assign([("b", 0)])
            assert [record.value for record in consumer.poll(0.0, 100)] == [
                b"young %d" % n for n in range(number + 1)
            ]
        Watcher(log).look()
        assert undecided(log) == {}
