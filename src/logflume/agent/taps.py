"""A few of the events that pass, for somebody who looks: without holding the flow up."""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from logflume.agent.events import EventBatch

__all__ = ["Taps"]

_WATCHED_S = 10.0
_KEPT = 500
_OF_BATCH = 5
_BODY_MAX = 2000
_PAUSE_S = 0.02


class Taps:
    """The newest events seen, each with a number. Thread-safe.

    Nothing is looked at until somebody asks, and for ten seconds after that; then at most five events of a batch, and
    fifty batches a second of a component. An agent that nobody looks at pays the reading of one attribute a batch.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until = 0.0
        self._next: dict[str, float] = {}
        self._numbers = itertools.count(1)
        self._seen: deque[dict[str, Any]] = deque(maxlen=_KEPT)
        self._mutex = threading.Lock()
        self.watched = False

    def see(self, component: str, batch: EventBatch) -> None:
        """A batch passes `component` (`source r`, `sink k`). Only to be called when `watched`."""
        now = self._clock()
        with self._mutex:
            if now > self._until:
                self.watched = False
                return
            if now < self._next.get(component, 0.0) or not len(batch):
                return
            self._next[component] = now + _PAUSE_S
            few = batch[: min(len(batch), _OF_BATCH)]
            for headers, body in zip(few.rows(), few.body_list(), strict=True):
                self._seen.append(
                    {
                        "number": next(self._numbers),
                        "component": component,
                        "headers": headers,
                        "body": body[:_BODY_MAX].decode("utf-8", "replace"),
                    }
                )

    def newest(self) -> list[dict[str, Any]]:
        """What was seen; looking goes on for ten seconds."""
        with self._mutex:
            self._until = self._clock() + _WATCHED_S
            self.watched = True
            return list(self._seen)
