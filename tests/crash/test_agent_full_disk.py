"""A channel's disk is full: intake stops with a clear error, and goes on by itself when there is room."""

from __future__ import annotations

import ctypes
import logging
import os
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from logflume.agent import Agent
from logflume.agent.reading import plan_of

LINES = 200_000


def mounted(*words: str) -> str | None:
    """Runs mount; what it said when it failed."""
    done = subprocess.run(["mount", *words], capture_output=True, text=True, check=False)
    return done.stderr if done.returncode else None


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    where = tmp_path / "disk"
    where.mkdir()
    if os.geteuid() != 0:
        pytest.skip(
            "a file system of its own can be mounted by root only: full disks are NOT tested"
        )
    if said := mounted("-t", "tmpfs", "-o", "size=6m", "tmpfs", str(where)):
        pytest.skip(f"no tmpfs can be mounted here, full disks are NOT tested: {said}")
    try:
        yield where
    finally:
        assert ctypes.CDLL(None, use_errno=True).umount2(str(where).encode(), 2) == 0


@pytest.mark.crash
@pytest.mark.timeout(180)
@pytest.mark.parametrize("full", ["channel", "output"])
def test_it_waits_and_resumes(
    tmp_path: Path, small_disk: Path, full: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR, "logflume")
    (tmp_path / "in").mkdir()
    expected = [b"line %d %s" % (n, b"x" * 80) for n in range(LINES)]
    (tmp_path / "in" / "a.log").write_bytes(b"\n".join(expected) + b"\n")
    out = small_disk if full == "output" else tmp_path / "out"
    given = {
        "a.sources": "r",
        "a.channels": "c",
        "a.sources.r.type": "taildir",
        "a.sources.r.filegroups": "f",
        "a.sources.r.filegroups.f": f"{tmp_path}/in/.*\\.log",
        "a.sources.r.positionFile": f"{tmp_path}/positions.json",
        "a.sources.r.channels": "c",
        "a.channels.c.type": "file",
        "a.channels.c.dataDirs": str(small_disk if full == "channel" else tmp_path / "channel"),
    }
    sink = {
        "a.sinks": "k",
        "a.sinks.k.type": "file_roll",
        "a.sinks.k.channel": "c",
        "a.sinks.k.sink.directory": str(out),
    }
    # A channel fills its disk when nobody takes from it.
    with Agent(plan_of(given if full == "channel" else given | sink, "a")) as agent:
        end = time.monotonic() + 60
        while not any("DiskFull" in message or "full" in message for message in caplog.messages):
            assert time.monotonic() < end, caplog.messages
            time.sleep(0.02)
        accepted = agent.sources["r"].counters["EventAcceptedCount"]
        assert mounted("-o", "remount,size=200m", str(small_disk)) is None
        if full == "channel":
            assert accepted < LINES
            assert agent.sources["r"].counters["ChannelWriteFail"] > 0
            agent.reload(plan_of(given | sink, "a"))
        while agent.channels["c"].counters["ChannelSize"] or (
            agent.sources["r"].counters["EventAcceptedCount"] < LINES and full == "output"
        ):
            assert time.monotonic() < end + 60
            time.sleep(0.05)
        found: Counter[bytes] = Counter()
        while sum(found.values()) < LINES and time.monotonic() < end + 60:
            time.sleep(0.1)
            paths = [path for path in out.glob("*-*") if path.is_file()]
            found = Counter(line for path in paths for line in path.read_bytes().splitlines())
    assert found == Counter(expected)
