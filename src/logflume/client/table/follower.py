"""A thread that keeps a table up to date."""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING

from logflume._native.consumer_core import Fetcher
from logflume.errors import Closed
from logflume.observe import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterable

    from logflume._native.partition import Partition
    from logflume.client.table.core import Core

__all__ = ["Follower"]

_PAUSE_S = 1.0  # how often settings and partitions that others changed are looked for
_AFTER_FAILURE_S = 0.1

_logger = get_logger(__name__)


class Follower:
    """Sleeps until one of the partitions has news, then refreshes the table. A forgotten table ends it.

    A failure (of a read, or raised by a callback) is logged, kept for the table's next refresh() or close()
    to raise, and does not end the thread.
    """

    def __init__(self, core: Core) -> None:
        self._core = weakref.ref(core)
        self._fetcher = Fetcher()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="logflume-table", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for it; from a callback, which runs in it, only the former."""
        self._stopping = True
        while self._thread.is_alive() and self._thread is not threading.current_thread():
            self._fetcher.wake()
            self._thread.join(0.01)

    def _run(self) -> None:
        while not self._stopping:
            core = self._core()
            if core is None:
                return
            try:
                waiting = core.follow()
            except Closed:
                return
            except Exception as error:  # said in the log, and kept for who asks for it next
                _logger.error("table refresh failed", topic=core.topic, error=error)
                core.note_failure(error)
                waiting = None
            del core
            if waiting is None:
                threading.Event().wait(_AFTER_FAILURE_S)
            elif not self._wait(waiting):
                return

    def _wait(self, waiting: Iterable[tuple[Partition, int]]) -> bool:
        """Until a partition has a record at its position; False when the log was closed."""
        try:
            self._fetcher.set_readers(
                log.reader(position, read_committed=True) for log, position in waiting
            )
            if not self._stopping:
                self._fetcher.wait(_PAUSE_S)
        except Closed:
            return False
        return True
