"""The spillable memory channel: memory first, what does not fit into it on disk."""

from __future__ import annotations

import threading
from collections import deque

from logflume.agent.channels.byte_bound import ByteBoundConfig
from logflume.agent.channels.channel import Channel, Taker
from logflume.agent.channels.file import FileChannel, FileConfig
from logflume.agent.channels.memory import take_front
from logflume.agent.events import EventBatch
from logflume.agent.options import setting
from logflume.agent.registry import channel
from logflume.agent.writer import Writer
from logflume.config.kinds import Int, Size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume.agent.components import Context

__all__ = ["SpillableConfig", "SpillableMemoryChannel"]

_LOOK_S = 0.05


class SpillableConfig(ByteBoundConfig, FileConfig, table="spillable memory channel"):
    """Flume guide, "Spillable Memory Channel". The file channel's properties are the overflow's."""

    memory_capacity: int = setting(
        "memoryCapacity", 10_000, Int(), doc="Events in memory at most; 0: all go to disk."
    )
    overflow_capacity: int = setting(
        "overflowCapacity", 100_000_000, Int(), doc="Events on disk at most; 0: none go there."
    )
    overflow_timeout: int = setting(
        "overflowTimeout",
        3,
        Int(),
        doc="Seconds that a put waits for room in memory before it goes to disk.",
        no_effect="What does not fit goes to disk at once; a put waits so long when overflowCapacity is used up.",
    )
    avg_event_size: int = setting(
        "avgEventSize",
        500,
        Size(),
        doc="Guess of an event's bytes.",
        no_effect="Bodies are measured.",
    )
    capacity: int = setting(
        "capacity",
        1_000_000,
        Int(min=1),
        doc="A file channel's.",
        no_effect="memoryCapacity and overflowCapacity count.",
    )
    keep_alive: int = setting(
        "keep-alive", 3, Int(), doc="A file channel's.", no_effect="overflowTimeout counts."
    )


@channel("SPILLABLEMEMORY", "org.apache.flume.channel.SpillableMemoryChannel")
class SpillableMemoryChannel(Channel):
    """Batches in a queue; once that is full, batches in a log, until it is empty again: events keep their order.

    A crash loses what is in memory only; a clean stop writes that to disk, too.
    """

    Config = SpillableConfig
    is_durable = True

    def __init__(self, name: str, config: Any, context: Context) -> None:
        super().__init__(name, config, context)
        self.room.capacity = config.memory_capacity + config.overflow_capacity
        self.room.keep_alive_s = config.overflow_timeout

    def setup(self) -> None:
        self.overflow = FileChannel(self.name, self.config, self.context)
        self._queue: deque[EventBatch] = deque()
        self._in_memory = self._bytes = 0
        self._on_disk = 0  # not taken yet
        self._filled = threading.Condition()
        self._writer: Writer | None = None
        self._bytes_max = self.config.bytes_max

    def open(self) -> None:
        self.overflow.takers_wanted = self.takers_wanted
        self.overflow.open()
        self._on_disk = self.room.used = int(self.overflow.room.used)
        self._writer = Writer(
            self.overflow.store,
            self.context.agent,
            f"overflow-{self.name}",
            positions=None,
            acks=self.overflow.acks,
        )

    # ---- in

    def put(self, batch: EventBatch) -> None:
        with self._filled:
            try:
                if self._fits(batch):
                    self._queue.append(batch)
                    self._in_memory += len(batch)
                    self._bytes += batch.nbytes
                else:
                    self._spill(batch)
            except BaseException:
                self.room.release(len(batch))
                raise
            self._filled.notify()
        self.counters.add("EventPutSuccessCount", len(batch))

    def _fits(self, batch: EventBatch) -> bool:
        if self.config.overflow_capacity == 0:
            return True  # there is room, and it can only be here
        # Not before those on disk: they are older.
        return (
            self._on_disk == 0
            and self._in_memory + len(batch) <= self.config.memory_capacity
            and (self._bytes_max is None or self._bytes + batch.nbytes <= self._bytes_max)
        )

    def _spill(self, batch: EventBatch) -> None:
        assert self._writer is not None
        where = (self.overflow.topic, self.overflow.next_partition(), batch)
        self._writer.put([where], None, lambda: None)
        self._on_disk += len(batch)

    # ---- out

    def taker(self) -> Taker:
        return _SpillTaker(self, self.overflow.taker())

    def release(self, taker: Taker) -> None:
        assert isinstance(taker, _SpillTaker)
        self.overflow.release(taker.inner)

    def wake(self) -> None:
        with self._filled:
            self._filled.notify_all()
        self.overflow.wake()

    def pop(self, max_events: int, timeout: float) -> EventBatch | None:
        """From memory; None when there is nothing."""
        with self._filled:
            if not self._queue and not self._on_disk:
                self._filled.wait(timeout)
            taken = take_front(self._queue, max_events)
            if not taken:
                return None
            self._in_memory -= sum(map(len, taken))
            self._bytes -= sum(batch.nbytes for batch in taken)
            return taken[0] if len(taken) == 1 else EventBatch.joined(taken)

    def push_back(self, batch: EventBatch) -> None:
        """To memory's front again, whether or not it fits."""
        with self._filled:
            self._queue.appendleft(batch)
            self._in_memory += len(batch)
            self._bytes += batch.nbytes
            self._filled.notify()

    def moved(self, count: int) -> None:
        """So many events were taken off the disk; fewer than none when they came back."""
        with self._filled:
            self._on_disk -= count

    @property
    def has_spilled(self) -> bool:
        """Events wait on disk."""
        return self._on_disk > 0

    def close(self) -> None:
        """What is in memory goes to disk, unless nothing may."""
        try:
            while self._queue and self._writer is not None and self.config.overflow_capacity:
                self._spill(self._queue[0])
                self._queue.popleft()
        finally:
            if self._writer is not None:
                self._writer.close()
                self._writer = None
            self.overflow.close()


class _SpillTaker(Taker):
    """At least once: memory has no place that a sink could go back to."""

    def __init__(self, owner: SpillableMemoryChannel, inner: Taker) -> None:
        self._owner = owner
        self.inner = inner
        self._of_memory: list[EventBatch] = []
        self._of_disk = 0

    def take(self, max_events: int, timeout: float) -> EventBatch | None:
        owner = self._owner
        batch = owner.pop(max_events, timeout)
        if batch is not None:
            self._of_memory.append(batch)
        elif owner.has_spilled:
            batch = self.inner.take(max_events, min(timeout, _LOOK_S))
            if batch is not None:
                self._of_disk += len(batch)
                owner.moved(len(batch))
        if batch is not None:
            owner.counters.add("EventTakeAttemptCount", len(batch))
        return batch

    def commit(self, note: str | None) -> None:
        self._kept = note
        if self._of_disk:
            self.inner.commit(None)
        count = self._of_disk + sum(len(batch) for batch in self._of_memory)
        self._of_memory, self._of_disk = [], 0
        self._owner.room.release(count)
        self._owner.counters.add("EventTakeSuccessCount", count)

    def rollback(self) -> None:
        taken, self._of_memory = self._of_memory, []
        for batch in reversed(taken):
            self._owner.push_back(batch)
        if self._of_disk:
            self.inner.rollback()
            self._owner.moved(-self._of_disk)
            self._of_disk = 0
