"""Agents as processes: ours, and a real Flume (`../shared/peers/flume`, or LOGFLUME_FLUME_PEER), on one configuration.

Both read the same properties; a job is over when the files that the sink writes have all bytes.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["LINE", "Agent", "configuration", "missing_flume"]

ROOT = Path(__file__).resolve().parents[2]
FLUME = Path(os.environ.get("LOGFLUME_FLUME_PEER", ROOT.parent / "shared/peers/flume/flume"))
# 100 bytes with its newline.
LINE = b"2026-11-23 09:00:00 host-1 GET /some/path/of/a/request?with=parameters&number=%012d HTTP/1.1 200\n"
LOST_S = 300.0

CHANNELS = {
    "file": "a.channels.c.type = file\na.channels.c.dataDirs = {where}/data\n"
    "a.channels.c.checkpointDir = {where}/check\n",
    "memory": "a.channels.c.type = memory\n",
}
SOURCES = {
    "taildir": "a.sources.r.type = TAILDIR\na.sources.r.filegroups = f\na.sources.r.filegroups.f = {where}/in/.*log\n"
    "a.sources.r.positionFile = {where}/positions.json\n",
    "spooldir": "a.sources.r.type = spooldir\na.sources.r.spoolDir = {where}/in\na.sources.r.pollDelay = 20\n",
}
# A sink that cannot deliver: its agent listens nowhere. Flume and logflume both name it so.
STUCK = "a.sinks.k.type = avro\na.sinks.k.hostname = 127.0.0.1\na.sinks.k.port = 9\n"
ROLL = "a.sinks.k.type = file_roll\na.sinks.k.sink.directory = {where}/out\na.sinks.k.sink.rollInterval = 0\n"
REST = """a.sources = r
a.channels = c
a.sinks = k
a.sources.r.channels = c
a.sources.r.batchSize = {batch}
a.sources.r.maxBackoffSleep = 20
a.sources.r.backoffSleepIncrement = 10
a.channels.c.capacity = 2000000
a.channels.c.transactionCapacity = 10000
a.channels.c.keep-alive = 10
a.sinks.k.channel = c
"""


def missing_flume() -> str | None:
    """Why there is no Flume here; None when there is one."""
    if not FLUME.is_file():
        return f"no Flume peer at {FLUME} (LOGFLUME_FLUME_PEER)"
    if shutil.which("java") is None:
        return "no Java for the Flume peer"
    return None


def configuration(
    where: Path, source: str, channel: str, batch: int, *, stuck: bool = False
) -> Path:
    """A file of properties for a flow in `where`: source, channel, file roll."""
    text = REST + SOURCES[source] + CHANNELS[channel]
    text += (
        STUCK + "a.sinks.k.batch-size = {batch}\n"
        if stuck
        else ROLL + "a.sinks.k.sink.batchSize = {batch}\n"
    )
    path = where / "flume.properties"
    path.write_text(text.format(where=where, batch=batch))
    for name in ("in", "out"):
        (where / name).mkdir(exist_ok=True)
    return path


class Agent:
    """One running agent. `flume`: the real one."""

    def __init__(self, where: Path, conf: Path, *, flume: bool) -> None:
        self.where = where
        words = [
            sys.executable,
            "-m",
            "logflume",
            "agent",
            "run",
            "--conf",
            str(conf),
            "--name",
            "a",
        ]
        if flume:
            words = [str(FLUME), "run", str(conf), "a"]
        self._log = (where / "agent.log").open("wb")
        self.process = subprocess.Popen(
            words,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
            env=os.environ | {"FLUME_JAVA_OPTS": "-Xms1g -Xmx2g"},
        )

    def delivered(self) -> int:
        """Bytes in the sink's files."""
        return sum(path.stat().st_size for path in (self.where / "out").iterdir())

    def wait(self, size: int) -> float:
        """Until the files have so many bytes; the moment when they had."""
        end = time.perf_counter() + LOST_S
        while self.delivered() < size:
            if self.process.poll() is not None or time.perf_counter() > end:
                raise RuntimeError(f"the agent does not deliver: {self.log()}")
            time.sleep(0.002)
        return time.perf_counter()

    def log(self) -> str:
        """The end of what it said."""
        return (self.where / "agent.log").read_bytes()[-3000:].decode(errors="replace")

    def rss_mb(self) -> float:
        """Its memory now."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def kill(self) -> None:
        """kill -9."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._log.close()


@contextmanager
def running(where: Path, conf: Path, *, flume: bool) -> Iterator[Agent]:
    """An agent, killed in the end."""
    made = Agent(where, conf, flume=flume)
    try:
        yield made
    finally:
        made.kill()
