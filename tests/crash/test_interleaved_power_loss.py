"""Power loss under transactions that overlap in the same partitions and end in another order than they began."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path
from typing import Any

import pytest

import logflume
from support.committed import committed, undecided
from support.power import power_loss

pytestmark = [pytest.mark.crash, pytest.mark.timeout(300)]

SOAK = float(os.environ.get("LOGFLUME_SOAK", "0"))
SEED = int(os.environ.get("LOGFLUME_SEED", time.time_ns() % 1_000_000))
PARTITIONS = 2


class Overlap:
    """Three producers whose transactions are open side by side; `must`: what was committed, by place and offset."""

    def __init__(self, where: Path, rng: random.Random) -> None:
        self.rng = rng
        self.log = logflume.open(where, transaction_redo_max_bytes=rng.choice([0, 600, 1 << 20]))
        self.log.create_topic("a", partitions=PARTITIONS, config={"segment.bytes": 8192})
        self.producers = [self.log.producer(transactional_id=f"x{n}") for n in range(3)]
        self.open: list[Any] = [None] * 3
        self.sent: list[list[tuple[int, int, bytes]]] = [[], [], []]
        self.must: set[tuple[int, int, bytes]] = set()
        self.number = 0

    def step(self) -> None:
        rng = self.rng
        n = rng.randrange(3)
        dice = rng.random()
        if self.open[n] is None:
            self.open[n] = self.producers[n].transaction()
        elif dice < 0.55:
            self.number += 1
            partition, value = rng.randrange(PARTITIONS), b"%d:%d" % (n, self.number)
            placed = self.producers[n].send("a", value, partition=partition).result(60)
            self.sent[n].append((partition, placed.offset, value))
        elif dice < 0.65:
            self.log["a"][rng.randrange(PARTITIONS)].sync()
        else:
            transaction, self.open[n] = self.open[n], None
            sent, self.sent[n] = self.sent[n], []
            if dice < 0.88:
                transaction.commit()
                self.must.update(sent)
            else:
                transaction.abort()


def check(image: Path, must: set[tuple[int, int, bytes]]) -> None:
    expected = {
        ("a", partition): [value for where, _, value in sorted(must) if where == partition]
        for partition in range(PARTITIONS)
    }
    expected = {place: values for place, values in expected.items() if values}
    for _ in range(2):
        with logflume.open(image) as log:
            log.transactions.settle()
            assert committed(log, "a") == expected
            assert undecided(log) == {}
            for partition, offset, value in must:
                assert log["a"][partition].read(offset).value == value


def test_overlapping_transactions_survive_where_they_lay(tmp_path: Path) -> None:
    print(f"LOGFLUME_SEED={SEED}")
    rng = random.Random(SEED)
    deadline, rounds = time.monotonic() + SOAK, 0
    while rounds < 12 or time.monotonic() < deadline:
        rounds += 1
        work = Overlap(tmp_path / f"live-{rounds}", rng)
        for moment in range(3):
            for _ in range(rng.randrange(30)):
                work.step()
            check(power_loss(work.log, tmp_path / f"image-{rounds}-{moment}", rng), work.must)
        work.log.close()


def test_who_committed_first_does_not_take_the_place_of_who_wrote_first(tmp_path: Path) -> None:
    with logflume.open(tmp_path / "live") as log:
        log.create_topic("b")
        one, two = log.producer(transactional_id="one"), log.producer(transactional_id="two")
        first = one.transaction()
        one.send("b", b"one").result(60)
        with two.transaction():
            two.send("b", b"two")
        one.send("b", b"one again").result(60)
        first.commit()
        rng = random.Random(SEED)
        rng.choice = lambda options: options[0]  # type: ignore[method-assign]
        power_loss(log, tmp_path / "image", rng)
    with logflume.open(tmp_path / "image") as log:
        assert committed(log, "b") == {("b", 0): [b"one", b"two", b"one again"]}
        assert undecided(log) == {}
