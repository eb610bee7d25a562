"""Appends that cannot be done at once, off the event loop.

A partition's writer lock is free but for the microseconds of somebody's append; if its holder is stopped in the
middle of one (SIGSTOP, a debugger), or if a partition's producers have to be looked for in its log first, a client
has to wait. It must not make the others wait: those who wait have threads of their own, one for each partition.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from logflume._native.partition_log import PartitionLog
    from logflume.broker.server import Broker

    T = TypeVar("T")

__all__ = ["LateAppends"]

# Partitions that can be waited for at a time; those of others wait for one of them.
_THREADS = 16
_SHORTEST_S = 0.001  # 0 would mean: do not wait at all


class _Queue:
    """Who waits for one partition: in turn, so that each gets at most one thread."""

    __slots__ = ("turn", "waiting")

    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        self.waiting = 0


class LateAppends:
    """Belongs to the broker's event loop."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._lock_timeout_s: float = broker.directory.config.lock_timeout_ms / 1000
        self._queues: dict[PartitionLog, _Queue] = {}
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="logflume-broker-append")

    def waits_for(self, log: PartitionLog) -> bool:
        """Whether somebody waits already: who comes now has to stand behind."""
        return log in self._queues

    @property
    def waiting(self) -> int:
        """Appends that are waiting, or under way in a thread."""
        return sum(queue.waiting for queue in self._queues.values())

    async def when_free(self, log: PartitionLog, append: Callable[[float], T]) -> T:
        """Run `append(seconds)` in a thread: it may wait so long for the lock, from now on `lock.timeout.ms` in all."""
        loop = self._broker.loop
        deadline = loop.time() + self._lock_timeout_s
        queue = self._queues.setdefault(log, _Queue())
        queue.waiting += 1
        try:
            async with queue.turn:
                left_s = max(deadline - loop.time(), _SHORTEST_S)
                return await loop.run_in_executor(self._threads, append, left_s)
        finally:
            queue.waiting -= 1
            if not queue.waiting:
                del self._queues[log]

    async def stop(self) -> None:
        """Wait for those under way."""
        await self._broker.loop.run_in_executor(None, self._threads.shutdown)
