"""A process that is stopped while it holds a partition's writer lock."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import logflume
from support.children import Child, report

HELD_S = 0.2  # until the writer stands at its failpoint, right behind its report


def write_one(path: str, topic: str) -> None:
    """In a child: one record, during which it sleeps at its failpoint."""
    with logflume.open(path) as log:
        partition = log.partition(topic, 0)
        report("ready")
        partition.append_many([b"of the stopped"], keys=[b"k"])
        report("done")


class Held:
    """The stopped process."""

    def __init__(self, child: Child) -> None:
        self._child = child

    def go_on(self) -> None:
        """Let go of the lock."""
        os.kill(self._child.process.pid, signal.SIGCONT)
        self._child.wait_for("done")
        assert self._child.finish() == 0


@contextmanager
def held_writer_lock(path: Path, topic: str) -> Iterator[Held]:
    """Partition 0 of the topic is locked, until `go_on()`, or until the process is killed at the end."""
    failpoint = "append.before_write:1:sleep=2"
    arguments = {"path": str(path), "topic": topic}
    with Child("support.held_locks", "write_one", failpoint=failpoint, **arguments) as child:
        child.wait_for("ready")
        time.sleep(HELD_S)
        os.kill(child.process.pid, signal.SIGSTOP)
        yield Held(child)
