"""Share groups of the Java client and Kafka's own tools, through our broker."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest

import logflume
from logflume.broker import ThreadedBroker, serve
from support.kafka_peer import run, script

pytestmark = [pytest.mark.peers, pytest.mark.timeout(600)]

GROUP = "jobs"


@pytest.fixture
def broker(log: logflume.Log) -> Iterator[ThreadedBroker]:
    log.create_topic("t", partitions=2)
    for number in range(2):
        log.partition("t", number).append_many([b"v%d" % i for i in range(10)])
    with serve(log, group_share_heartbeat_interval_ms=200) as running:
        yield running


def tool(broker: ThreadedBroker, name: str, *args: str) -> str:
    return run("tool", name, "--bootstrap-server", broker.bootstrap, *args)


def configure(broker: ThreadedBroker) -> None:
    where = ("--entity-type", "groups", "--entity-name", GROUP)
    out = tool(
        broker,
        "kafka-configs",
        *where,
        *("--alter", "--add-config", "share.auto.offset.reset=earliest"),
    )
    assert "Completed" in out
    assert "share.auto.offset.reset=earliest" in tool(broker, "kafka-configs", *where, "--describe")


def consume(broker: ThreadedBroker, *args: str) -> list[str]:
    out = tool(
        broker,
        "kafka-console-share-consumer",
        *("--topic", "t", "--group", GROUP, "--timeout-ms", "60000", *args),
    )
    return [line for line in out.splitlines() if line.startswith("v")]


def rows(out: str) -> list[list[str]]:
    """What the tool says of the group, line by line."""
    return sorted(line.split() for line in out.splitlines() if line.split()[:1] == [GROUP])


def offsets(broker: ThreadedBroker) -> list[tuple[str, str, str]]:
    found = rows(tool(broker, "kafka-share-groups", "--describe", "--group", GROUP))
    return [(partition, start, lag) for _, _, partition, start, lag in found]


def test_the_java_share_consumer_works_off_records(broker: ThreadedBroker) -> None:
    configure(broker)
    assert sorted(consume(broker, "--max-messages", "20")) == sorted(
        [f"v{number}" for number in range(10)] * 2
    )
    assert offsets(broker) == [("0", "10", "0"), ("1", "10", "0")]


def test_kafkas_tool_lists_describes_resets_and_deletes(broker: ThreadedBroker) -> None:
    configure(broker)
    command = [script(), "tool", "kafka-console-share-consumer"]
    command += ["--bootstrap-server", broker.bootstrap, "--topic", "t", "--group", GROUP]
    environment = {**os.environ, "KAFKA_HEAP": "256m"}
    groups = "kafka-share-groups"
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as consumer:
        assert consumer.stdout is not None
        assert next(line for line in consumer.stdout if line.startswith("v"))
        assert rows(tool(broker, groups, "--list", "--state")) == [[GROUP, "Stable"]]
        [member] = rows(
            tool(broker, groups, "--describe", "--group", GROUP, "--members", "--verbose")
        )
        assert member[-1] == "t:0,1"
        [state] = rows(tool(broker, groups, "--describe", "--group", GROUP, "--state"))
        assert state[-2:] == ["Stable", "1"]
        delete = tool(broker, groups, "--delete", "--group", GROUP)
        assert "was successful" not in delete
        consumer.terminate()
    reset = ("--reset-offsets", "--group", GROUP, "--topic", "t", "--to-earliest", "--execute")
    assert [row[-1] for row in rows(tool(broker, groups, *reset))] == ["0", "0"]
    assert offsets(broker) == [("0", "0", "10"), ("1", "0", "10")]
    tool(broker, groups, "--delete-offsets", "--group", GROUP, "--topic", "t")
    assert offsets(broker) == []
    assert "was successful" in tool(broker, groups, "--delete", "--group", GROUP)
    assert GROUP not in tool(broker, "kafka-groups", "--list").split()
