"""Power loss: what was committed is there whole, in all partitions; what was not is nowhere."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

import logflume
from logflume import errors
from logflume.coordinator.transactions.state_log import Stored
from support.committed import committed, undecided
from support.power import power_loss

pytestmark = [pytest.mark.crash, pytest.mark.timeout(300)]

SOAK = float(os.environ.get("LOGFLUME_SOAK", "0"))
SEED = int(os.environ.get("LOGFLUME_SEED", time.time_ns() % 1_000_000))
TOPICS = {"a": 3, "b": 1}

Values = dict[tuple[str, int], list[bytes]]


class Work:
    """Random transactions and plain records in one directory, and what of them must survive."""

    def __init__(self, where: Path, rng: random.Random) -> None:
        self.rng = rng
        self.log = logflume.open(where, transaction_redo_max_bytes=rng.choice([0, 2000, 1 << 20]))
        for name, partitions in TOPICS.items():
            self.log.create_topic(name, partitions=partitions, config={"segment.bytes": 4096})
        self.producers = [
            self.log.producer(transactional_id=f"x{n}", batch_size=rng.choice([100, 65536]))
            for n in range(2)
        ]
        self.plain = self.log.producer(acks=1)
        self.must: Values = {}
        self.aborted: set[bytes] = set()
        self.number = 0

    def step(self) -> None:
        rng = self.rng
        if rng.random() < 0.3:
            topic = rng.choice(list(TOPICS))
            self.plain.send_many(topic, [b"plain"] * rng.randrange(1, 5), partition=0)
            return
        producer = rng.choice(self.producers)
        transaction = producer.transaction()
        sent: Values = {}
        for _ in range(rng.randrange(1, 6)):
            topic = rng.choice(list(TOPICS))
            number = rng.randrange(TOPICS[topic])
            value = b"%d" % self.number + b"." * rng.randrange(300)
            self.number += 1
            producer.send(topic, value, partition=number)
            sent.setdefault((topic, number), []).append(value)
            if rng.random() < 0.1:
                self.log[topic][number].sync()
        if rng.random() < 0.3:
            transaction.abort()
            self.aborted.update(value for values in sent.values() for value in values)
            return
        transaction.commit()
        for place, values in sent.items():
            self.must.setdefault(place, []).extend(values)


def transactional(found: Values) -> Values:
    out = {place: [v for v in values if v != b"plain"] for place, values in found.items()}
    return {place: values for place, values in out.items() if values}


def check(image: Path, must: Values) -> None:
    with logflume.open(image) as log:
        log.transactions.settle()
        assert transactional(committed(log, *TOPICS)) == must
        assert undecided(log) == {}
        with log.producer(transactional_id="x0") as producer, producer.transaction():
            producer.send("a", b"after", partition=0)
        after = {**must, ("a", 0): [*must.get(("a", 0), []), b"after"]}
        assert transactional(committed(log, *TOPICS)) == after
    with logflume.open(image) as log:
        assert transactional(committed(log, *TOPICS)) == after
        assert undecided(log) == {}


def test_what_was_committed_survives(tmp_path: Path) -> None:
    print(f"LOGFLUME_SEED={SEED}")
    rng = random.Random(SEED)
    deadline, rounds = time.monotonic() + SOAK, 0
    while rounds < 4 or time.monotonic() < deadline:
        rounds += 1
        work = Work(tmp_path / f"live-{rounds}", rng)
        for moment in range(4):
            for _ in range(rng.randrange(12)):
                work.step()
            check(power_loss(work.log, tmp_path / f"image-{rounds}-{moment}", rng), work.must)
        work.log.close()


def test_lost_twice(tmp_path: Path) -> None:
    """The power goes again while, or just after, what was lost the first time was put back."""
    print(f"LOGFLUME_SEED={SEED}")
    rng = random.Random(SEED)
    work = Work(tmp_path / "live", rng)
    for _ in range(12):
        work.step()
    image = power_loss(work.log, tmp_path / "image", rng)
    for again in range(3):
        with logflume.open(image) as log:
            other = power_loss(log, tmp_path / f"image-{again}", rng)
        check(other, work.must)
    work.log.close()


@pytest.mark.parametrize("moment", ["before the decision is on disk", "behind it"])
def test_in_the_middle_of_a_commit(tmp_path: Path, moment: str) -> None:
    """All or nothing; and all of it once the decision is on disk, though no marker was ever written."""
    rng = random.Random(SEED)
    with logflume.open(tmp_path / "live") as log:
        log.create_topic("a", partitions=3)
        log.create_topic("b")
        producer = log.producer(transactional_id="x")
        with producer.transaction():
            producer.send("b", b"before")
        room = log.engine.coordinator.room
        images = []

        def mark(*args: object, **options: object) -> list[int]:
            images.append(power_loss(log, tmp_path / f"image-{len(images)}", rng))
            return type(room).mark(room, *args, **options)

        real = Stored.sync

        def sync(stored: Stored) -> None:
            images.append(power_loss(log, tmp_path / f"image-{len(images)}", rng))
            real(stored)

        with pytest.MonkeyPatch.context() as patch:
            if moment == "behind it":
                patch.setattr(room, "mark", mark)
            else:
                patch.setattr(Stored, "sync", sync)
            for _ in range(5):
                with producer.transaction():
                    for number in range(3):
                        producer.send("a", b"v", partition=number)
    assert len(images) == 5
    for image in images:
        done = int(image.name.removeprefix("image-"))
        with logflume.open(image) as log:
            found = committed(log, "a", "b")
            assert found.pop(("b", 0)) == [b"before"]
            counts = {len(found.get(("a", number), [])) for number in range(3)}
            assert len(counts) == 1, f"LOGFLUME_SEED={SEED}"
            assert counts == {done + 1} or (counts == {done} and moment != "behind it")
            log.transactions.settle()
            assert undecided(log) == {}


def test_an_aborted_transaction_does_not_come_back_with_the_next_one(tmp_path: Path) -> None:
    """Its records reached the disk and its marker did not: the commit behind it is not its own."""
    with logflume.open(tmp_path / "live") as log:
        log.create_topic("a", partitions=3)
        log.create_topic("b")
        producer = log.producer(transactional_id="x")
        transaction = producer.transaction()
        producer.send("b", b"no").result(60)
        log["b"][0].sync()
        transaction.abort()
        with producer.transaction():
            producer.send("b", b"yes")
        image = tmp_path / "image"
        rng = random.Random(SEED)
        rng.choice = lambda options: options[0]  # type: ignore[method-assign]
        power_loss(log, image, rng)
    with logflume.open(image) as log:
        assert log["b"][0].read(0).value == b"no"
        assert committed(log, "b") == {("b", 0): [b"yes"]}


def test_a_sync_that_fails_leaves_the_commit_in_doubt(tmp_path: Path) -> None:
    from logflume._native.partition_log import arm_failpoints

    with logflume.open(tmp_path) as log:
        log.create_topic("b")
        producer = log.producer(transactional_id="x")
        transaction = producer.transaction()
        producer.send("b", b"v")
        arm_failpoints("sync.fdatasync:1:raise")
        try:
            with pytest.raises(errors.TransactionInDoubt, match="'x'"):
                transaction.commit()
        finally:
            arm_failpoints("")
        assert committed(log, "b") == {}
        with pytest.raises(errors.LogflumeError):
            producer.transaction()
    with logflume.open(tmp_path) as log:
        log.transactions.settle()
        assert undecided(log) == {}
        assert committed(log, "b") == {("b", 0): [b"v"]}
