"""kill -9 of agents at random moments, from each source into each sink that knows no doubles: none lost, none twice.

Files grow meanwhile, are rotated and cut off. `make soak-agent KILLS=1000` makes it that many for each pair.
LOGFLUME_CONTRACT_KAFKA names a real Kafka to do it with; otherwise the broker is ours.
"""

from __future__ import annotations

import os
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import logflume
from logflume.broker import serve

from .agent_feeds import FilesOut, RecordsIn, SpoolIn, TailIn, TopicOut
from .killed_agent import KILLS, KilledAgent

SOURCES = {
    "taildir": """
a.sources.r.type = taildir
a.sources.r.filegroups = f
a.sources.r.filegroups.f = {where}/in/.*\\\\.log.*
a.sources.r.positionFile = {where}/positions.json
a.sources.r.batchSize = 20
""",
    "spooldir": """
a.sources.r.type = spooldir
a.sources.r.spoolDir = {where}/in
a.sources.r.batchSize = 20
a.sources.r.pollDelay = 5
""",
    "kafka": """
a.sources.r.type = org.apache.flume.source.kafka.KafkaSource
a.sources.r.kafka.bootstrap.servers = {kafka}
a.sources.r.kafka.topics = {topic}
a.sources.r.kafka.consumer.group.id = {topic}
a.sources.r.kafka.consumer.auto.offset.reset = earliest
# A static member that comes again need not wait until its dead one is missed.
a.sources.r.kafka.consumer.group.instance.id = one
a.sources.r.batchSize = 20
""",
    "topic": """
a.sources.r.type = logflume
a.sources.r.directory = {where}/log
a.sources.r.topics = {topic}
a.sources.r.batchSize = 20
""",
}
SINKS = {
    "files": """
a.sinks.k.type = file_roll
a.sinks.k.sink.directory = {where}/out
a.sinks.k.sink.rollCount = 7000
""",
    "buckets": """
a.sinks.k.type = hdfs
a.sinks.k.hdfs.path = file://{where}/out/%H%M/%S
a.sinks.k.hdfs.useLocalTimeStamp = true
a.sinks.k.hdfs.fileType = DataStream
a.sinks.k.hdfs.rollCount = 700
a.sinks.k.hdfs.rollSize = 0
a.sinks.k.hdfs.rollInterval = 1
a.sinks.k.hdfs.retryInterval = 1
""",
    "kafka": """
a.sinks.k.type = org.apache.flume.sink.kafka.KafkaSink
a.sinks.k.kafka.bootstrap.servers = {kafka}
a.sinks.k.kafka.topic = {topic}-out
a.sinks.k.allowTopicOverride = false
a.sinks.k.flumeBatchSize = 50
""",
    "topic": """
a.sinks.k.type = logflume
a.sinks.k.directory = {where}/out
a.sinks.k.topic = {topic}-out
a.sinks.k.batchSize = 200
""",
}


@pytest.fixture
def kafka(tmp_path: Path) -> Iterator[str]:
    if given := os.environ.get("LOGFLUME_CONTRACT_KAFKA"):
        yield given
        return
    with logflume.open(tmp_path / "broker") as log, serve(log) as broker:
        yield broker.bootstrap


def fed(source: str, agent: KilledAgent, where: Path, kafka: str, topic: str) -> TailIn | RecordsIn:
    if source == "taildir":
        return TailIn(where, agent.draw)
    if source == "spooldir":
        return SpoolIn(where, agent.draw)
    address = f"kafka://{kafka}" if source == "kafka" else str(where / "log")
    return RecordsIn(address, topic, agent.draw)


def arriving(sink: str, where: Path, kafka: str, topic: str) -> FilesOut | TopicOut:
    if sink in ("files", "buckets"):
        return FilesOut(where)
    address = f"kafka://{kafka}" if sink == "kafka" else str(where / "out")
    return TopicOut(address, f"{topic}-out")


@pytest.mark.crash
@pytest.mark.slow
@pytest.mark.timeout(240 + 5 * KILLS)
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("sink", SINKS)
def test_every_event_arrives_once(tmp_path: Path, kafka: str, source: str, sink: str) -> None:
    topic = f"t-{uuid.uuid4().hex}"
    names = {"kafka": kafka, "topic": topic}
    longest_s = 1.5 if "kafka" in (source, sink) else 0.6  # a group's member takes its time
    with (
        KilledAgent(tmp_path, SOURCES[source], SINKS[sink], **names) as agent,
        closing(fed(source, agent, tmp_path, kafka, topic)) as feed,
        closing(arriving(sink, tmp_path, kafka, topic)) as out,
    ):
        for number in range(1, (KILLS or 6) + 1):
            agent.start()
            deadline = time.monotonic() + longest_s * agent.draw.random() ** 2
            while time.monotonic() < deadline:
                feed.more()
                time.sleep(0.01)
            if number % 50 == 5:
                agent.until_all_arrived(Counter(b"%d" % n for n in range(feed.sent)), out.seen)
                feed.cut_off()
            agent.kill()
        agent.start()
        agent.until_all_arrived(Counter(b"%d" % n for n in range(feed.sent)), out.seen)
        agent.kill()
        print("kills", agent.kills, "events", feed.sent)
