"""kill -9 of an agent at random moments: no event lost, none doubled."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

KILLS = int(os.environ.get("LOGFLUME_AGENT_KILLS", "6"))
LINES = 60_000

TAIL = """
a.sources.r.type = taildir
a.sources.r.filegroups = f
a.sources.r.filegroups.f = {where}/in/.*\\\\.log
a.sources.r.positionFile = {where}/positions.json
a.sources.r.batchSize = 200
"""
SPOOL = """
a.sources.r.type = spooldir
a.sources.r.spoolDir = {where}/in
a.sources.r.batchSize = 200
"""
REST = """
a.sources = r
a.channels = c
a.sinks = k
a.sources.r.channels = c
a.channels.c.type = file
a.channels.c.dataDirs = {where}/channel
a.channels.c.capacity = 20000
a.sinks.k.type = file_roll
a.sinks.k.channel = c
a.sinks.k.sink.directory = {where}/out
a.sinks.k.sink.rollCount = 7000
a.sinks.k.sink.batchSize = 500
"""


def delivered(where: Path) -> list[bytes]:
    return [line for path in (where / "out").glob("*") for line in path.read_bytes().splitlines()]


@pytest.mark.crash
@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("source", [TAIL, SPOOL], ids=["taildir", "spooldir"])
def test_every_line_arrives_once(tmp_path: Path, source: str) -> None:
    seed = random.randrange(1 << 32)
    print("seed", seed)
    draw = random.Random(seed)
    (tmp_path / "in").mkdir()
    expected = [b"line %d" % number for number in range(LINES)]
    for number in range(6):
        part = expected[number * 10_000 : (number + 1) * 10_000]
        (tmp_path / "in" / f"{number}.log").write_bytes(b"\n".join(part) + b"\n")
    conf = tmp_path / "flume.properties"
    conf.write_text((REST + source).format(where=tmp_path))
    words = [sys.executable, "-m", "logflume", "agent", "run", "--conf", str(conf), "--name", "a"]
    for kill in range(KILLS + 1):
        with subprocess.Popen(words, stderr=subprocess.PIPE) as agent:
            if kill < KILLS:
                time.sleep(draw.uniform(0.4, 1.2))
                agent.send_signal(signal.SIGKILL)
                agent.communicate()
                continue
            end = time.monotonic() + 120
            while len(delivered(tmp_path)) < LINES and time.monotonic() < end:
                time.sleep(0.1)
            time.sleep(1.5)  # whatever came twice would come now
            agent.send_signal(signal.SIGTERM)
            _, said = agent.communicate(timeout=60)
            assert agent.returncode == 0, said.decode()
    assert sorted(delivered(tmp_path)) == sorted(expected)
