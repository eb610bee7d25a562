"""Groups of the Java client and Kafka's own tools, through our broker; and a real Kafka that takes our groups over."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import logflume
from logflume.broker import ThreadedBroker, serve
from logflume.coordinator.offsets_topic import open_offsets
from logflume.types import OffsetAndMetadata, TopicPartition
from support.kafka_peer import Broker, run, script

pytestmark = [pytest.mark.peers, pytest.mark.timeout(300)]

PROTOCOLS = ["classic", "consumer"]
PARTITIONS = 4

# Consumers of both protocols join through a broker of ours over a Kafka's directory, and die without a word.
MEMBERS_DIE = """
import os, sys, time, logflume
from logflume.broker import serve
from confluent_kafka import Consumer
log = logflume.open(sys.argv[1])
broker = serve(log)
consumers = []
for protocol in ("classic", "consumer"):
    config = {"bootstrap.servers": broker.bootstrap, "group.id": f"ours-{protocol}",
              "group.protocol": protocol, "client.id": "me", "enable.auto.commit": False}
    consumer = Consumer(config)
    consumer.subscribe(["t"])
    deadline = time.monotonic() + 60
    while len(consumer.assignment()) < 4:
        assert time.monotonic() < deadline
        consumer.poll(0.1)
    consumers.append(consumer)
broker.close()
log.close()
os._exit(0)
"""


def begin(log: logflume.Log, group: str) -> None:
    places = {TopicPartition("t", n): OffsetAndMetadata(0) for n in range(PARTITIONS)}
    open_offsets(log.directory, group).commit(group, places)


@pytest.fixture
def broker(log: logflume.Log) -> Iterator[ThreadedBroker]:
    log.create_topic("t", partitions=PARTITIONS)
    for number in range(PARTITIONS):
        log.partition("t", number).append_many([b"v%d" % i for i in range(10)])
    with serve(log, group_consumer_heartbeat_interval_ms=200) as running:
        yield running


def tool(broker: ThreadedBroker, name: str, *args: str) -> str:
    return run("tool", name, "--bootstrap-server", broker.bootstrap, *args)


def consume(broker: ThreadedBroker, protocol: str, *args: str) -> str:
    return tool(
        broker,
        "kafka-console-consumer",
        *("--topic", "t", "--group", f"g-{protocol}", "--timeout-ms", "20000"),
        *("--command-property", f"group.protocol={protocol}", *args),
    )


def words(out: str, first: str) -> list[str]:
    """The line that begins with a word, cut at spaces."""
    return next(line.split() for line in out.splitlines() if line.split()[:1] == [first])


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_java_consumer_reads_and_commits(
    broker: ThreadedBroker, log: logflume.Log, protocol: str
) -> None:
    begin(log, f"g-{protocol}")
    out = consume(broker, protocol, "--max-messages", "40")
    assert sum(line.startswith("v") for line in out.splitlines()) == 40
    found = open_offsets(log.directory, f"g-{protocol}").offsets(f"g-{protocol}")
    assert {entry.offset for entry in found.values()} == {10}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_kafkas_tool_lists_describes_and_deletes(
    broker: ThreadedBroker, log: logflume.Log, protocol: str
) -> None:
    group = f"g-{protocol}"
    begin(log, group)
    command = [script(), "tool", "kafka-console-consumer", "--bootstrap-server", broker.bootstrap]
    command += ["--topic", "t", "--group", group, "--timeout-ms", "60000"]
    command += ["--command-property", f"group.protocol={protocol}"]
    environment = {**os.environ, "KAFKA_HEAP": "256m"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as consumer:
        assert consumer.stdout is not None
        assert next(line for line in consumer.stdout if line.startswith("v"))
        groups = "kafka-consumer-groups"
        assert words(tool(broker, groups, "--list", "--state"), group)[1] == "Stable"
        members = tool(broker, groups, "--describe", "--group", group, "--members", "--verbose")
        assert "t:0,1,2,3" in words(members, group)
        state = tool(broker, groups, "--describe", "--group", group, "--state")
        assert words(state, group)[-2:] == ["Stable", "1"]
        assert "not empty" in tool(broker, groups, "--delete", "--group", group)
        consumer.terminate()
    assert words(tool(broker, groups, "--list", "--state"), group)[1] == "Empty"
    assert "was successful" in tool(broker, groups, "--delete", "--group", group)
    assert group not in tool(broker, groups, "--list").split()


def test_a_kafka_that_takes_the_directory_over_knows_our_groups(tmp_path: Path) -> None:
    kafka = Broker(tmp_path / "kafka")
    address = kafka.up()
    try:
        topic = ["--create", "--topic", "t", "--partitions", str(PARTITIONS)]
        run("tool", "kafka-topics", "--bootstrap-server", address, *topic)
        group = ["--topic", "t", "--group", "warm", "--timeout-ms", "3000"]
        run("tool", "kafka-console-consumer", "--bootstrap-server", address, *group)
        kafka.down()
        with logflume.open(kafka.data) as log:
            for protocol in PROTOCOLS:
                begin(log, f"ours-{protocol}")
        done = subprocess.run(
            [sys.executable, "-c", MEMBERS_DIE, str(kafka.data)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        address = kafka.up()
        asked = ("tool", "kafka-consumer-groups", "--bootstrap-server", address)
        listed = run(*asked, "--list", "--state")
        assert {words(listed, f"ours-{p}")[1] for p in PROTOCOLS} == {"Stable"}
        for protocol in PROTOCOLS:
            members = run(
                *asked, "--describe", "--group", f"ours-{protocol}", "--members", "--verbose"
            )
            row = words(members, f"ours-{protocol}")
            assert {"/127.0.0.1", "me", "t:0,1,2,3"} <= set(row)
    finally:
        kafka.down(wipe=True)
