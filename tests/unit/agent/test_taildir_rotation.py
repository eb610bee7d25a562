"""Many logs under load that are rotated, by renaming and by copying and truncating: every line once."""

from __future__ import annotations

import os
import random
import shutil
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from logflume.agent import Agent
from logflume.agent.reading import plan_of

FILES = 60


class Logs:
    """Writes to many files, and rotates them as logrotate does."""

    def __init__(self, where: Path, *, truncate: bool, seed: int) -> None:
        self.where = where
        self.truncate = truncate
        self.draw = random.Random(seed)
        self.sent = 0
        self.rotated = 0

    def step(self) -> None:
        path = self.where / f"{self.draw.randrange(FILES)}.log"
        count = self.draw.randrange(1, 60)
        lines = b"".join(b"line %d\n" % n for n in range(self.sent, self.sent + count))
        self.sent += count
        with path.open("ab", buffering=0) as file:
            file.write(lines)

    def rotate(self) -> None:
        """Half of the files. What nobody has read when a file is truncated is lost to every tail: none writes then."""
        for path in sorted(self.where.glob("*.log"))[:: self.draw.randrange(1, 3)]:
            self.rotated += 1
            if self.truncate:
                # The copies have names of their own, that no group of files has.
                shutil.copy(path, self.where / f"{path.name}.{self.rotated}.copy")
                os.truncate(path, 0)
            else:
                path.rename(self.where / f"{path.name}.{self.rotated}")


@pytest.mark.timeout(180)
@pytest.mark.parametrize("truncate", [False, True], ids=["rename", "copytruncate"])
def test_every_line_arrives_once(tmp_path: Path, truncate: bool) -> None:
    seed = random.randrange(1 << 32)
    print("seed", seed)
    (tmp_path / "in").mkdir()
    logs = Logs(tmp_path / "in", truncate=truncate, seed=seed)
    given = {
        "a.sources": "r",
        "a.channels": "c",
        "a.sinks": "k",
        "a.sources.r.type": "taildir",
        "a.sources.r.filegroups": "f",
        "a.sources.r.filegroups.f": f"{tmp_path}/in/\\d+\\.log(\\.\\d+)?",
        "a.sources.r.positionFile": f"{tmp_path}/positions.json",
        "a.sources.r.idleTimeout": "300",
        "a.sources.r.channels": "c",
        "a.channels.c.type": "file",
        "a.channels.c.dataDirs": f"{tmp_path}/channel",
        "a.sinks.k.type": "file_roll",
        "a.sinks.k.channel": "c",
        "a.sinks.k.sink.directory": f"{tmp_path}/out",
    }
    with Agent(plan_of(given, "a")) as agent:
        accepted = agent.sources["r"].counters

        def until_all_is_read() -> None:
            end = time.monotonic() + 60
            while accepted["EventAcceptedCount"] < logs.sent:
                assert time.monotonic() < end, (accepted["EventAcceptedCount"], logs.sent, seed)
                time.sleep(0.01)

        for _ in range(6):
            end = time.monotonic() + 0.3
            while time.monotonic() < end:
                logs.step()
            if truncate:
                until_all_is_read()
            logs.rotate()
        until_all_is_read()
        end = time.monotonic() + 60
        while agent.channels["c"].counters["ChannelSize"] and time.monotonic() < end:
            threading.Event().wait(0.02)
    out = (tmp_path / "out").iterdir()
    found = Counter(line for path in out for line in path.read_bytes().splitlines())
    assert found == Counter(b"line %d" % n for n in range(logs.sent))
    assert logs.rotated > FILES
