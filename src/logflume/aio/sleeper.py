"""Sleeping until partitions have news: one thread for all event loops of the process, see logflume._native.news."""

from __future__ import annotations

import asyncio
import os
import threading

from logflume._native.news import News, NewsWait
from logflume.aio.descriptors import unwatch_descriptor, watch_descriptor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Sleeper"]

_LONG_S = 3600.0  # one futex wait; nothing happens at its end but the next one


class _Watch:
    """The process's News and its thread."""

    def __init__(self) -> None:
        self.news = News()
        self._mutex = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread at the first call. It sleeps as long as the process lives."""
        with self._mutex:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=_watch, args=(self.news,), name="logflume-news", daemon=True
                )
                self._thread.start()


_process_watch: _Watch | None = None


def _shared_watch() -> _Watch:
    global _process_watch
    if _process_watch is None:
        _process_watch = _Watch()
    return _process_watch


def _forget_watch() -> None:
    """A forked child has no such thread."""
    global _process_watch
    _process_watch = None


os.register_at_fork(after_in_child=_forget_watch)


def _watch(news: News) -> None:
    while True:
        ready = news.sleep(_LONG_S)
        if not ready:
            continue
        told: dict[asyncio.AbstractEventLoop, list[NewsWait]] = {}
        for wait in ready:
            told.setdefault(wait.loop, []).append(wait)
        for loop, waits in told.items():
            try:
                loop.call_soon_threadsafe(_tell, waits)
            except RuntimeError:
                pass  # the loop is closed, and nobody waits in it any more


def _tell(waits: list[NewsWait]) -> None:
    for wait in waits:
        wait.tell()


class Sleeper:
    """One coroutine's wait for news; serves several sleeps, so that short ones cost the thread nothing.

    Belongs to one event loop. Call `end()` when the waiting is over, however it ends.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._future: asyncio.Future[None] | None = None
        self._wait: NewsWait | None = None
        self._key: list[Any] = []
        self._descriptors: list[int] = []

    async def sleep(self, waited: list[Any], seconds: float | None) -> None:
        """Return when one of `waited` has news, at `wake()`, or after `seconds`.

        `waited`: PartitionReaders (news is a record at the position), (log, offset) pairs, or what has a fileno()
        that becomes readable with news.
        """
        self._future = future = self._loop.create_future()
        self._arm(waited)
        timer = None if seconds is None else self._loop.call_later(seconds, self.wake)
        try:
            await future
        finally:
            self._future = None
            if timer is not None:
                timer.cancel()

    def _arm(self, waited: list[Any]) -> None:
        self._disarm_descriptors()
        if waited and hasattr(waited[0], "fileno"):
            self._descriptors = [item.fileno() for item in waited]
            for descriptor in self._descriptors:
                watch_descriptor(self._loop, descriptor, self)
            return
        key = [(item, getattr(item, "position", None)) for item in waited]
        if self._wait is not None and self._wait.armed and key == self._key:
            return
        self.end()
        if waited:
            watch = _shared_watch()
            self._wait, self._key = NewsWait(self._loop, self.wake, waited), key
            watch.news.arm(self._wait)
            watch.start()

    def wake(self) -> None:
        """End the sleep under way, from the loop's thread."""
        if self._future is not None and not self._future.done():
            self._future.set_result(None)

    def end(self) -> None:
        """Wait for nothing any more."""
        if self._wait is not None:
            _shared_watch().news.disarm(self._wait)
            self._wait = None
        self._disarm_descriptors()

    def _disarm_descriptors(self) -> None:
        for descriptor in self._descriptors:
            unwatch_descriptor(self._loop, descriptor, self)
        self._descriptors = []
