"""Processes that a test starts and kills: each runs one function of a module of the tests."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[1]

MAIN = """
import faulthandler, importlib, json, sys
faulthandler.enable()
module, function, arguments = sys.argv[1:4]
getattr(importlib.import_module(module), function)(**json.loads(arguments))
"""


def report(*words: Any) -> None:
    """In a child: one line to the test. One write, so that a kill leaves it whole or not there."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


class Child:
    """`module.function(**arguments)` in a process of its own; what it reports arrives in `lines`."""

    def __init__(
        self, module: str, function: str, *, failpoint: str = "", **arguments: Any
    ) -> None:
        paths = [str(TESTS), *(path for path in sys.path if path)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
        environment["LOGFLUME_FAILPOINT"] = failpoint
        text = json.dumps(arguments, default=str)
        self.process = subprocess.Popen(
            [sys.executable, "-c", MAIN, module, function, text],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
        )
        assert self.process.stdout is not None
        self.stdout = self.process.stdout
        os.set_blocking(self.stdout.fileno(), False)
        self.lines: list[list[str]] = []
        self.rest = b""

    def take(self, seconds: float = 0.0) -> int:
        """Collects what was reported, waiting up to `seconds` for the first line; how many lines came."""
        ready, _, _ = select.select([self.stdout], [], [], seconds)
        if not ready:
            return 0
        data = os.read(self.stdout.fileno(), 1 << 20)
        *whole, self.rest = (self.rest + data).split(b"\n")
        self.lines += [line.decode().split() for line in whole]
        return len(whole)

    def wait_for(self, word: str, seconds: float = 60.0) -> None:
        """Until a line begins with `word`; fails the test when none does in time."""
        deadline = time.monotonic() + seconds
        while not any(line and line[0] == word for line in self.lines):
            assert time.monotonic() < deadline, f"no {word!r} within {seconds} s: {self.lines[-3:]}"
            if not self.take(0.2) and self.process.poll() is not None and not self.take():
                raise AssertionError(f"ended without {word!r}: {self.errors()}")

    def errors(self) -> str:
        assert self.process.stderr is not None
        return self.process.stderr.read().decode()

    def kill(self) -> None:
        """kill -9; then everything that it reported before is in `lines`."""
        self.process.kill()
        self.process.wait(60)
        self.drain()

    def finish(self, seconds: float = 60.0) -> int:
        """Waits for the end (a hang fails the test); the exit status, negative for a signal."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None:
            self.take(0.05)
            if time.monotonic() > deadline:
                self.process.kill()
                raise AssertionError(f"hangs: {self.lines[-3:]} {self.errors()}")
        self.drain()
        return self.process.returncode

    def drain(self) -> None:
        while self.take():
            pass
        self.rest = b""

    def close(self) -> None:
        """Whatever happened, nothing of it is left."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(60)
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
