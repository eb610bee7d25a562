"""Whole agents out of a few properties."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from logflume.agent import Agent
from logflume.agent.reading import plan_of


@contextmanager
def running(text: str, *, warn: bool = False) -> Iterator[Agent]:
    """The agent `a` of these lines, without `a.` before them; `warn`: warnings are all right."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    given = dict(line.split(" = ", 1) for line in lines)
    plan = plan_of({f"a.{name}": value for name, value in given.items()}, "a")
    assert not (plan.errors if warn else plan.problems), plan.problems
    with Agent(plan) as agent:
        yield agent


def until(true: Callable[[], bool], seconds: float = 60.0) -> None:
    """Fails the test when it does not become true in time."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.02)


def send_and_be_cut_off(stranger: socket.socket, data: bytes) -> None:
    """Send what the other side refuses: it may end the connection before all of it was sent, or read."""
    try:
        stranger.sendall(data)
        stranger.shutdown(socket.SHUT_WR)
        while stranger.recv(1000):
            pass
    except TimeoutError:
        raise
    except OSError:
        pass  # reset, or not connected any more
