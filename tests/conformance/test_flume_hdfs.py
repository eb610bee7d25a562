"""A real Flume 1.11 and our agent run one file of properties into one HDFS; Hadoop's own shell reads both."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from logflume.agent import Agent, load
from support import flume_peer
from support.hdfs_peer import Hdfs
from unit.agent.running import until

pytestmark = [pytest.mark.peers, pytest.mark.slow, pytest.mark.timeout(600)]

SINKS = {
    "defaults": "",
    "buckets": """
        hdfs.fileType = DataStream
        hdfs.filePrefix = log-%{host}-%H%M
        hdfs.fileSuffix = .txt
        hdfs.inUsePrefix = _
        hdfs.rollCount = 7
        hdfs.rollSize = 0
        hdfs.round = true
        hdfs.roundValue = 10
        hdfs.roundUnit = minute
        hdfs.timeZone = America/New_York
        """,
    "size": """
        hdfs.fileType = DataStream
        hdfs.rollCount = 0
        hdfs.rollSize = 500
        serializer = HEADER_AND_TEXT
        """,
    "gzip": """
        hdfs.fileType = CompressedStream
        hdfs.codeC = gzip
        hdfs.rollCount = 30
        hdfs.rollSize = 0
        """,
    "bzip2": """
        hdfs.fileType = CompressedStream
        hdfs.codeC = BZip2Codec
        hdfs.rollCount = 0
        hdfs.rollSize = 0
        """,
    "blocks": """
        hdfs.writeFormat = Text
        hdfs.codeC = gzip
        hdfs.rollCount = 40
        hdfs.rollSize = 0
        """,
    "avro": """
        hdfs.fileType = DataStream
        hdfs.fileSuffix = .avro
        hdfs.rollCount = 0
        hdfs.rollSize = 0
        serializer = avro_event
        """,
}
LINES = [f"{1_700_000_000_000 + n * 77_777} h{n % 3} body {n}" for n in range(100)]


@pytest.fixture(scope="module")
def hdfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hdfs]:
    flume_peer.script()
    one = Hdfs(Path(tmp_path_factory.mktemp("hdfs")))
    try:
        one.up()
        yield one
    finally:
        one.down()


def properties(where: Path, path: str) -> Path:
    """A source that reads the lines, and a sink of each kind."""
    spool = where / "spool"
    spool.mkdir(parents=True)
    (spool / "lines").write_text("".join(f"{line}\n" for line in LINES))
    names = " ".join(SINKS)
    text = f"""
        a1.sources = r
        a1.channels = {names}
        a1.sinks = {names}
        a1.sources.r.type = spooldir
        a1.sources.r.spoolDir = {spool}
        a1.sources.r.channels = {names}
        a1.sources.r.interceptors = i
        a1.sources.r.interceptors.i.type = regex_extractor
        a1.sources.r.interceptors.i.regex = ^(\\\\d+) (\\\\w+)
        a1.sources.r.interceptors.i.serializers = t h
        a1.sources.r.interceptors.i.serializers.t.name = timestamp
        a1.sources.r.interceptors.i.serializers.h.name = host
        """
    for name, given in SINKS.items():
        text += f"""
        a1.channels.{name}.type = memory
        a1.channels.{name}.capacity = 1000
        a1.sinks.{name}.type = hdfs
        a1.sinks.{name}.channel = {name}
        a1.sinks.{name}.hdfs.path = {path}/{name}/%Y-%m-%d
        a1.sinks.{name}.hdfs.rollInterval = 0
        """
        for line in given.strip().splitlines():
            text += f"a1.sinks.{name}.{line.strip()}\n" if line.strip() else ""
    conf = where / "flume.properties"
    conf.write_text("\n".join(line.strip() for line in text.splitlines()))
    return conf


def drained(port: int) -> bool:
    """Flume's monitoring says that all its sinks have delivered all."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            said = json.load(answer)
    except OSError:
        return False
    sinks = [value for name, value in said.items() if name.startswith("SINK.")]
    return len(sinks) == len(SINKS) and all(
        one["EventDrainSuccessCount"] == str(len(LINES)) for one in sinks
    )


def names(files: dict[str, bytes]) -> list[str]:
    """Names without the counters, which begin with the time of the start, in their order."""
    return [re.sub(r"\.\d{13}", ".N", path.split("/", 2)[2]) for path in files]


def in_order(lines: bytes) -> bytes:
    """Headers that a line begins with, sorted: Java's maps have an order of their own."""
    return re.sub(
        rb"\{(.*?)\}", lambda match: b"{%s}" % b", ".join(sorted(match[1].split(b", "))), lines
    )


def test_the_same_files(tmp_path: Path, hdfs: Hdfs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLUME_CONF_DIR", hdfs.conf)
    monkeypatch.setenv("HADOOP_CONF_DIR", hdfs.conf)
    monkeypatch.setenv("HADOOP_USER_NAME", "root")
    # Flume's path has a scheme, ours is in the default file system.
    theirs = properties(tmp_path / "theirs", f"{hdfs.uri}/theirs")
    port = flume_peer.free_port()
    monkeypatch.setenv("FLUME_MONITOR_PORT", str(port))
    with flume_peer.agent(theirs):
        until(lambda: drained(port), 120)
    plan = load([str(properties(tmp_path / "ours", "/ours"))], "a1")
    assert not plan.problems
    with Agent(plan) as agent:
        until(
            lambda: all(s.counters["EventDrainSuccessCount"] == 100 for s in agent.sinks.values())
        )
    flumes, ours = hdfs.contents("/theirs"), hdfs.contents("/ours")
    assert names(ours) == names(flumes)
    plain = ("buckets", "size")
    for mine, other in zip(ours, flumes, strict=True):
        if mine.split("/")[2] in plain:
            assert in_order(ours[mine]) == in_order(flumes[other]), mine
    kinds = [name for name in SINKS if name not in plain]
    read = [
        hdfs.run("dfs", "-text", *(f"/{whose}/{kind}/*/*" for kind in kinds))
        for whose in ("ours", "theirs")
    ]
    assert read[0] == read[1]
    assert read[0].count("body 42") + read[0].count("62 6f 64 79 20 34 32") == len(kinds)
