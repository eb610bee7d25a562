"""Waiting for records: who waits for which partition, and how the broker learns that there are some.

Appends through this broker are told by the handler; those of other processes (and of this program's own producers)
by threads that sleep on the partitions' shared state, see `logflume._native.watch`.
"""

from __future__ import annotations

import threading

from logflume._native.watch import Watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from logflume._native.partition_log import PartitionLog
    from logflume.broker.server import Broker

__all__ = ["News", "Wait"]

_LONG_S = 3600.0  # one futex wait; nothing happens at its end but the next one


class Wait:
    """Somebody who wants to be told when one of some partitions has records behind an offset."""

    __slots__ = ("logs", "tell")

    def __init__(self, tell: Callable[[], object]) -> None:
        self.tell = tell
        self.logs: list[PartitionLog] = []


class _Watcher:
    """A Watch and its thread."""

    def __init__(self, news: News, number: int) -> None:
        self.watch = Watch()
        self._news = news
        self._stopped = False
        self._thread = threading.Thread(
            target=self._run, name=f"logflume-broker-news-{number}", daemon=True
        )
        self._thread.start()

    def _run(self) -> None:
        while not self._stopped:
            ready = self.watch.sleep(_LONG_S)
            if ready:
                try:
                    self._news.broker.loop.call_soon_threadsafe(self._news.published, ready)
                except RuntimeError:
                    return  # the loop is closed, and nobody waits in it any more

    def ask_to_stop(self) -> None:
        self._stopped = True
        self.watch.ring()

    def join(self) -> None:
        self._thread.join()


class News:
    """Belongs to the broker's event loop."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self._waits: dict[PartitionLog, set[Wait]] = {}
        self._watchers: list[_Watcher] = []

    @property
    def partitions(self) -> int:
        """How many somebody waits for."""
        return len(self._waits)

    def add(self, wait: Wait, logs: Iterable[tuple[PartitionLog, int, int]]) -> None:
        """Have `wait.tell` called when one of `logs` has its end or its last stable offset above those beside it.

        It may be called again; but who wants to be told of news by other processes, too, adds it anew each time.
        """
        for log, after, stable in logs:
            self._waits.setdefault(log, set()).add(wait)
            wait.logs.append(log)
            self._arm(log, after, stable)

    def remove(self, wait: Wait) -> None:
        """It waits no more. The partition stays watched: the same client is likely to come back."""
        for log in wait.logs:
            waits = self._waits.get(log)
            if waits is not None:
                waits.discard(wait)
                if not waits:
                    del self._waits[log]
        wait.logs.clear()

    def published(self, logs: Iterable[PartitionLog]) -> None:
        """These have new records, or were closed: tell all who wait for them."""
        told: dict[Wait, None] = {}
        for log in logs:
            told.update(dict.fromkeys(self._waits.get(log, ())))
        for wait in told:
            wait.tell()

    def _arm(self, log: PartitionLog, after: int, stable: int) -> None:
        for watcher in self._watchers:
            if log in watcher.watch:
                watcher.watch.arm(log, after, stable)
                return
        for watcher in self._watchers:
            if watcher.watch.arm(log, after, stable):
                return
        made = _Watcher(self, len(self._watchers))
        self._watchers.append(made)
        made.watch.arm(log, after, stable)

    async def stop(self) -> None:
        """End the threads."""
        for watcher in self._watchers:
            watcher.ask_to_stop()
        for watcher in self._watchers:
            await self.broker.loop.run_in_executor(None, watcher.join)
        self._watchers.clear()
