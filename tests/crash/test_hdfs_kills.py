"""A real HDFS: the agent is killed, a data node is, the name node is: no event is lost, none is there twice."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.hdfs_peer import Hdfs
from unit.agent.running import running, until

from .agent_feeds import TailIn
from .killed_agent import KILLS, KilledAgent

pytestmark = [pytest.mark.peers, pytest.mark.crash, pytest.mark.slow]

SOURCE = """
a.sources.r.type = taildir
a.sources.r.filegroups = f
a.sources.r.filegroups.f = {where}/in/.*\\\\.log.*
a.sources.r.positionFile = {where}/positions.json
a.sources.r.batchSize = 20
"""
SINK = """
a.sinks.k.type = hdfs
a.sinks.k.hdfs.path = {path}/%M
a.sinks.k.hdfs.useLocalTimeStamp = true
a.sinks.k.hdfs.fileType = DataStream
a.sinks.k.hdfs.rollInterval = 1
a.sinks.k.hdfs.rollCount = 3000
a.sinks.k.hdfs.rollSize = 0
a.sinks.k.hdfs.retryInterval = 1
a.sinks.k.hdfs.callTimeout = 60000
"""


@pytest.fixture(scope="module")
def hdfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hdfs]:
    one = Hdfs(Path(tmp_path_factory.mktemp("hdfs")), nodes=2)
    try:
        one.up()
        yield one
    finally:
        one.down()


class HdfsOut:
    """The lines of final files: others are being written, or mended."""

    def __init__(self, hdfs: Hdfs, below: str) -> None:
        self._hdfs = hdfs
        self._below = below
        self._read: dict[str, Counter[bytes]] = {}

    def seen(self) -> Counter[bytes]:
        for path in self._hdfs.paths(self._below):
            if path not in self._read and not path.endswith(".tmp"):
                self._read[path] = Counter(self._hdfs.content(path).splitlines())
        return sum(self._read.values(), Counter())


@pytest.mark.timeout(600 + 10 * KILLS)
def test_kills_of_the_agent(tmp_path: Path, hdfs: Hdfs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HADOOP_USER_NAME", "root")
    with KilledAgent(tmp_path, SOURCE, SINK, path=f"{hdfs.uri}/kills") as agent:
        feed, out = TailIn(tmp_path, agent.draw), HdfsOut(hdfs, "/kills")
        for _ in range(KILLS or 6):
            agent.start()
            deadline = time.monotonic() + 3.0 * agent.draw.random() ** 2
            while time.monotonic() < deadline:
                feed.more()
                time.sleep(0.01)
            agent.kill()
        agent.start()
        agent.until_all_arrived(Counter(b"%d" % n for n in range(feed.sent)), out.seen)
        until(lambda: not [path for path in hdfs.paths("/kills") if path.endswith(".tmp")])
        agent.kill()
        print("kills", agent.kills, "events", feed.sent)


@pytest.mark.timeout(900)
def test_data_nodes_and_the_name_node_die(
    tmp_path: Path, hdfs: Hdfs, monkeypatch: pytest.MonkeyPatch
) -> None:
    import random

    monkeypatch.setenv("HADOOP_USER_NAME", "root")
    text = f"""
        sources = r
        channels = c
        sinks = k
        sources.r.channels = c
        channels.c.type = file
        channels.c.dataDirs = {tmp_path}/channel
        sinks.k.channel = c
        """
    properties = (SOURCE + SINK).format(where=tmp_path, path=f"{hdfs.uri}/deaths")
    text += properties.replace("\na.", "\n").replace("\\\\", "\\")
    draw = random.Random(random.randrange(1 << 32))
    feed, out = TailIn(tmp_path, draw), HdfsOut(hdfs, "/deaths")

    def feed_for(seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            feed.more()
            time.sleep(0.02)

    with running(text) as agent:
        sink = agent.sinks["k"].counters
        feed_for(2)
        until(lambda: sink["EventDrainSuccessCount"] > 0)
        hdfs.run("kill", "dn0")
        feed_for(3)
        hdfs.run("kill", "dn1")  # now there is nobody to write to
        feed_for(3)
        hdfs.up()
        feed_for(2)
        hdfs.run("kill", "nn")
        feed_for(3)
        until(lambda: sink["ConnectionFailedCount"] > 0)
        hdfs.up()
        feed_for(2)
        expected = Counter(b"%d" % number for number in range(feed.sent))
        until(lambda: out.seen() == expected or bool(out.seen() - expected), 240)
        assert out.seen() == expected
    assert out.seen() == expected
    assert not [path for path in hdfs.paths("/deaths") if path.endswith(".tmp")]
