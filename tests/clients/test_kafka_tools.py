"""Kafka's own tools, Java clients all, on our broker."""

from __future__ import annotations

import subprocess

import pytest

import logflume
from logflume.broker import ThreadedBroker
from support.kafka_peer import run, script

pytestmark = [pytest.mark.peers, pytest.mark.timeout(300)]


def tool(broker: ThreadedBroker, name: str, *words: str) -> str:
    return run("tool", name, "--bootstrap-server", broker.bootstrap, *words)


def test_topics_are_created_and_described(broker: ThreadedBroker, log: logflume.Log) -> None:
    script()
    tool(broker, "kafka-topics", "--create", "--topic", "t", "--partitions", "3")
    assert len(log["t"]) == 3
    shown = tool(broker, "kafka-topics", "--describe", "--topic", "t")
    assert "PartitionCount: 3" in shown
    assert str(log["t"].topic_id) in shown


def test_settings_are_changed(broker: ThreadedBroker, log: logflume.Log) -> None:
    script()
    log.create_topic("t")
    words = ("--entity-type", "topics", "--entity-name", "t")
    tool(broker, "kafka-configs", "--alter", *words, "--add-config", "retention.ms=5000")
    assert log["t"].config.retention_ms == 5000
    assert "retention.ms=5000" in tool(broker, "kafka-configs", "--describe", *words)


def test_offsets_and_sizes_are_shown(broker: ThreadedBroker, log: logflume.Log) -> None:
    script()
    log.create_topic("t")
    log.partition("t", 0).append_many([b"x"] * 70)
    assert "t:0:70" in tool(broker, "kafka-get-offsets", "--topic", "t", "--time", "latest")
    assert '"partition":"t-0"' in tool(broker, "kafka-log-dirs", "--describe")


def test_lines_go_in_and_come_out(broker: ThreadedBroker, log: logflume.Log) -> None:
    lines = [f"line {i}" for i in range(300)]
    words = ("tool", "kafka-console-producer", "--bootstrap-server", broker.bootstrap)
    subprocess.run(
        [script(), *words, "--topic", "t"],
        input="\n".join(lines) + "\n",
        text=True,
        capture_output=True,
        timeout=100,
        check=True,
    )
    batch = log.partition("t", 0).read_batch(0)
    assert [r.value.decode() for r in batch] == lines
    limits = ("--from-beginning", "--max-messages", "300", "--timeout-ms", "60000")
    shown = tool(broker, "kafka-console-consumer", "--topic", "t", *limits)
    assert shown.splitlines()[:300] == lines
