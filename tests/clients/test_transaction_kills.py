"""A loop that reads, writes and commits, while its broker and itself are killed: each record is copied once."""

from __future__ import annotations

import random
import socket
import time
from pathlib import Path

import pytest

import logflume
from support.children import Child

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

PARTITIONS = 2


def free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def committed(log: logflume.Log, number: int) -> list[int]:
    partition = log.partition("out", number)
    found: list[int] = []
    reader = partition.reader(0, read_committed=True)
    while reader.position < partition.last_stable_offset:
        found += [int(r.value) for r in reader.read()]
    return found


class Room:
    """A broker and a copier, which can be killed and started again; records come in all the time."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.address = free_address()
        self.sent = 0
        self.broker: Child | None = None
        self.copier: Child | None = None

    def start(self, *, broker: bool = True, copier: bool = True) -> None:
        if broker:
            self.broker = Child(
                "clients.txn_workers",
                "serve_for_ever",
                directory=self.directory,
                listen=self.address,
            )
            self.broker.wait_for("serves")
        if copier:
            self.copier = Child(
                "clients.txn_workers", "copy_for_ever", bootstrap=self.address, number=0
            )

    def send(self, log: logflume.Log) -> None:
        for number in range(PARTITIONS):
            log.partition("in", number).append_many([b"%d" % (self.sent + i) for i in range(5)])
        self.sent += 5

    def kill(self, *, broker: bool, copier: bool) -> None:
        if copier and self.copier is not None:
            self.copier.close()
            self.copier = None
        if broker and self.broker is not None:
            self.broker.close()
            self.broker = None


@pytest.mark.parametrize("seed", range(2))
def test_each_record_is_copied_once_whoever_is_killed(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    with logflume.open(tmp_path / "data") as log:
        for topic in ("in", "out"):
            log.create_topic(topic, partitions=PARTITIONS)
    room = Room(tmp_path / "data")
    room.start()
    kills = 0
    try:
        with logflume.open(tmp_path / "data") as log:
            until = time.monotonic() + 15
            while time.monotonic() < until or kills < 6:
                pause = time.monotonic() + rng.uniform(0.1, 1.5)
                while time.monotonic() < pause:
                    room.send(log)
                    time.sleep(0.02)
                which = rng.choice(((True, False), (False, True), (True, True)))
                room.kill(broker=which[0], copier=which[1])
                kills += 1
                if rng.random() < 0.3:
                    log.transactions.settle()
                room.start(broker=which[0], copier=which[1])
            expected = list(range(room.sent))
            deadline = time.monotonic() + 120
            while any(len(committed(log, n)) < room.sent for n in range(PARTITIONS)):
                assert time.monotonic() < deadline, [
                    len(committed(log, n)) for n in range(PARTITIONS)
                ]
                time.sleep(0.1)
            room.kill(broker=True, copier=True)
            assert [committed(log, number) for number in range(PARTITIONS)] == [
                expected
            ] * PARTITIONS
    finally:
        room.kill(broker=True, copier=True)
