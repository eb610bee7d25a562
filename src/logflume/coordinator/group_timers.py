"""Deadlines of groups: a heap that stays small although every heartbeat moves one."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Hashable
from itertools import count

__all__ = ["GroupTimers"]


class GroupTimers:
    """What is to be done when, in ms of the caller's clock. Not thread-safe; starts nothing by itself.

    The caller asks `next_due` how long it may sleep and calls `run_due` then. A deadline that is moved
    to later keeps its place in the heap and is put back when it comes up, so the heap does not grow
    with the number of heartbeats.
    """

    def __init__(self) -> None:
        self._deadlines: dict[Hashable, tuple[int, Callable[[], None]]] = {}
        self._heap: list[tuple[int, int, Hashable]] = []
        self._queued: dict[Hashable, int] = {}
        self._numbers = count()

    def __len__(self) -> int:
        return len(self._deadlines)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._deadlines

    def schedule(self, key: Hashable, at_ms: int, action: Callable[[], None]) -> None:
        """Call `action` at `at_ms`, instead of what this key was to do before."""
        self._deadlines[key] = (at_ms, action)
        queued = self._queued.get(key)
        if queued is None or at_ms < queued:
            self._push(key, at_ms)

    def cancel(self, key: Hashable) -> None:
        """Forget a deadline; nothing happens when there is none."""
        self._deadlines.pop(key, None)

    def next_due(self) -> int | None:
        """When to call `run_due` next (ms); None when there is nothing to wait for."""
        self._settle()
        return self._heap[0][0] if self._heap else None

    def run_due(self, now_ms: int) -> int:
        """Do all that is due, in order of time; returns how much that was."""
        done = 0
        while (at_ms := self.next_due()) is not None and at_ms <= now_ms:
            _, _, key = heapq.heappop(self._heap)
            del self._queued[key]
            _, action = self._deadlines.pop(key)
            action()
            done += 1
        return done

    def _push(self, key: Hashable, at_ms: int) -> None:
        heapq.heappush(self._heap, (at_ms, next(self._numbers), key))
        self._queued[key] = at_ms

    def _settle(self) -> None:
        """Bring a deadline that counts to the top of the heap."""
        while self._heap:
            at_ms, _, key = self._heap[0]
            if self._queued.get(key) != at_ms:  # an earlier deadline took its place
                heapq.heappop(self._heap)
                continue
            wanted = self._deadlines.get(key)
            if wanted is not None and wanted[0] == at_ms:
                return
            heapq.heappop(self._heap)
            del self._queued[key]
            if wanted is not None:
                self._push(key, wanted[0])
