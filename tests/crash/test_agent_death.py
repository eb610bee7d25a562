"""kill -9 of an agent at random moments, while files grow, rotate and are cut off: no event lost, none doubled.

LOGFLUME_AGENT_KILLS=1000 makes it that many for each pair of source and sink (half a minute for each hundred).
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

import logflume

KILLS = int(os.environ.get("LOGFLUME_AGENT_KILLS", "20"))
SCRIPT = Path(__file__).with_name("agent_script.py")

TAIL = """
a.sources.r.type = taildir
a.sources.r.filegroups = f
a.sources.r.filegroups.f = {where}/in/.*\\\\.log.*
a.sources.r.positionFile = {where}/positions.json
a.sources.r.batchSize = 20
"""
SPOOL = """
a.sources.r.type = spooldir
a.sources.r.spoolDir = {where}/in
a.sources.r.batchSize = 20
a.sources.r.pollDelay = 5
"""
FILES = """
a.sinks.k.type = file_roll
a.sinks.k.sink.directory = {where}/out
a.sinks.k.sink.rollCount = 7000
"""
TOPIC = """
a.sinks.k.type = logflume
a.sinks.k.directory = {where}/out
a.sinks.k.topic = t
a.sinks.k.batchSize = 200
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


class Feed:
    """Lines for a source, and what became of the files."""

    def __init__(self, where: Path, draw: random.Random) -> None:
        self.inside = where / "in"
        self.inside.mkdir()
        self.draw = draw
        self.sent = 0
        self.files = 0

    def _lines(self, count: int) -> bytes:
        first, self.sent = self.sent, self.sent + count
        return b"".join(b"line %d\n" % number for number in range(first, self.sent))

    def spool(self) -> None:
        """A file that comes whole."""
        self.files += 1
        hidden = self.inside / f".{self.files}"
        hidden.write_bytes(self._lines(self.draw.randrange(1, 400)))
        hidden.rename(self.inside / f"{self.files}.txt")

    def append(self) -> None:
        """More lines, one of them in two halves; now and then the file is rotated away."""
        path = self.inside / f"{self.draw.randrange(3)}.log"
        lines = self._lines(self.draw.randrange(1, 400))
        half = self.draw.randrange(len(lines))
        with path.open("ab") as file:
            file.write(lines[:half])
            file.flush()
            file.write(lines[half:])
        if self.draw.random() < 0.1:
            self.files += 1
            path.rename(f"{path}.{self.files}")

    def cut_off(self) -> None:
        """What copytruncate does in the end; everything was read by then."""
        for path in self.inside.glob("*.log*"):
            os.truncate(path, 0)


def delivered_to_files(where: Path) -> Counter[bytes]:
    found: Counter[bytes] = Counter()
    for path in (where / "out").glob("*"):
        try:
            found.update(path.read_bytes().splitlines())
        except (
            FileNotFoundError
        ):  # begun behind the last settling, and removed by the agent that came back
            continue
    return found


def delivered_to_topic(where: Path) -> Counter[bytes]:
    if not (where / "out").exists():
        return Counter()
    found: Counter[bytes] = Counter()
    with logflume.open(where / "out") as log:
        if "t" not in log.topics():
            return found
        reader = log.partition("t", 0).reader(0, read_committed=True)
        while len(records := reader.read(100_000)):
            found.update(records.values.tolist())  # type: ignore[arg-type]
    return found


@pytest.mark.crash
@pytest.mark.slow
@pytest.mark.timeout(60 + 2 * KILLS)
@pytest.mark.parametrize("source", [TAIL, SPOOL], ids=["taildir", "spooldir"])
@pytest.mark.parametrize("sink", [FILES, TOPIC], ids=["files", "topic"])
def test_every_line_arrives_once(tmp_path: Path, source: str, sink: str) -> None:
    seed = random.randrange(1 << 32)
    print("seed", seed)
    draw = random.Random(seed)
    feed = Feed(tmp_path, draw)
    conf = tmp_path / "flume.properties"
    conf.write_text((REST + source + sink).format(where=tmp_path))
    delivered = delivered_to_files if sink is FILES else delivered_to_topic
    words = [sys.executable, str(SCRIPT), str(conf)]
    with (
        subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server,
        ExitStack() as stack,
    ):
        stack.callback(server.kill)
        assert server.stdin is not None
        assert server.stdout is not None

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

        def until_all_arrived() -> None:
            end = time.monotonic() + 60
            while sum(delivered(tmp_path).values()) < feed.sent and time.monotonic() < end:
                time.sleep(0.2)
            time.sleep(0.3)  # whatever came twice would come now
            expected = Counter(b"line %d" % number for number in range(feed.sent))
            got = delivered(tmp_path)
            assert got - expected == Counter(), f"doubled, seed {seed}"
            assert expected - got == Counter(), f"lost, seed {seed}"

        for number in range(1, KILLS + 1):
            pid = start()
            deadline = time.monotonic() + draw.choice([0.02, 0.06, 0.15, 0.3]) * draw.random() * 2
            while time.monotonic() < deadline:
                feed.append() if source is TAIL else feed.spool()
                time.sleep(0.01)
            if number % 50 == 10:
                until_all_arrived()
                if source is TAIL:
                    feed.cut_off()
            kill(pid)
        pid = start()
        until_all_arrived()
        kill(pid)
        server.stdin.close()
        print("kills", KILLS + 1, "lines", feed.sent)
