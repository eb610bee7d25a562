"""kill -9 of an agent between topics of a broker, of a directory, and files: no event lost, none doubled.

LOGFLUME_AGENT_KILLS=1000 makes it that many for each pair (a second each). LOGFLUME_CONTRACT_KAFKA names a real
Kafka to do it with; otherwise the broker is ours.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import logflume
from logflume.broker import serve
from support.children import TESTS

KILLS = int(os.environ.get("LOGFLUME_AGENT_KILLS", "8"))
SCRIPT = TESTS / "crash" / "agent_script.py"

KAFKA_SOURCE = """
a.sources.r.type = org.apache.flume.source.kafka.KafkaSource
a.sources.r.kafka.bootstrap.servers = {kafka}
a.sources.r.kafka.topics = {topic}
a.sources.r.kafka.consumer.group.id = {topic}
a.sources.r.kafka.consumer.auto.offset.reset = earliest
# A static member that comes again need not wait until its dead one is missed.
a.sources.r.kafka.consumer.group.instance.id = one
a.sources.r.batchSize = 20
"""
TOPIC_SOURCE = """
a.sources.r.type = logflume
a.sources.r.directory = {where}/log
a.sources.r.topics = {topic}
a.sources.r.batchSize = 20
"""
KAFKA_SINK = """
a.sinks.k.type = org.apache.flume.sink.kafka.KafkaSink
a.sinks.k.kafka.bootstrap.servers = {kafka}
a.sinks.k.kafka.topic = {topic}-out
a.sinks.k.allowTopicOverride = false
a.sinks.k.flumeBatchSize = 50
"""
FILES = """
a.sinks.k.type = file_roll
a.sinks.k.sink.directory = {where}/out
"""
REST = """
a.sources = r
a.channels = c
a.sinks = k
a.sources.r.channels = c
a.channels.c.type = file
a.channels.c.dataDirs = {where}/channel
a.channels.c.capacity = 20000
a.channels.c.transactionCapacity = 500
a.sinks.k.channel = c
"""


@pytest.fixture
def kafka(tmp_path: Path) -> Iterator[str]:
    if given := os.environ.get("LOGFLUME_CONTRACT_KAFKA"):
        yield given
        return
    with logflume.open(tmp_path / "broker") as log, serve(log) as broker:
        yield broker.bootstrap


def in_files(where: Path) -> Counter[bytes]:
    return Counter(line for p in (where / "out").glob("*") for line in p.read_bytes().splitlines())


def in_topic(consumer: logflume.Consumer, found: Counter[bytes]) -> Counter[bytes]:
    while records := consumer.poll(0.3, 10_000):
        found.update(record.value or b"" for record in records)
    return found


@pytest.mark.crash
@pytest.mark.slow
@pytest.mark.timeout(120 + 4 * KILLS)
@pytest.mark.parametrize(
    ("source", "sink"),
    [(KAFKA_SOURCE, KAFKA_SINK), (KAFKA_SOURCE, FILES), (TOPIC_SOURCE, KAFKA_SINK)],
    ids=["kafka-kafka", "kafka-files", "topic-kafka"],
)
def test_every_record_arrives_once(tmp_path: Path, kafka: str, source: str, sink: str) -> None:
    seed = random.randrange(1 << 32)
    print("seed", seed)
    draw = random.Random(seed)
    topic = f"t-{uuid.uuid4().hex}"
    conf = tmp_path / "flume.properties"
    conf.write_text((REST + source + sink).format(where=tmp_path, kafka=kafka, topic=topic))
    inside = f"kafka://{kafka}" if source is KAFKA_SOURCE else str(tmp_path / "log")
    words = [sys.executable, str(SCRIPT), str(conf)]
    sent = 0
    with (
        logflume.open(f"kafka://{kafka}") as cluster,
        logflume.open(inside) as log,
        subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server,
    ):
        assert server.stdin is not None
        assert server.stdout is not None
        log.create_topic(topic, partitions=2)
        cluster.create_topic(f"{topic}-out", partitions=2)

        def start() -> int:
            assert server.stdin is not None
            assert server.stdout is not None
            server.stdin.write(f"{conf}\n")
            server.stdin.flush()
            return int(server.stdout.readline())

        def kill(pid: int) -> None:
            assert server.stdout is not None
            os.kill(pid, signal.SIGKILL)
            assert int(server.stdout.readline()) == signal.SIGKILL, "the agent ended by itself"

        with (
            log.producer() as producer,
            cluster.consumer(
                f"{topic}-out",
                group=f"{topic}-seen",
                auto_offset_reset="earliest",
                isolation_level="read_committed",
            ) as consumer,
        ):
            seen: Counter[bytes] = Counter()

            def delivered() -> Counter[bytes]:
                return in_files(tmp_path) if sink is FILES else in_topic(consumer, seen)

            for _ in range(KILLS):
                pid = start()
                deadline = time.monotonic() + draw.uniform(0.05, 1.5)
                while time.monotonic() < deadline:
                    count = draw.randrange(1, 200)
                    producer.send_many(topic, [b"%d" % n for n in range(sent, sent + count)])
                    sent += count
                    time.sleep(0.01)
                kill(pid)
            pid = start()
            expected = Counter(b"%d" % number for number in range(sent))
            end = time.monotonic() + 90
            while sum(delivered().values()) < sent and time.monotonic() < end:
                time.sleep(0.05)
            time.sleep(0.5)  # whatever came twice would come now
            got = delivered()
            kill(pid)
        server.stdin.close()
    assert got - expected == Counter(), f"doubled, seed {seed}"
    assert expected - got == Counter(), f"lost, seed {seed}"
    print("kills", KILLS + 1, "records", sent)
