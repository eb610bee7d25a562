"""Events by the value of a header."""

from __future__ import annotations

from logflume.agent.options import ComponentConfig, family, setting
from logflume.agent.registry import selector
from logflume.agent.selectors.selector import Route, Selector
from logflume.config.kinds import Text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume.agent.events import EventBatch

__all__ = [
    "Multiplexing",
    "MultiplexingConfig",
]


class MultiplexingConfig(ComponentConfig, table="multiplexing selector"):
    """Flume guide, "Multiplexing Channel Selector"."""

    header: str = setting(
        "header", "flume.selector.header", Text(), doc="The header whose value chooses."
    )
    default: str | None = setting(
        "default", None, Text(), doc="Channels of events that no mapping names."
    )
    mapping: dict[str, str] = family("mapping.", doc="Channels of the events with this value.")
    optional: dict[str, str] = family(
        "optional.",
        doc="Further channels of the events with this value, whose failure is no failure.",
    )


@selector("multiplexing", "org.apache.flume.channel.MultiplexingChannelSelector")
class Multiplexing(Selector):
    """`mapping.VALUE` names the channels; events with another value, or without the header, go to `default`."""

    Config = MultiplexingConfig

    def setup(self) -> None:
        self._default = self.known(self.config.default or "", "selector.default")
        self._required = {
            value: self.known(names, f"selector.mapping.{value}")
            for value, names in self.config.mapping.items()
        }
        self._optional = {
            value: self.known(names, f"selector.optional.{value}")
            for value, names in self.config.optional.items()
        }

    def routes(self, batch: EventBatch) -> list[Route]:
        name = self.config.header
        same = batch.common.get(name)
        if same is not None or name not in batch.columns:
            return self._routes_of(same, batch)
        rows: dict[str | None, list[int]] = {}
        for i, value in enumerate(batch.header(name)):
            rows.setdefault(value, []).append(i)
        if len(rows) == 1:
            return self._routes_of(next(iter(rows)), batch)
        # A channel that several values lead to gets their events in the order they came.
        parts: dict[tuple[str, bool], list[int]] = {}
        for value, indices in rows.items():
            for channel, required in self._channels_of(value):
                parts.setdefault((channel, required), []).extend(indices)
        return [
            Route(channel, batch.select(sorted(indices)), required)
            for (channel, required), indices in parts.items()
        ]

    def _channels_of(self, value: str | None) -> list[tuple[str, bool]]:
        required = self._required.get(value, self._default) if value is not None else self._default
        optional = self._optional.get(value, ()) if value is not None else ()
        return [(c, True) for c in required] + [(c, False) for c in optional if c not in required]

    def _routes_of(self, value: str | None, batch: EventBatch) -> list[Route]:
        return [Route(channel, batch, required) for channel, required in self._channels_of(value)]
