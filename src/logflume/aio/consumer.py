"""Consuming records, for asyncio."""

from __future__ import annotations

import asyncio
import time

from logflume._native.record_stream import RecordStream
from logflume.aio.sleeper import Sleeper
from logflume.aio.turns import Turns
from logflume.errors import Closed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping
    from re import Pattern
    from types import TracebackType
    from typing import Any, TypeVar

    from logflume._native.columns import Record, RecordBatch
    from logflume.client.consumer import Consumer as SyncConsumer
    from logflume.client.log import Log as SyncLog
    from logflume.client.transactions import Transaction as SyncTransaction
    from logflume.config import ConsumerConfig
    from logflume.types import OffsetAndMetadata, OffsetAndTimestamp, TopicPartition

    T = TypeVar("T")
    Places = Iterable[tuple[str, int]]
    Listener = Callable[[list[TopicPartition]], Awaitable[None] | None]

__all__ = ["Consumer"]

_ITERATE_RECORDS = (
    2_000  # fetched ahead for `async for`: well under a millisecond of the loop's time
)
_REST_S = 0.001  # a task that always finds records lets the others run this often


class Consumer:
    """See logflume.Consumer. Reads records of its partitions in offset order, partition by partition.

    Belongs to the event loop that uses it first; from another one: ConcurrentAccess. Tasks of one loop may share
    it, each record goes to one of them. Cancelling a call loses nothing: positions move when records are returned.
    Methods for one loop's thread; from other threads go through `loop.call_soon_threadsafe`.
    """

    def __init__(
        self,
        log: SyncLog,
        topics: tuple[str | Iterable[str] | Pattern[str], ...],
        consumer: SyncConsumer,
    ) -> None:
        self._log = log
        self._consumer = consumer
        self._topics: tuple[Any, ...] | None = topics or None  # not subscribed to yet
        self._turns = Turns(f"a consumer of {log.path}")
        self._sleepers: set[Sleeper] = set()
        self._stream = RecordStream(consumer.records, self._next_record)
        self._rested = 0.0
        self._ending = False
        self._remote = log.engine.is_remote  # calls may wait for a network

    # ---- how calls are made

    async def _ready(self) -> None:
        """Subscribed, and with no call under way in a thread."""
        await self._turns.free()
        if self._consumer.closed or (self._ending and not self._turns.listening):
            raise Closed(what="the consumer")
        if self._topics is not None:
            topics, self._topics = self._topics, None
            try:
                await self._turns.start(self._consumer.subscribe, *topics)
            except BaseException:
                self._topics = topics
                raise
            await self._turns.free()

    async def _quick(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """A call that does not wait for anything, unless a group's changes come with it."""
        await self._ready()
        if self._remote or self._consumer.in_group or self._turns.listening:
            result = await self._turns.thread(function, *args, **kwargs)
        else:
            result = function(*args, **kwargs)
        self._stir()
        return result

    async def _slow(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """A call that may wait for the disk."""
        await self._ready()
        result = await self._turns.thread(function, *args, **kwargs)
        self._stir()
        return result

    def _stir(self) -> None:
        """Has those who wait look again: they may wait for something else now."""
        for sleeper in self._sleepers:
            sleeper.wake()

    # ---- what is read

    async def subscribe(
        self,
        *topics: str | Iterable[str] | Pattern[str],
        on_assigned: Listener | None = None,
        on_revoked: Listener | None = None,
        on_lost: Listener | None = None,
    ) -> None:
        """As logflume.Consumer.subscribe. Listeners are functions or coroutine functions, called in the loop; they
        may call this consumer, and a rebalance waits for them."""
        self._topics = None
        await self._slow(
            self._consumer.subscribe,
            *topics,
            on_assigned=self._turns.bridge(on_assigned),
            on_revoked=self._turns.bridge(on_revoked),
            on_lost=self._turns.bridge(on_lost),
        )

    async def assign(self, partitions: Places) -> None:
        """Read exactly these partitions, without sharing; a group then only stores positions."""
        self._topics = None
        await self._slow(self._consumer.assign, partitions)

    async def unsubscribe(self) -> None:
        """Read nothing, and leave the group."""
        self._topics = None
        await self._slow(self._consumer.unsubscribe)

    async def subscription(self) -> set[str]:
        """Names of the topics subscribed to."""
        return await self._quick(self._consumer.subscription)

    async def assignment(self) -> set[TopicPartition]:
        """Partitions read now. A group's are assigned by the first poll."""
        return await self._quick(self._consumer.assignment)

    async def pause(self, *places: tuple[str, int]) -> None:
        """Fetch nothing from these partitions until `resume`."""
        await self._quick(self._consumer.pause, *places)

    async def resume(self, *places: tuple[str, int]) -> None:
        """Fetch from these partitions again."""
        await self._quick(self._consumer.resume, *places)

    async def paused(self) -> set[TopicPartition]:
        """Partitions that are paused."""
        return await self._quick(self._consumer.paused)

    # ---- reading

    async def poll(
        self, timeout: float | None = 0.0, max_records: int | None = None
    ) -> list[Record]:
        """Records that are there, waiting up to `timeout` seconds (None: without end) for the first; at most
        `max_records` (default: max.poll.records, 500). Empty when the time is over, or after `wakeup()` or `close()`.
        Errors as logflume.Consumer.poll."""
        if max_records is None:
            max_records = self._consumer.config.max_poll_records
        batch = await self.poll_batch(timeout, max_records)
        return [] if batch is None else batch.records()

    async def poll_batch(
        self, timeout: float | None = 0.0, max_records: int = 100_000
    ) -> RecordBatch | None:
        """As `poll`, but columns: no object for each record. None when there is nothing."""
        if max_records < 1:
            raise ValueError(f"max_records is {max_records}")
        await self._ready()
        return await self._fetch(timeout, lambda: self._consumer.next_round(max_records))

    def __aiter__(self) -> RecordStream:
        """Records as they come, waiting for more without end; `close()` ends it."""
        return self._stream

    async def _next_record(self) -> Record:
        """What `async for` awaits when the records at hand are handed out."""
        while True:
            try:
                await self._ready()
                # None when the wait ended for another reason than news. Another task may have fetched meanwhile.
                batch = await self._fetch(None, self._iterate_round)
            except Closed:
                if self._consumer.closed or self._ending:
                    raise StopAsyncIteration from None
                raise
            if batch is not None:
                self._stream.load(batch)
            record = self._stream.take()
            if record is not None:
                return record

    def _iterate_round(self) -> tuple[RecordBatch | None, float]:
        if self._stream.has_records:
            return None, -1.0
        return self._consumer.next_round(_ITERATE_RECORDS)

    async def _fetch(
        self, timeout: float | None, fetch: Callable[[], tuple[RecordBatch | None, float]]
    ) -> RecordBatch | None:
        """Rounds of `fetch` until one finds something, or the time is over."""
        loop = self._turns.loop()
        deadline = None if timeout is None else time.monotonic() + timeout
        await self._rest()
        sleeper: Sleeper | None = None
        try:
            while True:
                await self._turns.free()
                if self._consumer.closed or self._ending:
                    return None
                # No await from here to the fetch, or to the start of what is due: neither may get lost.
                due = self._consumer.due()
                if due is not None:
                    await self._turns.start(due)
                    continue
                batch, pause = fetch()
                if pause < 0:
                    return batch
                if sleeper is None:
                    if timeout == 0:
                        return None
                    # Records that this process's producers still gather are what is waited for.
                    self._log.publish_open_batches()
                    sleeper = Sleeper(loop)
                    self._sleepers.add(sleeper)
                    continue
                if deadline is not None:
                    pause = min(pause, deadline - time.monotonic())
                    if pause <= 0:
                        return None
                await sleeper.sleep(self._consumer.readers(), pause)
                self._rested = time.monotonic()
        finally:
            if sleeper is not None:
                self._sleepers.discard(sleeper)
                sleeper.end()

    async def _rest(self) -> None:
        """Lets other tasks run, now and then, before anything is taken that a cancellation could lose."""
        if time.monotonic() - self._rested > _REST_S:
            await asyncio.sleep(0)
            self._rested = time.monotonic()

    def wakeup(self) -> None:
        """End the poll under way (or the next one) early; not a coroutine."""
        self._consumer.wakeup()
        self._stir()

    # ---- positions

    async def position(self, topic: str | tuple[str, int], partition: int | None = None) -> int:
        """Offset of the next record that will be handed out."""
        return await self._quick(self._consumer.position, topic, partition)

    async def seek(
        self, topic: str | tuple[str, int], partition: int | None = None, offset: int | None = None
    ) -> None:
        """Go on at `offset`: `seek("t", 0, 42)` or `seek(("t", 0), offset=42)`."""
        await self._quick(self._consumer.seek, topic, partition, offset)

    async def seek_to_beginning(self, *places: tuple[str, int]) -> None:
        """Go to the start of these partitions (default: all assigned)."""
        await self._quick(self._consumer.seek_to_beginning, *places)

    async def seek_to_end(self, *places: tuple[str, int]) -> None:
        """Go to the end of these partitions (default: all assigned)."""
        await self._quick(self._consumer.seek_to_end, *places)

    async def seek_to_time(self, timestamp: int, *places: tuple[str, int]) -> None:
        """Go to the first record at or after `timestamp` (ms) in these partitions (default: all assigned)."""
        await self._slow(self._consumer.seek_to_time, timestamp, *places)

    async def beginning_offsets(self, places: Places) -> dict[TopicPartition, int]:
        """First offset of each partition."""
        return await self._slow(self._consumer.beginning_offsets, places)

    async def end_offsets(self, places: Places) -> dict[TopicPartition, int]:
        """Offset behind the last record of each partition."""
        return await self._slow(self._consumer.end_offsets, places)

    async def offsets_for_times(
        self, times: Mapping[tuple[str, int], int]
    ) -> dict[TopicPartition, OffsetAndTimestamp | None]:
        """First record at or after each partition's time (ms since 1970); None where there is none."""
        return await self._slow(self._consumer.offsets_for_times, times)

    async def lag(self) -> dict[TopicPartition, int]:
        """Records between the position and the end, for each assigned partition."""
        return await self._quick(self._consumer.lag)

    # ---- the group's stored positions

    async def send_offsets_to(
        self,
        transaction: SyncTransaction,
        offsets: Mapping[tuple[str, int], int | OffsetAndMetadata] | None,
    ) -> None:
        """For aio.Transaction.send_offsets."""
        await self._slow(transaction.send_offsets, self._consumer, offsets)

    async def commit(
        self,
        offsets: Mapping[tuple[str, int], int | OffsetAndMetadata] | None = None,
        *,
        wait: bool = True,
    ) -> None:
        """Store positions for the group: of what was handed out so far, or the given ones. As
        logflume.Consumer.commit; when it is cancelled, they are stored all the same."""
        chosen: Mapping[Any, int | OffsetAndMetadata] | None = offsets
        if offsets is None and not self._turns.listening:
            # Of now, not of when the thread comes to it: another task may take records meanwhile.
            await self._ready()
            chosen = self._consumer.positions()
        await self._slow(self._consumer.commit, chosen, wait=wait)

    async def committed(
        self, topic: str | tuple[str, int], partition: int | None = None
    ) -> int | None:
        """The group's stored offset of a partition, None when there is none."""
        return await self._slow(self._consumer.committed, topic, partition)

    async def committed_entry(
        self, topic: str | tuple[str, int], partition: int | None = None
    ) -> OffsetAndMetadata | None:
        """As `committed`, with the metadata that was stored beside the offset."""
        return await self._slow(self._consumer.committed_entry, topic, partition)

    # ---- life

    @property
    def blocking(self) -> SyncConsumer:
        """The synchronous Consumer that does the work."""
        return self._consumer

    @property
    def config(self) -> ConsumerConfig:
        """Its options."""
        return self._consumer.config

    @property
    def group(self) -> str | None:
        """The group's id, None without one."""
        return self._consumer.group

    @property
    def closed(self) -> bool:
        """True after close()."""
        return self._consumer.closed

    def end(self) -> None:
        """End iterations and polls under way, from any thread; what remains is close()."""
        self._ending = True
        self._turns.from_any_thread(self._stir)

    async def close(self, timeout: float = 30.0, *, commit: bool = True) -> None:
        """Leave the group and end any iteration. Idempotent. Parameters as logflume.Consumer.close."""
        self.end()
        if not self._consumer.closed:
            await self._turns.thread(self._consumer.close, timeout, commit=commit)

    def __await__(self) -> Generator[Any, Any, Consumer]:
        """Subscribes now; gives the consumer itself."""
        yield from self._ready().__await__()
        return self

    async def __aenter__(self) -> Consumer:
        await self._ready()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close(commit=error is None)

    def __repr__(self) -> str:
        return repr(self._consumer).replace("<Consumer", "<aio.Consumer", 1)
