"""Agents as processes: ours, and a real Flume (`../shared/peers/flume`, or LOGFLUME_FLUME_PEER), on one configuration.

Both read the same properties; a job is over when the files that the sink writes have all bytes.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = [
    "LINE",
    "Agent",
    "Sender",
    "configuration",
    "free_port",
    "missing_flume",
    "running",
    "sending",
]

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
    "avro": "a.sources.r.type = avro\na.sources.r.bind = 127.0.0.1\na.sources.r.port = {port}\n",
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


def free_port() -> int:
    """A port that nobody has just now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def configuration(
    where: Path, source: str, channel: str, batch: int, *, stuck: bool = False, port: int = 0
) -> Path:
    """A file of properties for a flow in `where`: source (on `port`, when it is a server), channel, file roll."""
    text = REST + SOURCES[source] + CHANNELS[channel]
    text += (
        STUCK + "a.sinks.k.batch-size = {batch}\n"
        if stuck
        else ROLL + "a.sinks.k.sink.batchSize = {batch}\n"
    )
    path = where / "flume.properties"
    path.write_text(text.format(where=where, batch=batch, port=port))
    for name in ("in", "out"):
        (where / name).mkdir(exist_ok=True)
    return path


class Agent:
    """A running agent, or another server; killed at the end of its `with`."""

    def __init__(self, where: Path, words: list[str]) -> None:
        self.where = where
        self._log = (where / "agent.log").open("wb")
        self.process = subprocess.Popen(
            words,
            cwd=ROOT,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
            env=os.environ | {"FLUME_JAVA_OPTS": "-Xms1g -Xmx2g"},
        )

    def __enter__(self) -> Agent:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

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

    def cpu_seconds(self) -> float:
        """Its processor time so far, all threads."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def kill(self) -> None:
        """kill -9."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._log.close()


def running(where: Path, conf: Path, *, flume: bool) -> Agent:
    """Flume's agent or ours, started."""
    if flume:
        return Agent(where, [str(FLUME), "run", str(conf), "a"])
    words = [sys.executable, "-m", "logflume", "agent", "run", "--conf", str(conf), "--name", "a"]
    return Agent(where, words)


class Sender:
    """Flume's own RPC client in a JVM of its own: `clients` connections, batches of `batch` events of 99 bytes."""

    def __init__(self, where: Path, port: int, clients: int, batch: int) -> None:
        self._errors = (where / "sender.log").open("wb")
        program = str(Path(__file__).with_name("FlumeSender.java"))
        self._process = subprocess.Popen(
            [str(FLUME), "tool", program, str(port), str(clients), str(batch), "99"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            start_new_session=True,
            env=os.environ | {"FLUME_JAVA_OPTS": "-Xms256m -Xmx512m"},
        )

    def send(self, count: int) -> float:
        """Send so many events; the seconds until the last was answered for."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{count}\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            try:
                return float(line)
            except ValueError:  # a word of its logging
                continue
        raise RuntimeError(f"the sender ended: {Path(self._errors.name).read_text()[-3000:]}")

    def kill(self) -> None:
        """kill -9."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()
        self._errors.close()


@contextmanager
def sending(where: Path, port: int, clients: int, batch: int) -> Iterator[Sender]:
    """A sender, killed in the end. Waits until somebody listens on the port."""
    end = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
    made = Sender(where, port, clients, batch)
    try:
        yield made
    finally:
        made.kill()
