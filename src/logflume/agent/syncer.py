"""Syncs what a source appended while the source prepares its next batch."""

from __future__ import annotations

import threading
from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from logflume._native.partition import Partition

__all__ = ["Syncer"]

_PUTS_MOST = 16


class Syncer:
    """Puts of one source on their way to the disk, in the order in which they were appended. Thread-safe.

    One sync serves all that were appended before it. What is on its way is of one partition: a power loss then leaves a
    beginning of it, never a later put without an earlier one. A put counts (`done` is called) when it is on disk.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._changed = threading.Condition()
        self._waiting: deque[tuple[Partition, int, Callable[[], None]]] = deque()
        self._failure: Exception | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    def admit(self, partition: Partition) -> None:
        """Wait until a put into this partition may be appended. Raises what a sync failed with."""
        with self._changed:
            while self._failure is None and self._waiting:
                if self._waiting[0][0] is partition and len(self._waiting) < _PUTS_MOST:
                    break
                self._changed.wait()
            self._raise()

    def add(self, partition: Partition, end: int, done: Callable[[], None]) -> None:
        """An appended put: what lies below `end` is to be synced."""
        with self._changed:
            self._waiting.append((partition, end, done))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def flush(self) -> None:
        """Return when all is on disk. Raises what a sync failed with."""
        with self._changed:
            while self._waiting and self._failure is None:
                self._changed.wait()
            self._raise()

    def close(self) -> None:
        """Sync what is left, and end. A failure is not raised: what was not synced is read again."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _raise(self) -> None:
        """The failure, once: whoever hears of it begins anew at what the log has."""
        failure, self._failure = self._failure, None
        if failure is not None:
            self._waiting.clear()
            self._changed.notify_all()
            raise failure

    def _run(self) -> None:
        while True:
            with self._changed:
                while self._failure is not None or not self._waiting:
                    if self._closed:
                        return
                    self._changed.wait()
                taken = list(self._waiting)
            try:
                taken[-1][0].sync(taken[-1][1])
            except Exception as error:  # the source's next put raises it
                with self._changed:
                    self._failure = error
                    self._changed.notify_all()
                continue
            with self._changed:
                for _ in taken:
                    self._waiting.popleft()
                self._changed.notify_all()
            for _, _, done in taken:
                done()
