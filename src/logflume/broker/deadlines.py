"""Ends of waits: thousands of long polls have a timer between them, not one each."""

from __future__ import annotations

import math

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from typing import Protocol

    class Waiting(Protocol):
        """Who is told, once, when its time is over."""

        def time_over(self) -> object:
            """Called in the event loop."""


__all__ = ["Deadlines"]

# Waits of half a second may end this much late, so that one turn of the event loop serves many of them.
_COARSE_MS = 10
_COARSE_FROM_MS = 100


class Deadlines:
    """Belongs to an event loop. Nobody is told too early."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._due: dict[int, dict[Waiting, None]] = {}

    def add(self, wait_ms: int, who: Waiting) -> int:
        """Have `who.time_over()` called in so many milliseconds; what is returned is for `remove`."""
        step_ms = _COARSE_MS if wait_ms >= _COARSE_FROM_MS else 1
        at_ms = math.ceil((self._loop.time() * 1000 + wait_ms) / step_ms) * step_ms
        due = self._due.get(at_ms)
        if due is None:
            due = self._due[at_ms] = {}
            self._loop.call_at(at_ms / 1000, self._over, at_ms)
        due[who] = None
        return at_ms

    def remove(self, at_ms: int, who: Waiting) -> None:
        """It waits no more. The timer stays: others are likely to come for the same time."""
        due = self._due.get(at_ms)
        if due is not None:
            due.pop(who, None)

    def _over(self, at_ms: int) -> None:
        due = self._due.pop(at_ms)
        while due:
            due.popitem()[0].time_over()
