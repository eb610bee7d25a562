"""One conversation about transactions with a real Kafka and with our broker: answers and epochs are the same."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import logflume
from logflume.broker import serve
from logflume.broker.api_keys import ApiKey
from support.kafka_peer import Broker, script
from support.txn_client import V1, V2, TxnClient
from support.wire import Wire

pytestmark = [pytest.mark.peers, pytest.mark.timeout(300)]

# Kafka's ways to say that it is not ready yet: topics are being made, markers being written.
AGAIN = {3, 14, 15, 16, 51}
PLACE = ("t", 0)

Heard = list[tuple[str, Any, int]]


def ready(wire: Wire) -> None:
    """The topics are there, and those who coordinate."""
    topic = {"name": "t", "num_partitions": 2, "replication_factor": 1}
    wire.ask(
        ApiKey.CREATE_TOPICS,
        5,
        topics=[{**topic, "assignments": [], "configs": []}],
        timeout=10_000,
        validate_only=False,
    )
    for kind, key in ((1, "one"), (1, "two"), (0, "g")):
        until_ready(lambda kind=kind, key=key: find(wire, kind, key))


def find(wire: Wire, kind: int, key: str) -> int:
    answer = wire.ask(ApiKey.FIND_COORDINATOR, 4, key_type=kind, coordinator_keys=[key])
    return int(answer.coordinators[0].error_code)


def until_ready(ask: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 60
    while True:
        answer = ask()
        code = answer[0] if isinstance(answer, list) else answer
        if code not in AGAIN or time.monotonic() > deadline:
            return answer
        time.sleep(0.05)


class Talk:
    """A client's requests, and what it heard."""

    def __init__(self, wire: Wire, name: str, versions: dict[str, int]) -> None:
        self.wire, self.versions = wire, versions
        self.client = TxnClient(wire, name, versions)
        self.heard: Heard = []

    def ask(self, what: str, ask: Callable[[], Any], *, patient: bool = True) -> None:
        answer = until_ready(ask) if patient else ask()
        self.heard.append((what, answer, self.client.epoch))

    def add(self, *places: tuple[str, int]) -> None:
        if "add" in self.versions:
            self.ask("add", lambda: self.client.add(*places))

    def begin_and_send(self, value: bytes) -> None:
        self.add(PLACE)
        self.ask("send", lambda: self.client.send(*PLACE, value))

    def ends(self) -> None:
        """Commits, aborts, and each of them when it cannot be."""
        client = self.client
        self.ask("init", client.init)
        self.begin_and_send(b"a")
        self.ask("commit", client.end)
        self.ask("commit again", client.end)
        self.ask("abort after a commit", lambda: client.end(commit=False))
        self.begin_and_send(b"b")
        before = client.epoch
        self.ask("abort", lambda: client.end(commit=False))
        self.ask("abort again", lambda: client.end(commit=False))
        self.ask("commit after an abort", client.end)
        client.epoch, now = before, client.epoch
        self.ask("commit with the epoch before", client.end, patient=False)
        client.epoch = now
        if self.versions is V1:
            self.ask("send elsewhere", lambda: client.send("t", 1, b"z"), patient=False)
            client.sequences.pop(("t", 1), None)

    def fencing(self) -> None:
        """Going on after a failure, and being replaced."""
        client = self.client
        known = (client.producer_id, client.epoch)
        for what in ("init known", "init known again"):
            self.ask(what, lambda: client.init(known=known))
        self.begin_and_send(b"c")
        other = TxnClient(self.wire, client.name, self.versions)
        self.ask("another", other.init)
        self.heard.append(("its epoch", other.epoch, 0))
        self.ask("send fenced", lambda: client.send(*PLACE, b"d"), patient=False)
        self.ask("end fenced", client.end, patient=False)
        self.add(PLACE)
        mine = (client.producer_id, client.epoch)
        self.ask("init fenced", lambda: client.init(known=mine), patient=False)
        nobody = TxnClient(self.wire, "nobody", self.versions)
        nobody.producer_id, nobody.epoch = client.producer_id, 0
        self.ask("end of nobody", nobody.end, patient=False)
        self.client = other

    def offsets(self) -> None:
        """A group's offsets; times that cannot be."""
        client = self.client
        if self.versions is V1:
            self.ask("offsets too early", lambda: client.commit_offsets(1), patient=False)
            self.ask("add offsets", client.add_offsets)
        self.ask("offsets", lambda: client.commit_offsets(1, 2))
        self.ask("end", client.end)
        for timeout in (10**9, 0):
            stranger = TxnClient(self.wire, "stranger", self.versions)
            self.ask("init", lambda s=stranger, t=timeout: s.init(timeout_ms=t), patient=False)
        self.ask("no name", TxnClient(self.wire, "", self.versions).init, patient=False)


def converse(address: str) -> list[Heard]:
    found = []
    with Wire(address) as wire:
        ready(wire)
        for name, versions in (("one", V1), ("two", V2)):
            talk = Talk(wire, name, versions)
            talk.ends()
            talk.fencing()
            talk.offsets()
            found.append(talk.heard)
    return found


def test_a_kafka_says_the_same(tmp_path: Path) -> None:
    script()
    with logflume.open(tmp_path / "ours") as log, serve(log) as broker:
        ours = converse(broker.bootstrap)
    kafka = Broker(tmp_path / "kafka")
    address = kafka.up()
    try:
        theirs = converse(address)
    finally:
        kafka.down(wipe=True)
    assert ours == theirs
    assert sum(len(heard) for heard in ours) > 40
