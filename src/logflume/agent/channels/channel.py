"""What a channel promises."""

from __future__ import annotations

import threading
import time

from logflume.agent.components import Component
from logflume.agent.counters import CHANNEL, Counters
from logflume.errors import ChannelFull

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from logflume.agent.components import Context, PutAside
    from logflume.agent.events import EventBatch
    from logflume.agent.stores import Store

__all__ = ["Channel", "LogChannel", "Room", "Taker"]


class Taker:
    """One sink's, or sink group's, end of a channel. Not thread-safe."""

    _kept: str | None = None
    """The newest note, where only this process has it."""
    put_aside: PutAside | None = None
    """For what is in the channel and no event; None without a dead-letter topic. Set before the first take."""

    def take(self, max_events: int, timeout: float) -> EventBatch | None:
        """Up to so many events, waiting `timeout` seconds for the first; None when none came.

        An empty batch when all that came was put aside.

        They stay in the channel until `commit`, which may follow several takes.
        """
        raise NotImplementedError

    def commit(self, note: str | None) -> None:
        """What was taken since the last one is gone. `note` is kept with it, where the channel outlives the process."""
        raise NotImplementedError

    def rollback(self) -> None:
        """What was taken since the last commit comes again."""
        raise NotImplementedError

    def renote(self, note: str | None) -> None:
        """Replace the newest note; the position stays where the last commit put it."""
        self._kept = note

    def note(self) -> str | None:
        """The newest note."""
        return self._kept

    def place(self) -> str | None:
        """Where it stands, behind what was taken; None when that means nothing to another process."""
        return None

    def close(self) -> None:
        """Let go of what it holds open."""

    def advance(self, places: Sequence[str]) -> None:
        """Go on at the furthest of these places, if that is further than what was committed: a sink's target has it."""


class Room:
    """How many events may still come in. Thread-safe.

    Room is reserved before a transaction begins, so that none fails half way for a full channel.
    """

    def __init__(self, channel: str, capacity: int, keep_alive_s: float) -> None:
        self._channel = channel
        self.capacity = capacity
        self.keep_alive_s = keep_alive_s
        self.used = 0
        self.bytes_max: int | None = None
        """Bytes of bodies, where the channel measures them."""
        self.used_bytes = 0
        self._changed = threading.Condition()

    def reserve(self, count: int, stopping: threading.Event, size: int = 0) -> None:
        """Wait keep-alive seconds for room. Raises ChannelFull."""
        until = time.monotonic() + self.keep_alive_s
        with self._changed:
            while (full := self._full_by(count, size)) is not None:
                left = until - time.monotonic()
                if left <= 0 or stopping.is_set():
                    raise full
                self._changed.wait(min(left, 0.2))
            self.used += count
            self.used_bytes += size

    def _full_by(self, count: int, size: int) -> ChannelFull | None:
        if self.used + count > self.capacity:
            return ChannelFull(channel=self._channel, capacity=self.capacity)
        most = self.bytes_max
        # A put that is larger than all the room would wait for ever: it goes in alone.
        if most is not None and self.used and self.used_bytes + size > most:
            return ChannelFull(channel=self._channel, capacity=most, property="byteCapacity")
        return None

    def release(self, count: int, size: int = 0) -> None:
        """So many events left, or did not come."""
        with self._changed:
            self.used = max(self.used - count, 0)
            self.used_bytes = max(self.used_bytes - size, 0)
            self._changed.notify_all()

    @property
    def is_pressed(self) -> bool:
        """More than half full."""
        by_bytes = self.bytes_max is not None and 2 * self.used_bytes > self.bytes_max
        return by_bytes or 2 * self.used > self.capacity


class Channel(Component):
    """Holds events until a sink has delivered them.

    A put is in two steps, so that several channels get a batch or none does: `reserve` may fail for want of room;
    what follows it, `put` (or `unreserve`), may not. Thread-safe but for `open` and `close`.
    """

    is_durable = False
    """A clean stop leaves its events in it; otherwise sinks empty it first."""

    def __init__(self, name: str, config: Any, context: Context) -> None:
        self.counters = Counters(CHANNEL, name)
        self.takers_wanted = 0
        super().__init__(name, config, context)
        self.room = Room(name, int(config.capacity), float(config.keep_alive))
        self.counters.gauge("ChannelSize", lambda: self.room.used)
        self.counters.gauge("ChannelCapacity", lambda: self.room.capacity)
        self.counters.gauge(
            "ChannelFillPercentage", lambda: 100.0 * self.room.used / max(self.room.capacity, 1)
        )

    @property
    def transaction_capacity(self) -> int:
        """The most events of one put or take."""
        return int(self.config.transaction_capacity)

    @property
    def is_pressed(self) -> bool:
        """More than half full: what was taken should be settled soon."""
        return self.room.is_pressed

    def reserve(self, batch: EventBatch, stopping: threading.Event) -> None:
        """Make sure of room. Raises ChannelFull after keep-alive seconds, or soon when its source stops."""
        self.counters.add("EventPutAttemptCount", len(batch))
        self.room.reserve(len(batch), stopping)

    def unreserve(self, batch: EventBatch) -> None:
        """Nothing was put after all."""
        self.room.release(len(batch))

    def put(self, batch: EventBatch) -> None:
        """Take in a batch that room was reserved for."""
        raise NotImplementedError

    def taker(self) -> Taker:
        """One more taker; each event goes to one of them. At most `takers_wanted` at a time."""
        raise NotImplementedError

    def release(self, taker: Taker) -> None:
        """This taker takes no more; another will in its place."""
        taker.close()

    def adopt(self, before: Channel) -> None:
        """Take over what a closed channel of the same name still holds, where that is only in memory."""

    def wake(self) -> None:
        """End the waiting of takers: the agent stops."""


class LogChannel(Channel):
    """A channel whose events are records of a log.

    Several of them in one log get a batch in one transaction, the source's positions with it: so they are not put
    into, but written to by a `writer.Writer`, which asks where.
    """

    is_durable = True
    store: Store
    topic: str
    partitions: int

    @property
    def acks(self) -> str | int:
        """The level of a put: "all" (on disk), or 1."""
        raise NotImplementedError

    def next_partition(self) -> int:
        """Where the next batch goes."""
        raise NotImplementedError

    def stored(self, count: int) -> None:
        """So many events were written."""
        self.counters.add("EventPutSuccessCount", count)
