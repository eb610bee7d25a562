"""Transactions of the Java client, of version 2 (KIP-890), and Kafka's own tools for them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import logflume
from logflume.broker import ThreadedBroker, serve
from logflume.coordinator.offsets_topic import open_offsets
from support.kafka_peer import run, script
from support.txn_client import V1, TxnClient
from support.wire import Wire

pytestmark = [pytest.mark.peers, pytest.mark.timeout(300)]

SOURCE = Path(__file__).parent / "java" / "Copy.java"
RECORDS = 600


@pytest.fixture
def broker(log: logflume.Log) -> Iterator[ThreadedBroker]:
    log.create_topic("in", partitions=2)
    log.create_topic("out", partitions=2)
    with serve(log) as running:
        yield running


def tool(broker: ThreadedBroker, name: str, *words: str) -> str:
    return run("tool", name, "--bootstrap-server", broker.bootstrap, *words)


def committed(log: logflume.Log, number: int) -> list[bytes]:
    partition = log.partition("out", number)
    found: list[bytes] = []
    reader = partition.reader(0, read_committed=True)
    while reader.position < partition.last_stable_offset:
        found += [bytes(r.value) for r in reader.read()]
    return found


def class_path() -> str:
    """Of the Kafka that the peer's script installed."""
    script()
    run("install")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    found = sorted((cache / "logflume-peers" / "kafka").glob("*/classpath.json"))
    assert found, "the peer's script keeps its jars elsewhere now"
    jars = found[-1].parent
    assert json.loads(found[-1].read_text())
    return os.pathsep.join(str(path) for path in jars.rglob("*.jar"))


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_the_java_client_copies_each_record_once(
    broker: ThreadedBroker, log: logflume.Log, protocol: str
) -> None:
    for number in range(2):
        values = [b"%d" % i for i in range(RECORDS // 2)]
        log.partition("in", number).append_many(values)
    java = shutil.which("java")
    assert java or script()
    words = [java or "", "-cp", class_path(), str(SOURCE), broker.bootstrap, str(RECORDS), protocol]
    done = subprocess.run(words, capture_output=True, text=True, timeout=200, check=False)
    assert f"copied {RECORDS}" in done.stdout, done.stderr[-3000:]
    for number in range(2):
        assert list(map(int, committed(log, number))) == list(range(RECORDS // 2))
    assert {e.offset for e in open_offsets(log.directory, "java").offsets("java").values()} == {300}
    [told] = log.transactions.list()
    assert told.producer_epoch > 6, "each end raises the epoch"


def test_kafkas_tool_lists_describes_and_aborts(broker: ThreadedBroker, log: logflume.Log) -> None:
    script()
    with Wire(broker.bootstrap) as wire:
        client = TxnClient(wire, "orders", V1)
        assert client.init() == 0
        assert client.add(("out", 0)) == [0]
        assert client.send("out", 0, b"hangs") == 0
        asked = ("kafka-transactions",)
        assert "Ongoing" in tool(broker, *asked, "list")
        shown = tool(broker, *asked, "describe", "--transactional-id", "orders")
        assert "out-0" in shown
        place = ("--topic", "out", "--partition", "0")
        assert str(client.producer_id) in tool(broker, *asked, "describe-producers", *place)
        tool(broker, *asked, "abort", *place, "--start-offset", "0")
        assert log.partition("out", 0).last_stable_offset == 2
    assert committed(log, 0) == []


def test_kafkas_consumer_sees_only_what_is_committed(
    broker: ThreadedBroker, log: logflume.Log
) -> None:
    script()
    with Wire(broker.bootstrap) as wire:
        client = TxnClient(wire, "x", V1)
        assert client.init() == 0
        for turn in range(4):
            assert client.add(("out", 0)) == [0]
            assert client.send("out", 0, b"value-%d" % turn) == 0
            if turn < 3:
                assert client.end(commit=turn != 1) == 0
        limits = ("--from-beginning", "--timeout-ms", "8000")
        isolation = ("--command-property", "isolation.level=read_committed")
        out = tool(broker, "kafka-console-consumer", "--topic", "out", *limits, *isolation)
    assert [line for line in out.splitlines() if line.startswith("value")] == ["value-0", "value-2"]
