"""Starts agents quickly, to be killed: a process that has imported everything forks one for each line it is given."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
import time

from logflume.agent import Agent, load

PR_SET_PDEATHSIG = 1


def work(conf: str) -> None:
    """An agent, until it is killed; with SIGTERM it would end at once: nobody sends that."""
    logging.basicConfig(filename=f"{conf}.log", level=logging.INFO)
    with Agent(load([conf], "a")):
        while True:
            time.sleep(3600)


def main() -> None:
    """For each configuration on standard input: fork, say the pid, wait for its end, say so."""
    plan = load([sys.argv[1]], "a")
    Agent(plan).stop()  # imports what an agent needs
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            try:
                # A test that fails kills this program only: what it forked ends with it.
                ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
                work(line.strip())
            finally:
                os._exit(1)
        print(pid, flush=True)
        _, status = os.waitpid(pid, 0)
        print(status, flush=True)


if __name__ == "__main__":
    main()
