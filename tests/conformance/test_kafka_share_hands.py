"""A share group goes from hand to hand: a stopped Kafka's to us, ours to a started one."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import logflume
from logflume.coordinator.share import ShareGroups
from logflume.types import TopicPartition
from support.kafka_peer import Broker, script, up

pytestmark = [pytest.mark.peers, pytest.mark.timeout(400)]

SETTINGS = (
    "offsets.topic.num.partitions=1",
    "share.coordinator.state.topic.num.partitions=1",
    "share.coordinator.state.topic.replication.factor=1",
    "share.coordinator.state.topic.min.isr=1",
)
WHERE = TopicPartition("t", 0)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    made = Broker(tmp_path / "peer")
    try:
        yield made
    finally:
        made.down(wipe=True)


def tool(address: str, name: str, *words: str, stdin: str | None = None) -> str:
    command = [sys.executable, script(), "tool", name, "--bootstrap-server", address, *words]
    done = subprocess.run(
        command, input=stdin, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def described(address: str) -> tuple[int, int]:
    """Start offset and lag of the group, as Kafka says."""
    out = tool(address, "kafka-share-groups", "--describe", "--group", "g")
    found = re.search(r"^g +t +0 +(\d+) +(\d+)", out, re.MULTILINE)
    assert found, out
    return int(found[1]), int(found[2])


def consume(address: str, count: int) -> list[str]:
    out = tool(
        address,
        "kafka-console-share-consumer",
        "--topic",
        "t",
        "--group",
        "g",
        "--max-messages",
        str(count),
        "--timeout-ms",
        "60000",
    )
    return out.split()


def test_a_share_group_goes_to_us_and_back(broker: Broker) -> None:
    address = up(broker.where, *(f"--set={setting}" for setting in SETTINGS))
    tool(address, "kafka-topics", "--create", "--topic", "t")
    tool(
        address,
        "kafka-console-producer",
        "--topic",
        "t",
        stdin="".join(f"{i}\n" for i in range(10)),
    )
    tool(
        address,
        "kafka-configs",
        "--alter",
        "--entity-type",
        "groups",
        "--entity-name",
        "g",
        "--add-config",
        "share.auto.offset.reset=earliest",
    )
    theirs = consume(address, 4)
    assert theirs == ["0", "1", "2", "3"]
    broker.down()

    with logflume.open(broker.data) as log:
        before = ShareGroups(log.directory).partitions("g")[WHERE]
        with log.queue("t", group="g", acknowledgement="explicit") as queue:
            records = queue.poll(10.0)
            assert [int(r.value or b"") for r in records] == list(range(before.start_offset, 10))
            assert before.start_offset >= 4
            for record in records[:3]:
                queue.accept(record)
            queue.accept(records[4])
            queue.release(records[3])
            queue.commit()
        ours = ShareGroups(log.directory).partitions("g")[WHERE]

    address = broker.up()
    assert described(address) == (ours.start_offset, ours.lag)
    left = consume(address, ours.lag)
    assert left == [str(i) for i in range(ours.start_offset, 10) if i != records[4].offset]
