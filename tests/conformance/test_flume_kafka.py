"""A real Flume and our agent on one Kafka: each reads what the other's sinks and channels write."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

import logflume
from support import flume_peer, kafka_peer
from unit.agent.conftest import Flow
from unit.agent.running import running, until

pytestmark = [pytest.mark.peers, pytest.mark.slow]

SINK = "org.apache.flume.sink.kafka.KafkaSink"
SOURCE = "org.apache.flume.source.kafka.KafkaSource"
CHANNEL = "org.apache.flume.channel.kafka.KafkaChannel"
BODIES = [b"%d" % n for n in range(500)]


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if given := os.environ.get("LOGFLUME_CONTRACT_KAFKA"):
        yield given
        return
    broker = kafka_peer.Broker(Path(tmp_path_factory.mktemp("kafka")))
    try:
        yield broker.up()
    finally:
        broker.down(wipe=True)


@pytest.fixture
def topics(kafka: str) -> list[str]:
    names = [f"{word}-{uuid.uuid4().hex}" for word in ("plain", "avro", "channel")]
    with logflume.open(f"kafka://{kafka}") as log:
        for name in names:
            log.create_topic(name, partitions=2)
    return names


def test_what_flume_writes(tmp_path: Path, kafka: str, topics: list[str]) -> None:
    """Its Kafka sink in both formats into our source, its Kafka channel into ours."""
    plain, avro, channel = topics
    (tmp_path / "f.properties").write_text(
        f"""
        a1.sources = r
        a1.channels = c d e
        a1.sinks = k l
        a1.sources.r.type = seq
        a1.sources.r.totalEvents = {len(BODIES)}
        a1.sources.r.channels = c d e
        a1.sources.r.interceptors = i
        a1.sources.r.interceptors.i.type = static
        a1.sources.r.interceptors.i.key = key
        a1.sources.r.interceptors.i.value = mine
        a1.channels.c.type = memory
        a1.channels.c.capacity = 1000
        a1.channels.d.type = memory
        a1.channels.d.capacity = 1000
        a1.channels.e.type = {CHANNEL}
        a1.channels.e.kafka.bootstrap.servers = {kafka}
        a1.channels.e.kafka.topic = {channel}
        a1.sinks.k.type = {SINK}
        a1.sinks.k.kafka.bootstrap.servers = {kafka}
        a1.sinks.k.kafka.topic = {plain}
        a1.sinks.k.channel = c
        a1.sinks.l.type = {SINK}
        a1.sinks.l.kafka.bootstrap.servers = {kafka}
        a1.sinks.l.kafka.topic = {avro}
        a1.sinks.l.useFlumeEventFormat = true
        a1.sinks.l.channel = d
        """
    )
    common = {
        "kafka.bootstrap.servers": kafka,
        "kafka.consumer.auto.offset.reset": "earliest",
        "kafka.consumer.group.id": uuid.uuid4().hex,
    }
    flows = [
        Flow(SOURCE, {**common, "kafka.topics": plain}).start(),
        Flow(SOURCE, {**common, "kafka.topics": avro, "useFlumeEventFormat": "true"}).start(),
    ]
    out = tmp_path / "out"
    with flume_peer.agent(tmp_path / "f.properties", "a1") as log:
        try:
            for one in flows:
                assert sorted(one.until(len(BODIES), 60)) == sorted(BODIES), log.read_text()[-2000:]
                assert {headers["key"] for headers, _ in one.events} == {"mine"}
        finally:
            for one in flows:
                one.stop()
        ours = f"""
            channels = e
            sinks = k
            channels.e.type = {CHANNEL}
            channels.e.kafka.bootstrap.servers = {kafka}
            channels.e.kafka.topic = {channel}
            channels.e.kafka.consumer.group.id = {uuid.uuid4().hex}
            sinks.k.type = file_roll
            sinks.k.sink.directory = {out}
            sinks.k.sink.serializer = header_and_text
            sinks.k.channel = e
            """
        with running(ours, warn=True) as agent:
            until(lambda: agent.sinks["k"].counters["EventDrainSuccessCount"] >= len(BODIES))
    lines = b"".join(path.read_bytes() for path in out.iterdir()).splitlines()
    assert sorted(lines) == sorted(b"{key=mine} " + body for body in BODIES)


def test_what_flume_reads(tmp_path: Path, kafka: str, topics: list[str]) -> None:
    """Our Kafka sink (in transactions) and our Kafka channel, by its source and its channel."""
    _, avro, channel = topics
    group = uuid.uuid4().hex
    for name in ("source", "channel"):
        (tmp_path / name).mkdir()
    (tmp_path / "f.properties").write_text(
        f"""
        a1.sources = r
        a1.channels = c e
        a1.sinks = k l
        a1.sources.r.type = {SOURCE}
        a1.sources.r.kafka.bootstrap.servers = {kafka}
        a1.sources.r.kafka.topics = {avro}
        a1.sources.r.kafka.consumer.group.id = {group}
        a1.sources.r.kafka.consumer.auto.offset.reset = earliest
        a1.sources.r.kafka.consumer.isolation.level = read_committed
        a1.sources.r.useFlumeEventFormat = true
        a1.sources.r.channels = c
        a1.channels.c.type = memory
        a1.channels.c.capacity = 2000
        a1.channels.c.transactionCapacity = 1000
        a1.channels.e.type = {CHANNEL}
        a1.channels.e.kafka.bootstrap.servers = {kafka}
        a1.channels.e.kafka.topic = {channel}
        a1.channels.e.kafka.consumer.group.id = {group}-e
        a1.sinks.k.type = file_roll
        a1.sinks.k.sink.directory = {tmp_path / "source"}
        a1.sinks.k.sink.rollInterval = 0
        a1.sinks.k.channel = c
        a1.sinks.l.type = file_roll
        a1.sinks.l.sink.directory = {tmp_path / "channel"}
        a1.sinks.l.sink.rollInterval = 0
        a1.sinks.l.channel = e
        """
    )
    ours = f"""
        sources = r
        channels = c e
        sinks = k
        sources.r.type = seq
        sources.r.totalEvents = {len(BODIES)}
        sources.r.channels = c e
        channels.c.type = file
        channels.c.dataDirs = {tmp_path / "data"}
        channels.e.type = {CHANNEL}
        channels.e.kafka.bootstrap.servers = {kafka}
        channels.e.kafka.topic = {channel}
        sinks.k.type = {SINK}
        sinks.k.kafka.bootstrap.servers = {kafka}
        sinks.k.kafka.topic = {avro}
        sinks.k.useFlumeEventFormat = true
        sinks.k.channel = c
        """
    with running(ours, warn=True) as agent:
        assert agent.wait(60)
        until(lambda: agent.sinks["k"].counters["EventDrainSuccessCount"] >= len(BODIES))
    with flume_peer.agent(tmp_path / "f.properties", "a1") as log:
        end = time.monotonic() + 60
        while (
            any(len(lines(tmp_path / name)) < len(BODIES) for name in ("source", "channel"))
            and time.monotonic() < end
        ):
            time.sleep(0.2)
    for name in ("source", "channel"):
        assert sorted(lines(tmp_path / name)) == sorted(BODIES), log.read_text()[-2000:]


def lines(where: Path) -> list[bytes]:
    return b"".join(path.read_bytes() for path in where.iterdir()).splitlines()
