"""A workload that comes by every failpoint, run in a process of its own and killed there, or given an error.

It reports "ack <offset> <value>" for every record acknowledged, "failed <value>" for one refused, "synced <end>",
"start <offset>" and "error <what>" for other refusals, "done" at its end.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from logflume import errors
from logflume._native.partition_log import arm_failpoints
from support.children import report
from support.partitions import Handle

SETTINGS: dict[str, Any] = {"segment_bytes": 8192, "index_interval_bytes": 300}

UNACKNOWLEDGED = b"in flight when its writer died"


def value_of(number: int) -> bytes:
    return b"%05d." % number + b"x" * (number * 37 % 250)


class Script:
    def __init__(self, directory: Path, first: int) -> None:
        self.directory = directory
        self.number = first
        self.handle: Handle | None = None

    def attempt(self, what: str, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except errors.LogflumeError as error:
            report("error", what, type(error).__name__, str(error).replace(" ", "_"))
            return None

    def open(self) -> None:
        """Opens; twice when the first is refused, as a person would."""
        for _ in range(2):
            if self.handle is None:
                self.handle = self.attempt("open", lambda: Handle(self.directory, **SETTINGS))

    @property
    def log(self) -> Any:
        assert self.handle is not None
        return self.handle.log

    def close(self) -> None:
        handle, self.handle = self.handle, None
        if handle:
            self.attempt("close", handle.close)

    def one(self) -> None:
        self.append(lambda value: self.log.append(value, timestamp=self.number + 1))

    def many(self) -> None:
        """As above, through the staging buffer."""
        self.append(lambda value: self.log.append_many([value], timestamps=[self.number + 1]))

    def append(self, call: Callable[[bytes], int]) -> None:
        value = value_of(self.number)
        report("try", value.decode())
        try:
            report("ack", call(value), value.decode())
        except errors.LogflumeError as error:
            report("failed", value.decode(), type(error).__name__)
        self.number += 1

    def sync(self) -> None:
        end = self.log.end_offset

        def call() -> None:
            self.log.sync()
            report("synced", end)

        try:
            call()
        except errors.SyncFailed as error:
            # It stays refused until opened anew, which recovers.
            report("error", "sync", type(error).__name__)
            self.close()
            self.open()
        except errors.LogflumeError as error:
            report("error", "sync", type(error).__name__)

    def retain(self) -> None:
        start = (self.log.start_offset + self.log.end_offset) // 2

        def call() -> None:
            self.log.set_start_offset(start)
            report("start", start)

        self.attempt("set_start", call)
        self.attempt("delete", self.log.delete_old_segments)
        self.attempt("expire", lambda: self.log.expire(0, -1, 12_000))
        report("start", self.log.start_offset)

    def die_holding_the_lock(self) -> None:
        """A forked child dies in the middle of an append, so that this process takes over from it."""
        child = os.fork()
        if not child:
            arm_failpoints("append.after_write:1:kill")
            Handle(self.directory, **SETTINGS).log.append_many([UNACKNOWLEDGED])
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def run(directory: str, first: int = 0) -> None:
    script = Script(Path(directory), first)
    script.open()
    for _ in range(2):
        for _ in range(50):
            script.one()
            script.many()
        script.sync()
        script.attempt("roll", script.log.roll)
        script.one()
    script.die_holding_the_lock()
    for _ in range(10):
        script.one()
        script.many()
    script.retain()
    script.one()
    script.close()
    script.open()
    script.many()
    script.sync()
    script.close()
    report("done")
