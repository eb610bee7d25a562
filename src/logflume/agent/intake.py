"""From a source into its channels: interceptors, the selector, and one transaction for all of them."""

from __future__ import annotations

from logflume.agent.channels.channel import LogChannel
from logflume.agent.stores import Writer
from logflume.errors import ChannelFull, Closed
from logflume.observe import get_logger

TYPE_CHECKING = False
if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping, Sequence

    from logflume.agent.channels import Channel
    from logflume.agent.components import Interceptor
    from logflume.agent.counters import Counters
    from logflume.agent.events import EventBatch
    from logflume.agent.selectors import Route, Selector
    from logflume.agent.stores import Part, Store

__all__ = ["Intake", "Stopped"]

_logger = get_logger(__name__)

_PAUSE_FIRST_S = 0.1
_PAUSE_MOST_S = 5.0


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
        draining: threading.Event,
    ) -> None:
        self._agent = agent
        self._source = source
        self._counters = counters
        self._interceptors = list(interceptors)
        self._selector = selector
        self._channels = dict(channels)
        self._draining = draining
        self._writers: dict[str, Writer] = {}

    @property
    def positions_store(self) -> Store | None:
        """Where the source's positions are kept: the first durable channel's log; None without one."""
        logs = (one for one in self._channels.values() if isinstance(one, LogChannel))
        return next((one.store for one in logs), None)

    def deliver(self, batch: EventBatch, positions: Mapping[str, str] | None = None) -> None:
        """Put a batch into the channels, waiting while they are full. Raises Stopped when the agent stops."""
        pause = _PAUSE_FIRST_S
        while True:
            try:
                return self.offer(batch, positions)
            except ChannelFull as error:
                _logger.debug("channel_full", source=self._source, channel=error.channel)
            except Exception as error:
                # A full disk, say: nothing was taken in, so that trying again loses and doubles nothing.
                self._counters.add("ChannelWriteFail")
                _logger.error("put_failed", source=self._source, error=error, again_in_s=pause)
            if self._draining.wait(pause):
                raise Stopped(what=f"the source {self._source}")
            pause = min(pause * 2, _PAUSE_MOST_S)

    def offer(self, batch: EventBatch, positions: Mapping[str, str] | None = None) -> None:
        """Put a batch into the channels once. Raises ChannelFull, and what their stores raise."""
        received = len(batch)
        for one in self._interceptors:
            batch = one.intercept(batch)
        routes = [route for route in self._selector.routes(batch) if len(route.batch)]
        self._put([route for route in routes if route.required], positions)
        for route in routes:
            if not route.required:
                self._put_optional(route)
        self._counters.add("EventReceivedCount", received)
        self._counters.add("EventAcceptedCount", received)

    def _put(self, routes: list[Route], positions: Mapping[str, str] | None) -> None:
        reserved: list[Route] = []
        try:
            for route in routes:
                self._check_size(route)
                self._channels[route.channel].reserve(route.batch)
                reserved.append(route)
            self._store(routes, positions)
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

    def _store(self, routes: list[Route], positions: Mapping[str, str] | None) -> None:
        """What goes into logs: one transaction a log."""
        home = self.positions_store
        parts: dict[str, list[Part]] = {}
        if positions and home is not None:
            parts[home.path] = []
        for route in routes:
            channel = self._channels[route.channel]
            if isinstance(channel, LogChannel):
                mine = parts.setdefault(channel.store.path, [])
                mine.append((channel.topic, channel.next_partition(), route.batch))
        for path, mine in parts.items():
            at_home = home is not None and path == home.path
            self._writer(path).put(mine, positions if at_home else None)

    def _writer(self, path: str) -> Writer:
        found = self._writers.get(path)
        if found is None:
            logs = [c for c in self._channels.values() if isinstance(c, LogChannel)]
            mine = [one for one in logs if one.store.path == path]
            # The strictest of the channels decides for all that share the log.
            acks = "all" if any(one.acks == "all" for one in mine) else 1
            made = Writer(mine[0].store, self._agent, self._source, acks=acks)
            found = self._writers.setdefault(path, made)
        return found

    def _put_optional(self, route: Route) -> None:
        try:
            self._put([route], None)
        except Exception as error:  # what optional means: it is said, and no more
            _logger.warning(
                "optional_channel_failed", source=self._source, channel=route.channel, error=error
            )

    def close(self) -> None:
        """Close what writes into stores."""
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()
