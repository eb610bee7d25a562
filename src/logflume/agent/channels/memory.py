"""The memory channel: fast, and gone with the process."""

from __future__ import annotations

import threading
from collections import deque

from logflume.agent.channels.byte_bound import ByteBoundConfig
from logflume.agent.channels.channel import Channel, Taker
from logflume.agent.events import EventBatch
from logflume.agent.options import setting
from logflume.agent.registry import channel
from logflume.config.kinds import Int
from logflume.errors import InvalidConfig

__all__ = ["MemoryChannel", "MemoryConfig", "take_front"]


class MemoryConfig(ByteBoundConfig, table="memory channel"):
    """Flume guide, "Memory Channel"."""

    capacity: int = setting("capacity", 100, Int(min=1), doc="Events it holds at most.")
    transaction_capacity: int = setting(
        "transactionCapacity", 100, Int(min=1), doc="Events of one put or take at most."
    )
    keep_alive: int = setting(
        "keep-alive", 3, Int(), doc="Seconds that a put waits for room before it fails."
    )


@channel("memory", "org.apache.flume.channel.MemoryChannel")
class MemoryChannel(Channel):
    """Batches in a queue. A clean stop lets sinks empty it first; a crash loses what is in it."""

    Config = MemoryConfig

    def setup(self) -> None:
        if self.config.transaction_capacity > self.config.capacity:
            raise InvalidConfig(
                name="transactionCapacity",
                value=self.config.transaction_capacity,
                reason=f"is more than capacity ({self.config.capacity})",
            )
        self._queue: deque[EventBatch] = deque()
        self._filled = threading.Condition()

    def open(self) -> None:
        self.room.bytes_max = self.config.bytes_max

    def size(self, batch: EventBatch) -> int:
        """Bytes that it takes of byteCapacity; 0 where that is not given."""
        return 0 if self.room.bytes_max is None else batch.nbytes

    def reserve(self, batch: EventBatch, stopping: threading.Event) -> None:
        self.counters.add("EventPutAttemptCount", len(batch))
        self.room.reserve(len(batch), stopping, self.size(batch))

    def unreserve(self, batch: EventBatch) -> None:
        self.room.release(len(batch), self.size(batch))

    def put(self, batch: EventBatch) -> None:
        with self._filled:
            self._queue.append(batch)
            self._filled.notify()
        self.counters.add("EventPutSuccessCount", len(batch))

    def adopt(self, before: Channel) -> None:
        if not isinstance(before, MemoryChannel):
            return
        with before._filled, self._filled:
            left, before._queue = before._queue, deque()
            self._queue.extend(left)
            self.room.used += sum(len(batch) for batch in left)
            self.room.used_bytes += sum(self.size(batch) for batch in left)

    def taker(self) -> Taker:
        return _MemoryTaker(self)

    def wake(self) -> None:
        with self._filled:
            self._filled.notify_all()

    def pop(self, max_events: int, timeout: float) -> list[EventBatch]:
        """Up to so many events off the front, waiting for the first."""
        with self._filled:
            if not self._queue:
                self._filled.wait(timeout)
            return take_front(self._queue, max_events)

    def push_back(self, batch: EventBatch) -> None:
        """To the front again."""
        with self._filled:
            self._queue.appendleft(batch)
            self._filled.notify()


_WORTH_A_TRANSACTION = 1000


def take_front(queue: deque[EventBatch], max_events: int) -> list[EventBatch]:
    """Up to so many events off the front, a batch cut where they end."""
    taken: list[EventBatch] = []
    while queue and max_events > 0:
        first = queue.popleft()
        if len(first) > max_events:
            queue.appendleft(first[max_events:])
            first = first[:max_events]
        taken.append(first)
        max_events -= len(first)
        if len(first) >= _WORTH_A_TRANSACTION:
            break  # joining large batches costs more than a transaction of their own
    return taken


class _MemoryTaker(Taker):
    def __init__(self, owner: MemoryChannel) -> None:
        self._owner = owner
        self._taken: list[EventBatch] = []

    def take(self, max_events: int, timeout: float) -> EventBatch | None:
        batches = self._owner.pop(max_events, timeout)
        if not batches:
            return None
        batch = batches[0] if len(batches) == 1 else EventBatch.joined(batches)
        self._taken.append(batch)
        self._owner.counters.add("EventTakeAttemptCount", len(batch))
        return batch

    def commit(self, note: str | None) -> None:
        self._kept = note
        taken, self._taken = self._taken, []
        count = sum(len(batch) for batch in taken)
        self._owner.room.release(count, sum(self._owner.size(batch) for batch in taken))
        self._owner.counters.add("EventTakeSuccessCount", count)

    def rollback(self) -> None:
        taken, self._taken = self._taken, []
        for batch in reversed(taken):
            self._owner.push_back(batch)
