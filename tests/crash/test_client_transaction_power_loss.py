"""Power loss under a broker: transactions of clients that were answered are there, what was open is aborted."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import logflume
from logflume.broker import serve
from logflume.coordinator.offsets_topic import open_offsets
from logflume.coordinator.transactions import recovery
from support.committed import committed, undecided
from support.power import power_loss
from support.txn_client import V1, V2, TxnClient
from support.wire import Wire

pytestmark = [pytest.mark.crash, pytest.mark.timeout(300)]

SEED = int(os.environ.get("LOGFLUME_SEED", time.time_ns() % 1_000_000))
PARTITIONS = 3


@pytest.fixture
def wire_and_log(tmp_path: Path) -> Iterator[tuple[Wire, logflume.Log, random.Random]]:
    print(f"LOGFLUME_SEED={SEED}")
    rng = random.Random(SEED)
    redo = rng.choice([0, 500, 1 << 20])
    with logflume.open(tmp_path / "live", transaction_redo_max_bytes=redo) as log:
        log.create_topic("t", partitions=PARTITIONS, config={"segment.bytes": 4096})
        with serve(log) as broker, Wire(broker.bootstrap) as wire:
            yield wire, log, rng


class Work:
    """Random transactions of two clients, and what of them must survive."""

    def __init__(self, wire: Wire, log: logflume.Log, rng: random.Random) -> None:
        self.rng, self.log = rng, log
        self.clients = [TxnClient(wire, "one", V1), TxnClient(wire, "two", V2)]
        assert [client.init() for client in self.clients] == [0, 0]
        self.sent: list[dict[int, list[bytes]]] = [{}, {}]
        self.must: dict[tuple[str, int], list[bytes]] = {}
        self.offset = 0
        self.pending: list[int | None] = [None, None]
        self.number = 0

    def step(self) -> None:
        which = self.rng.randrange(2)
        client, sent = self.clients[which], self.sent[which]
        choice = self.rng.random()
        if choice < 0.6:
            number = self.rng.randrange(PARTITIONS)
            if number not in sent and client.versions is not V2 and "add" in client.versions:
                assert client.add(("t", number)) == [0]
            value = b"%d" % self.number + b"." * self.rng.randrange(300)
            self.number += 1
            assert client.send("t", number, value) == 0
            sent.setdefault(number, []).append(value)
        elif choice < 0.7 and self.pending[1 - which] is None:
            if "offsets" in client.versions:
                assert client.add_offsets() == 0
            self.number += 1
            self.pending[which] = self.number
            assert client.commit_offsets(self.number) == [0]
        elif sent or self.pending[which] is not None:
            self.end(which, commit=self.rng.random() < 0.7)
        if self.rng.random() < 0.1:
            self.log.partition("t", self.rng.randrange(PARTITIONS)).sync()

    def end(self, which: int, *, commit: bool) -> None:
        assert self.clients[which].end(commit=commit) == 0
        if commit:
            for number, values in self.sent[which].items():
                self.must.setdefault(("t", number), []).extend(values)
            if self.pending[which] is not None:
                self.offset = self.pending[which] or 0
        self.sent[which], self.pending[which] = {}, None


def test_what_clients_were_told_is_committed_survives(
    wire_and_log: tuple[Wire, logflume.Log, random.Random],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wire, log, rng = wire_and_log
    work = Work(wire, log, rng)
    for moment in range(6):
        for _ in range(rng.randrange(25)):
            work.step()
        image = power_loss(log, tmp_path / f"image-{moment}", rng)
        with monkeypatch.context() as patch:
            patch.setattr(recovery, "boot_id", lambda: "the next start")
            with logflume.open(image) as after:
                assert in_any_order(committed(after, "t")) == in_any_order(work.must)
                assert undecided(after) == {}
                told = {one.transactional_id: one.state for one in after.transactions.list()}
                assert "Ongoing" not in told.values()
                found = open_offsets(after.directory, "g").offsets("g")
                assert [entry.offset for entry in found.values()] == [work.offset][: len(found)]
                assert bool(found) == bool(work.offset)


def in_any_order(found: dict[tuple[str, int], list[bytes]]) -> dict[tuple[str, int], list[bytes]]:
    """Transactions lie in the order in which they were written, and were committed in another."""
    return {place: sorted(values) for place, values in found.items() if values}


def test_a_transaction_that_was_open_is_aborted_though_its_batches_are_there(
    wire_and_log: tuple[Wire, logflume.Log, random.Random],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wire, log, rng = wire_and_log
    client = TxnClient(wire, "one", V1)
    assert client.init() == 0
    assert client.add(("t", 0)) == [0]
    assert client.send("t", 0, b"first") == 0
    for partition in log.directory.partitions("t"):
        partition.sync()
    log.directory.partition("__transaction_state", 0).sync()
    images = [power_loss(log, tmp_path / name, rng) for name in ("same", "other")]
    with logflume.open(images[0]) as after:  # killed, and not the machine: the client may come back
        assert after.transactions.describe("one").state == "Ongoing"
        assert undecided(after) == {("t", 0): 1}
    monkeypatch.setattr(recovery, "boot_id", lambda: "the next start")
    with logflume.open(images[1]) as after:
        assert after.transactions.describe("one").state == "CompleteAbort"
        assert undecided(after) == {}
        assert committed(after, "t") == {}
