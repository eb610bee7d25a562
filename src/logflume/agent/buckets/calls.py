"""Calls that may never return, in threads of their own, with a time after which nobody waits for them."""

from __future__ import annotations

import queue
import threading
import time

from logflume.errors import LogflumeError, StorageError, Timeout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeVar

    T = TypeVar("T")

__all__ = ["Calls"]


class _Call:
    __slots__ = ("done", "error", "function", "result")

    def __init__(self, function: Callable[[], object]) -> None:
        self.function = function
        self.done = threading.Event()
        self.result: object = None
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.result = self.function()
        except (
            BaseException
        ) as error:  # a panic of a library in Rust is no Exception; the caller gets it
            self.error = error
        self.done.set()


class Calls:
    """At most so many threads. One caller's; close it.

    Parameters: `what` the calls are made to, for errors; threads; `timeout_s`, 0 for none.
    """

    def __init__(self, what: str, threads: int, timeout_s: float) -> None:
        self._what = what
        self._most = threads
        self._timeout_s = timeout_s
        self._waiting: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._threads = 0

    def run(self, function: Callable[[], T]) -> T:
        """Its result. Raises Timeout; StorageError for what is no error of logflume's."""
        return self.run_all([function])[0]

    def run_all(self, functions: Sequence[Callable[[], T]]) -> list[T]:
        """Their results, when all have ended. Raises the first failure."""
        calls = [_Call(function) for function in functions]
        while self._threads < min(self._most, len(calls)):
            self._threads += 1
            threading.Thread(
                target=_work, args=(self._waiting,), name=self._what, daemon=True
            ).start()
        for call in calls:
            self._waiting.put(call)
        for call in calls:
            self._wait(call)
        for call in calls:
            if call.error is not None:
                raise self._as_ours(call.error)
        return [call.result for call in calls]  # type: ignore[misc]

    def _wait(self, call: _Call) -> None:
        end = time.monotonic() + self._timeout_s
        while not call.done.wait(max(end - time.monotonic(), 0) if self._timeout_s else 60.0):
            if self._timeout_s:
                self.close()  # the threads that hang end with their calls
                raise Timeout(what=f"a call to {self._what}", seconds=self._timeout_s)

    def _as_ours(self, error: BaseException) -> BaseException:
        if isinstance(error, LogflumeError):
            return error
        made = StorageError(path=self._what, reason=f"{type(error).__name__}: {error}"[:300])
        made.__cause__ = error
        return made

    def close(self) -> None:
        """End the threads; a later call begins new ones."""
        for _ in range(self._threads):
            self._waiting.put(None)
        self._threads = 0
        self._waiting = queue.SimpleQueue()


def _work(waiting: queue.SimpleQueue[_Call | None]) -> None:
    while (call := waiting.get()) is not None:
        call.run()
