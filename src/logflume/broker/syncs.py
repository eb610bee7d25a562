"""Group commit: one sync of a partition serves all requests that wait for it, off the event loop."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume._native.partition_log import PartitionLog
    from logflume.broker.server import Broker

__all__ = ["Syncs"]

_THREADS = 4


class _Queue:
    """Those who wait for one partition: for the sync under way, and for the next one."""

    __slots__ = ("job", "waiting")

    def __init__(self) -> None:
        self.job: asyncio.Future[None] | None = None
        self.waiting: list[tuple[int, asyncio.Future[None]]] = []


class Syncs:
    """Belongs to the broker's event loop; the syncs run in threads that do nothing else."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._queues: dict[PartitionLog, _Queue] = {}
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="logflume-broker-sync")

    def wait(self, log: PartitionLog, offset: int) -> asyncio.Future[None]:
        """A future that is done when everything below `offset` is on disk, or fails with SyncFailed."""
        future: asyncio.Future[None] = self._broker.loop.create_future()
        if log.durable_offset >= offset:
            future.set_result(None)
            return future
        queue = self._queues.get(log)
        if queue is None:
            queue = self._queues[log] = _Queue()
        queue.waiting.append((offset, future))
        if queue.job is None:
            self._start(log, queue)
        return future

    def _start(self, log: PartitionLog, queue: _Queue) -> None:
        served, queue.waiting = queue.waiting, []
        upto = max(offset for offset, _ in served)
        queue.job = self._broker.loop.run_in_executor(self._threads, log.sync, upto)
        queue.job.add_done_callback(lambda done: self._done(log, queue, served, done))

    def _done(
        self,
        log: PartitionLog,
        queue: _Queue,
        served: list[tuple[int, asyncio.Future[None]]],
        done: asyncio.Future[None],
    ) -> None:
        queue.job = None
        error = asyncio.CancelledError() if done.cancelled() else done.exception()
        for _, future in served:
            if future.done():
                continue  # its client is gone
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)
        if queue.waiting:
            self._start(log, queue)
        else:
            del self._queues[log]

    async def stop(self) -> None:
        """Wait for those under way, and for those that wait behind them."""
        while jobs := [queue.job for queue in self._queues.values() if queue.job is not None]:
            await asyncio.wait(jobs)
        await self._broker.loop.run_in_executor(None, self._threads.shutdown)
