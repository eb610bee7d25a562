"""An agent that is killed at any moment and started again, and what must have arrived in the end."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from support.children import TESTS

__all__ = ["KILLS", "KilledAgent"]

KILLS = int(os.environ.get("LOGFLUME_AGENT_KILLS", "0"))
"""So many for each pair of source and sink; 0: a few. `make soak-agent KILLS=1000`."""

SCRIPT = TESTS / "crash" / "agent_script.py"
REST = """
a.sources = r
a.channels = c
a.sinks = k
a.sources.r.channels = c
a.channels.c.type = file
a.channels.c.dataDirs = {where}/channel
a.channels.c.capacity = 20000
a.channels.c.transactionCapacity = 500
a.sinks.k.channel = c
"""


class KilledAgent:
    """The agent `a` of a source and a sink, with a file channel between; a context manager that leaves nothing behind.

    Parameters: a directory; the source's and the sink's properties, and what stands for their `{names}`. `draw` is the
    randomness of the run, whose seed is printed.
    """

    def __init__(self, where: Path, source: str, sink: str, **names: str) -> None:
        self.seed = random.randrange(1 << 32)
        print("seed", self.seed)
        self.draw = random.Random(self.seed)
        self.kills = 0
        conf = where / "flume.properties"
        conf.write_text((REST + source + sink).format(where=where, **names))
        self._conf = conf
        self._pid = 0
        self._starter = subprocess.Popen(
            [sys.executable, str(SCRIPT), str(conf)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self) -> None:
        """The next life."""
        assert self._starter.stdin is not None
        assert self._starter.stdout is not None
        self._starter.stdin.write(f"{self._conf}\n")
        self._starter.stdin.flush()
        self._pid = int(self._starter.stdout.readline())

    def kill(self) -> None:
        """kill -9."""
        assert self._starter.stdout is not None
        os.kill(self._pid, signal.SIGKILL)
        assert int(self._starter.stdout.readline()) == signal.SIGKILL, "the agent ended by itself"
        self.kills += 1

    def until_all_arrived(
        self, expected: Counter[bytes], delivered: Callable[[], Counter[bytes]]
    ) -> None:
        """Fails the test when events are lost, or doubled. The agent runs."""
        end = time.monotonic() + 90
        while (got := delivered()) != expected and time.monotonic() < end:
            time.sleep(0.1)
        if got == expected:
            # Whatever came twice would come now. What goes may come back: a life that has just begun cuts off what the
            # one before it left unsettled, and delivers that again.
            time.sleep(0.5)
            while (got := delivered()) != expected and time.monotonic() < end:
                time.sleep(0.1)
        assert got - expected == Counter(), f"doubled, seed {self.seed}"
        assert expected - got == Counter(), f"lost, seed {self.seed}"

    def __enter__(self) -> KilledAgent:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # What it forked ends with it.
        self._starter.kill()
        self._starter.communicate()
