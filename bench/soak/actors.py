"""The processes of a soak: started, killed, stopped, started again; and the broker's, which is measured meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

__all__ = ["Actor", "BrokerProcess", "Sample", "largest_areas"]

ROOT = Path(__file__).resolve().parents[2]


class Actor:
    """A client in processes that follow each other; incarnation `n` notes into `<name>.<n>`."""

    def __init__(self, module: str, name: str, where: Path, words: list[str]) -> None:
        self.name = name
        self._module = module
        self._where = where
        self._words = words
        self.incarnation = -1
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """The next incarnation. `{name}` and `{notes}` in its words become its own."""
        self.incarnation += 1
        name = f"{self.name}.{self.incarnation}"
        notes = str(self._where / name)
        words = [word.format(name=name, notes=notes) for word in self._words]
        with open(self._where / "errors.txt", "ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self._module, *words],
                cwd=ROOT,
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def pause(self, *, on: bool) -> None:
        """SIGSTOP, or go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP if on else signal.SIGCONT)

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


class Sample:
    """What a broker's process held at a moment: own memory (MB), descriptors, threads."""

    def __init__(self, pid: int, at: float) -> None:
        fields = {}
        with open(f"/proc/{pid}/status") as file:
            for line in file:
                name, _, value = line.partition(":")
                fields[name] = value.split()
        self.at = at
        self.own_mb = int(fields["RssAnon"][0]) / 1024
        self.threads = int(fields["Threads"][0])
        self.descriptors = len(os.listdir(f"/proc/{pid}/fd"))


def largest_areas(pid: int, count: int = 6) -> list[str]:
    """Where a process's own memory lies: the areas with most of it, "MB name size"."""
    areas: list[tuple[int, str]] = []
    name = ""
    with open(f"/proc/{pid}/smaps") as file:
        for line in file:
            words = line.split()
            if "-" in words[0]:
                first, last = (int(end, 16) for end in words[0].split("-"))
                name = f"{words[5] if len(words) > 5 else 'anonymous'} of {(last - first) >> 20} MB"
            elif words[0] == "Anonymous:":
                areas.append((int(words[1]), name))
    return [f"{kb / 1024:.0f} MB in {name}" for kb, name in sorted(areas)[: -count - 1 : -1]]


class BrokerProcess:
    """`logflume serve`, on the same port through all its lives."""

    def __init__(self, directory: Path, port: int, log: Path) -> None:
        self._directory = directory
        self._port = port
        self._log = log
        self.start_ms: list[float] = []
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start, and wait until it listens."""
        started = time.monotonic()
        with open(self._log, "ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "logflume", "--json", "serve", str(self._directory),
                 "--listen", self.bootstrap, "--config", "log.retention.check.interval.ms=5s"],
                stdout=subprocess.PIPE, stderr=errors,
            )  # fmt: skip
        assert self._process.stdout is not None
        text = b""
        while not text.rstrip().endswith(b"}"):
            line = self._process.stdout.readline()
            if not line:
                raise RuntimeError(f"the broker does not start: see {self._log}")
            text += line
        self.start_ms.append((time.monotonic() - started) * 1000)
        assert json.loads(text)["bootstrap"] == self.bootstrap

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def sample(self, at: float) -> Sample:
        assert self._process is not None
        return Sample(self._process.pid, at)

    def areas(self) -> list[str]:
        """Where its memory lies."""
        assert self._process is not None
        return largest_areas(self._process.pid)

    def kill(self) -> None:
        """kill -9."""
        assert self._process is not None
        self._process.kill()
        self._end()

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._end()

    def _end(self) -> int:
        assert self._process is not None
        code = self._process.wait(60)
        if self._process.stdout is not None:
            self._process.stdout.close()
        return code
