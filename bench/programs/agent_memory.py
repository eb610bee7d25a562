"""An agent's memory over many events: spooldir, file channel, file roll. Prints a row of JSON for every so many events.

    python -m bench.programs.agent_memory DIRECTORY [MILLIONS=100]

The same million lines of 100 bytes come again and again as new names of one file; what was delivered is deleted.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from bench.peers.agents import LINE
from bench.programs.memory import used

LINES = 1_000_000
AHEAD = 3
ROWS = 20


def configuration(where: Path) -> dict[str, str]:
    return {
        "a.sources": "r",
        "a.channels": "c",
        "a.sinks": "k",
        "a.sources.r.type": "spooldir",
        "a.sources.r.spoolDir": str(where / "in"),
        "a.sources.r.deletePolicy": "immediate",
        "a.sources.r.pollDelay": "10",
        "a.sources.r.batchSize": "1000",
        "a.sources.r.fileHeader": "true",
        "a.sources.r.channels": "c",
        "a.channels.c.type": "file",
        "a.channels.c.dataDirs": str(where / "channel"),
        "a.channels.c.maxFileSize": str(256 << 20),
        "a.sinks.k.type": "file_roll",
        "a.sinks.k.channel": "c",
        "a.sinks.k.sink.directory": str(where / "out"),
        "a.sinks.k.sink.rollSize": str(256 << 20),
    }


def disk_mb(where: Path) -> int:
    """What the channel has on disk."""
    return sum(p.stat().st_blocks for p in where.rglob("*") if p.is_file()) // 2048


def main(directory: str, millions: int = 100) -> None:
    from logflume.agent import Agent
    from logflume.agent.reading import plan_of

    where = Path(directory)
    for name in ("in", "out"):
        (where / name).mkdir(parents=True)
    with (where / "lines").open("wb") as file:
        for start in range(0, LINES, 20_000):
            file.write(b"".join(LINE % n for n in range(start, start + 20_000)))
    sent = shown = 0
    with Agent(plan_of(configuration(where), "a")) as agent:
        drained, began = agent.sinks["k"].counters, time.perf_counter()
        while (done := int(drained["EventDrainSuccessCount"])) < millions * LINES:
            if sent < millions and sent * LINES - done < AHEAD * LINES:
                os.link(where / "lines", where / "in" / f"{sent}.txt")
                sent += 1
            for path in sorted((where / "out").iterdir(), key=lambda p: p.stat().st_mtime_ns)[:-2]:
                path.unlink()
            if done >= shown * millions * LINES // ROWS:
                shown += 1
                row = {
                    "events": done,
                    "seconds": round(time.perf_counter() - began, 1),
                    "channel_mb": disk_mb(where / "channel"),
                    **used(),
                }
                print(json.dumps(row), flush=True)
            time.sleep(0.02)
        row = {"events": done, "seconds": round(time.perf_counter() - began, 1), **used()}
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
