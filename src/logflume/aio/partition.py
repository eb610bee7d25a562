"""Direct access to a partition, for asyncio."""

from __future__ import annotations

import asyncio
import time

from logflume.aio.blocking import in_thread
from logflume.aio.sleeper import Sleeper

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any, TypeVar

    from logflume._native.columns import Record, RecordBatch
    from logflume._native.partition import Partition as SyncPartition
    from logflume.client.engine import Engine

    T = TypeVar("T")

__all__ = ["Partition"]


class Partition:
    """See logflume.Partition. Opened by the first call; `await partition` only opens it.

    Single records are read and appended in the loop: that takes microseconds where the pages are in memory.
    """

    def __init__(self, engine: Engine, topic: str, number: int) -> None:
        self._engine = engine
        self.topic = topic
        self.partition = number
        self._opened: SyncPartition | None = None

    async def _open(self) -> SyncPartition:
        if self._opened is not None and not self._opened.closed:
            return self._opened
        opened: SyncPartition = await in_thread(self._engine.partition, self.topic, self.partition)
        self._opened = opened
        return opened

    async def _call(self, method: Callable[[SyncPartition], T]) -> T:
        """A method of the partition: in the loop, but for what a network answers."""
        opened = await self._open()
        return await in_thread(method, opened) if self._engine.is_remote else method(opened)

    def __await__(self) -> Generator[Any, Any, Partition]:
        yield from self._open().__await__()
        return self

    @property
    def blocking(self) -> SyncPartition:
        """The synchronous Partition; opened now, in the loop, where nothing was awaited before."""
        if self._opened is None or self._opened.closed:
            self._opened = self._engine.partition(self.topic, self.partition)
        return self._opened

    @property
    def start_offset(self) -> int:
        """First offset that can be read."""
        return self.blocking.start_offset

    @property
    def end_offset(self) -> int:
        """Offset of the next record to be written; all below it are visible."""
        return self.blocking.end_offset

    @property
    def durable_offset(self) -> int:
        """Everything below is on disk."""
        return self.blocking.durable_offset

    async def read(self, offset: int) -> Record:
        """The record at `offset`. Raises OffsetOutOfRange, CorruptRecord."""
        return await self._call(lambda log: log.read(offset))

    async def read_batch(
        self, offset: int, max_records: int = 100_000, max_bytes: int = 1 << 20
    ) -> RecordBatch:
        """Records from `offset` on; empty at the end. Raises OffsetOutOfRange, CorruptRecord."""
        return await self._call(lambda log: log.read_batch(offset, max_records, max_bytes))

    async def lookup(self, offsets: Any) -> RecordBatch:
        """The records at `offsets` (int64 array or sequence), in that order, as one RecordBatch."""
        return await self._call(lambda log: log.lookup(offsets))

    async def offset_for_time(self, timestamp: int) -> int | None:
        """Offset of the first record at or after `timestamp` (ms), or None when there is none."""
        return await self._call(lambda log: log.offset_for_time(timestamp))

    async def append(
        self,
        value: Any,
        key: Any = None,
        headers: Any = None,
        timestamp: int | None = None,
    ) -> int:
        """Append one record and return its offset: published, and safe from kill -9."""
        return await self._call(lambda log: log.append(value, key, headers, timestamp))

    async def append_many(
        self, values: Any, keys: Any = None, timestamps: Any = None, headers: Any = None
    ) -> int:
        """Append records in whole batches, in a thread; returns the offset of the first."""
        opened = await self._open()
        return await in_thread(opened.append_many, values, keys, timestamps, headers)

    async def sync(self, offset: int | None = None) -> None:
        """Return when everything below `offset` (default: all published) is on disk. Raises SyncFailed."""
        opened = await self._open()
        await in_thread(opened.sync, offset)

    async def wait(self, offset: int, timeout: float | None = None) -> bool:
        """Return when `offset` can be read (True), or after `timeout` seconds (False). No thread waits for it."""
        opened = await self._open()
        loop = asyncio.get_running_loop()
        if self._engine.is_remote:
            return await self._wait_remotely(offset, timeout)
        sleeper = Sleeper(loop)
        deadline = None if timeout is None else time.monotonic() + timeout
        try:
            while opened.end_offset <= offset:
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    return False
                await sleeper.sleep([(opened, offset)], left)
            return True
        finally:
            sleeper.end()

    async def _wait_remotely(self, offset: int, timeout: float | None) -> bool:
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            pause = 0.05 if deadline is None else min(0.05, deadline - time.monotonic())
            if await in_thread(self.blocking.wait, offset, 0.0):
                return True
            if pause <= 0:
                return False
            await asyncio.sleep(pause)

    def __repr__(self) -> str:
        return f"<aio.Partition {self.topic}-{self.partition}>"
