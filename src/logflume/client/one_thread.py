"""What Consumer and Queue share: one thread at a time, and an end that may come from any thread."""

from __future__ import annotations

import threading
import time

from logflume._native.guard import Guard
from logflume.errors import Closed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["OneThread"]

_LOOK_S = 0.01  # how long a closing thread waits before it wakes the one under way again


class OneThread:
    """Every call of it stands in `with self._enter():`; a second thread gets ConcurrentAccess there.

    `what` it is, for messages: "consumer"; `of`: the log's path.
    """

    def __init__(self, what: str, of: str) -> None:
        self._what = what
        self._guard = Guard(f"a {what} of {of}")
        self._closing = threading.Event()
        self._closed = False

    def _enter(self) -> Guard:
        if self._closed:
            raise Closed(what=f"the {self._what}")
        return self._guard

    @property
    def closed(self) -> bool:
        """True after close()."""
        return self._closed

    def _end(self, timeout: float, wake: Callable[[], None], leave: Callable[[], None]) -> None:
        """Close it once: `leave`, when the call under way has ended, which `wake` hastens. Gives up after `timeout`
        seconds: then whoever is under way finds it closing, and the next close() leaves."""
        if self._closed:
            return
        self._closing.set()
        wake()
        deadline = time.monotonic() + timeout
        while not self._guard.wait(_LOOK_S):
            wake()
            if time.monotonic() > deadline:
                return
        try:
            if not self._closed:
                leave()
        finally:
            self._closed = True
            self._guard.release()

    def abandon(self) -> None:
        """In a forked child: the parent stays the group's member; this copy is closed."""
        self._guard = Guard(f"a {self._what} made before fork")
        self._closing.set()
        self._closed = True
