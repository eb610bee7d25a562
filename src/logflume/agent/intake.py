"""From a source into its channels: interceptors, the selector, and one transaction for all of them."""

from __future__ import annotations

import threading
import time

from logflume.agent.channels.channel import LogChannel
from logflume.agent.dead_letters import POISON
from logflume.agent.events import EventBatch
from logflume.agent.positions import StoredPositions
from logflume.agent.writer import Writer
from logflume.errors import ChannelFull, Closed, SyncFailed
from logflume.observe import get_logger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from logflume.agent.channels import Channel
    from logflume.agent.components import Context, Interceptor, PutAside
    from logflume.agent.counters import Counters
    from logflume.agent.dead_letters import DeadLetters
    from logflume.agent.selectors import Route, Selector
    from logflume.agent.writer import Part

__all__ = ["Intake", "Stopped"]

_logger = get_logger(__name__)

_PAUSE_FIRST_S = 0.1
_PAUSE_MOST_S = 5.0
_HOLD_S = 1.0  # positions behind events that all were dropped are stored so often


class Stopped(Closed):
    """The agent stops: what was not delivered is the source's again."""


class Intake:
    """One source's way in. Thread-safe.

    A batch goes into all required channels or into none: room is reserved in each first, then those with a store get
    it (in one transaction a store, the source's positions in it), then those in memory, which cannot fail.
    """

    def __init__(
        self,
        agent: str,
        source: str,
        counters: Counters,
        interceptors: Sequence[Interceptor],
        selector: Selector,
        channels: Mapping[str, Channel],
        context: Context,
        dead_letters: DeadLetters | None = None,
    ) -> None:
        self._agent = agent
        self._source = source
        self._counters = counters
        self._interceptors = list(interceptors)
        self._selector = selector
        self._channels = dict(channels)
        self._draining = context.draining
        self._taps = context.taps
        self._dead_letters = dead_letters
        self._logs = [one for one in self._channels.values() if isinstance(one, LogChannel)]
        self._writers: dict[str, Writer] = {}
        self._writers_mutex = threading.Lock()
        self._held: dict[str, str] = {}
        self._held_since = 0.0
        # Kept where the first durable channel is.
        self.positions = (
            StoredPositions(self._logs[0].store, agent, source, self._logs) if self._logs else None
        )

    @property
    def put_aside(self) -> PutAside | None:
        """Into the source's dead-letter topic; None when it has none."""
        return None if self._dead_letters is None else self._dead_letters.add

    def deliver(self, batch: EventBatch, positions: Mapping[str, str] | None = None) -> None:
        """Put a batch into the channels, waiting while they are full. Raises Stopped when the agent stops.

        With `positions` the batch may still be on its way to the disk when this returns (`flush` waits for it): the
        source could read it again. A sync that failed is raised: the source begins anew at what is stored.
        """
        pause = _PAUSE_FIRST_S
        while True:
            try:
                return self._offer(batch, positions, behind=bool(positions))
            except ChannelFull as error:
                _logger.debug("channel_full", source=self._source, channel=error.channel)
            except SyncFailed:
                raise
            except Exception as error:
                # A full disk, say: nothing was taken in, so that trying again loses and doubles nothing.
                self._counters.add("ChannelWriteFail")
                _logger.error("put_failed", source=self._source, error=error, again_in_s=pause)
            if self._draining.wait(pause):
                raise Stopped(what=f"the source {self._source}")
            pause = min(pause * 2, _PAUSE_MOST_S)

    def offer(self, batch: EventBatch, positions: Mapping[str, str] | None = None) -> None:
        """Put a batch into the channels once. Raises ChannelFull, and what their stores raise."""
        self._offer(batch, positions, behind=False)

    def _offer(
        self, batch: EventBatch, positions: Mapping[str, str] | None, *, behind: bool
    ) -> None:
        received = len(batch)
        batch = self._intercepted(batch)
        if self._taps.watched:
            self._taps.see(f"source {self._source}", batch)
        routes = [route for route in self._selector.routes(batch) if len(route.batch)]
        self._put(
            [route for route in routes if route.required],
            positions,
            lambda: self._counters.add("EventAcceptedCount", received),
            behind=behind,
        )
        for route in routes:
            if not route.required:
                self._put_optional(route)
        self._counters.add("EventReceivedCount", received)

    def _intercepted(self, batch: EventBatch) -> EventBatch:
        """What the interceptors make of it; an event that one cannot take is put aside, where that is configured."""
        try:
            made = batch
            for one in self._interceptors:
                made = one.intercept(made)
            return made
        except POISON as error:
            if self._dead_letters is None or not len(batch):
                raise
            if len(batch) == 1:
                self._dead_letters.add(batch, error)
                return EventBatch([])
            half = len(batch) // 2
            return EventBatch.joined(
                [self._intercepted(batch[:half]), self._intercepted(batch[half:])]
            )

    def _put(
        self,
        routes: list[Route],
        positions: Mapping[str, str] | None,
        done: Callable[[], None],
        *,
        behind: bool,
    ) -> None:
        reserved: list[Route] = []
        try:
            for route in routes:
                self._check_size(route)
                self._channels[route.channel].reserve(route.batch, self._draining)
                reserved.append(route)
            self._store(routes, positions, done, behind=behind)
        except BaseException:
            for route in reserved:
                self._channels[route.channel].unreserve(route.batch)
            raise
        for route in routes:
            channel = self._channels[route.channel]
            if isinstance(channel, LogChannel):
                channel.stored(len(route.batch))
            else:
                channel.put(route.batch)

    def _check_size(self, route: Route) -> None:
        channel = self._channels[route.channel]
        if len(route.batch) > channel.transaction_capacity:
            raise ChannelFull(
                channel=channel.name,
                capacity=channel.transaction_capacity,
                property="transactionCapacity",
            )

    def _store(
        self,
        routes: list[Route],
        positions: Mapping[str, str] | None,
        done: Callable[[], None],
        *,
        behind: bool,
    ) -> None:
        """What goes into logs: one put a log, the positions with the last of them."""
        parts: dict[str, list[Part]] = {}
        for route in routes:
            channel = self._channels[route.channel]
            if isinstance(channel, LogChannel):
                mine = parts.setdefault(channel.store.path, [])
                mine.append((channel.topic, channel.next_partition(), route.batch))
        if not parts:
            self._hold(positions)
            done()
            return
        if positions and self._held:
            positions, self._held = {**self._held, **positions}, {}
        # The last has the positions: when it has them, all have their events.
        last = len(parts) - 1
        for number, (path, mine) in enumerate(parts.items()):
            if number < last:
                self._writer(path).put(mine, None, _nothing)
            else:
                self._writer(path).put(mine, positions or None, done, behind=behind and not last)

    def _hold(self, positions: Mapping[str, str] | None) -> None:
        """Where the source stands behind events that went into no log: stored now and then."""
        if not positions or not self._logs:
            return
        if not self._held:
            self._held_since = time.monotonic()
        self._held.update(positions)
        if time.monotonic() - self._held_since >= _HOLD_S:
            self._store_held()

    def _store_held(self) -> None:
        if self._held:
            held, self._held = self._held, {}
            self._writer(self._logs[0].store.path).put([], held, _nothing)

    def _writer(self, path: str) -> Writer:
        with self._writers_mutex:
            found = self._writers.get(path)
            if found is None:
                mine = [one for one in self._logs if one.store.path == path]
                # The strictest of the channels decides for all that share the log.
                acks = "all" if any(one.acks == "all" for one in mine) else 1
                found = self._writers[path] = Writer(
                    mine[0].store, self._agent, self._source, positions=self.positions, acks=acks
                )
            return found

    def flush(self) -> None:
        """Return when all that was delivered is on disk. Raises what a sync failed with."""
        self._store_held()
        for writer in list(self._writers.values()):
            writer.flush()

    def _put_optional(self, route: Route) -> None:
        try:
            self._put([route], None, _nothing, behind=False)
        except Exception as error:  # what optional means: it is said, and no more
            _logger.warning(
                "optional_channel_failed", source=self._source, channel=route.channel, error=error
            )

    def close(self) -> None:
        """Close what writes into stores."""
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()
        if self._dead_letters is not None:
            self._dead_letters.close()


def _nothing() -> None:
    """Nobody waits for this put."""
