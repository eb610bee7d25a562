"""Queues, for asyncio."""

from __future__ import annotations

import time

from logflume.aio.sleeper import Sleeper
from logflume.aio.turns import Turns
from logflume.errors import Closed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator
    from types import TracebackType
    from typing import Any

    from logflume._native.queue_record import QueueRecord
    from logflume.client.log import Log as SyncLog
    from logflume.client.queue import Queue as SyncQueue
    from logflume.config import QueueConfig

__all__ = ["Queue"]


class Queue:
    """See logflume.Queue. Takes records that no other member of its share group has.

    Belongs to the event loop that uses it first; from another one: ConcurrentAccess. Tasks of one loop may share it.
    Cancelling a call loses nothing: what it fetched is for the next one. Each round of a poll runs in a thread, as it
    may wait for another process's.
    """

    def __init__(self, log: SyncLog, make: Callable[[], SyncQueue], group: str) -> None:
        self._log = log
        self._make = make
        self._made: SyncQueue | None = None
        self._turns = Turns(f"a queue of {log.path}")
        self._sleepers: set[Sleeper] = set()
        self._ending = False
        self.group = group

    async def _ready(self) -> SyncQueue:
        """A member, and with no call under way in a thread."""
        await self._turns.free()
        if self._ending or (self._made is not None and self._made.closed):
            raise Closed(what="the queue")
        if self._made is None:
            await self._turns.start(self._join)
            await self._turns.free()
        return self.blocking

    def _join(self) -> None:
        if self._made is None:
            self._made = self._make()

    def topics(self) -> list[str]:
        """The topics that it takes records of; not a coroutine. Raises Closed before it has joined."""
        return self.blocking.topics()

    # ---- taking

    async def poll(
        self, timeout: float | None = 0.0, max_records: int | None = None
    ) -> list[QueueRecord]:
        """As logflume.Queue.poll."""
        queue = await self._ready()
        limit = queue.config.max_poll_records if max_records is None else max_records
        if limit < 1:
            raise ValueError(f"max_records is {max_records}")
        await self._fetch(queue, timeout, limit)
        return [] if queue.closed else queue.hand_out(limit)

    async def __aiter__(self) -> AsyncIterator[QueueRecord]:
        """Records as they come, waiting for more without end; `close()` ends it."""
        while not self._ending:
            try:
                queue = await self._ready()
                records = queue.hand_out(1)
                if not records:
                    await self._fetch(queue, None, queue.config.max_poll_records)
                    records = [] if queue.closed else queue.hand_out(1)
            except Closed:
                return
            for record in records:
                yield record

    async def _fetch(self, queue: SyncQueue, timeout: float | None, limit: int) -> None:
        """Rounds until one finds something, or the time is over; then no call is under way in a thread."""
        deadline = None if timeout is None else time.monotonic() + timeout
        sleeper: Sleeper | None = None
        is_first = True
        try:
            while not self._is_over():
                pause = await self._turns.thread(queue.next_round, limit, is_first=is_first)
                is_first = False
                if deadline is not None and not queue.is_joining:
                    pause = min(pause, deadline - time.monotonic())
                if pause <= 0:
                    break
                self._log.publish_open_batches()
                await self._turns.free()
                if self._is_over():
                    break
                if sleeper is None:
                    sleeper = Sleeper(self._turns.loop())
                    self._sleepers.add(sleeper)
                await sleeper.sleep(queue.readers(), pause)
        finally:
            if sleeper is not None:
                self._sleepers.discard(sleeper)
                sleeper.end()
        await self._turns.free()

    def _is_over(self) -> bool:
        return self._ending or self.closed

    def wakeup(self) -> None:
        """End the poll under way (or the next one) early; not a coroutine."""
        if self._made is not None:
            self._made.wakeup()
        self._stir()

    def _stir(self) -> None:
        for sleeper in self._sleepers:
            sleeper.wake()

    # ---- answering

    async def accept(self, record: QueueRecord) -> None:
        """It is done. As logflume.Queue.accept."""
        (await self._ready()).accept(record)

    async def release(self, record: QueueRecord) -> None:
        """Deliver it again. As logflume.Queue.release."""
        (await self._ready()).release(record)

    async def reject(self, record: QueueRecord) -> None:
        """Never deliver it again. As logflume.Queue.reject."""
        (await self._ready()).reject(record)

    async def renew(self, record: QueueRecord) -> None:
        """Still at it. As logflume.Queue.renew."""
        (await self._ready()).renew(record)

    async def commit(self) -> None:
        """Make the answers given so far durable. As logflume.Queue.commit; when it is cancelled, they are all the
        same."""
        queue = await self._ready()
        await self._turns.thread(queue.commit)

    # ---- life

    @property
    def blocking(self) -> SyncQueue:
        """The synchronous Queue that does the work. Raises Closed before it has joined."""
        if self._made is None:
            raise Closed(what="the queue that has not joined yet (await it)")
        return self._made

    @property
    def config(self) -> QueueConfig:
        """Its options."""
        return self.blocking.config

    @property
    def closed(self) -> bool:
        """True after close()."""
        return self._ending if self._made is None else self._made.closed

    def end(self) -> None:
        """End iterations and polls under way, from any thread; what remains is close()."""
        self._ending = True
        self._turns.from_any_thread(self._stir)

    async def close(self, timeout: float = 30.0) -> None:
        """Leave the group and end any iteration. Idempotent. As logflume.Queue.close."""
        self.end()
        if self._made is not None and not self._made.closed:
            await self._turns.thread(self._made.close, timeout)

    def __await__(self) -> Generator[Any, Any, Queue]:
        """Joins now; gives the queue itself."""
        yield from self._ready().__await__()
        return self

    async def __aenter__(self) -> Queue:
        await self._ready()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<aio.Queue of {self._log.path}, group {self.group!r}{', closed' if self.closed else ''}>"
