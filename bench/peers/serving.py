"""`logflume serve` as a process, with what is measured of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["Serving", "cpu_s", "own_mb"]


def cpu_s(pid: int) -> float:
    """Processor time of all threads that a process has."""
    spent = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        spent += int((task / "schedstat").read_text().split()[0])
    return spent / 1e9


def own_mb(pid: int) -> float:
    """Memory that is a process's own; pages of files, which the kernel may take back, do not count."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) / 1024
    raise LookupError("RssAnon")


class Serving:
    """A running broker."""

    def __init__(self, pid: int, address: str) -> None:
        self.pid = pid
        self.address = address

    @classmethod
    @contextmanager
    def running(cls, where: Path) -> Iterator[Serving]:
        """From the start of the process to where clients can connect, and to its end."""
        with subprocess.Popen(
            [sys.executable, "-m", "logflume", "serve", str(where), "--listen", "127.0.0.1:0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                assert process.stdout is not None
                line = process.stdout.readline().decode()
                yield cls(process.pid, line.rpartition(" on ")[2].strip())
            finally:
                process.terminate()
                process.wait(30)
