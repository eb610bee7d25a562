"""Every event to every channel."""

from __future__ import annotations

from logflume.agent.options import ComponentConfig, setting
from logflume.agent.registry import selector
from logflume.agent.selectors.selector import Route, Selector
from logflume.config.kinds import Text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume.agent.events import EventBatch

__all__ = [
    "Replicating",
    "ReplicatingConfig",
]


class ReplicatingConfig(ComponentConfig, table="replicating selector"):
    """Flume guide, "Replicating Channel Selector"."""

    optional: str | None = setting(
        "optional", None, Text(), doc="Channels whose failure is no failure of the source's."
    )


@selector("replicating", "org.apache.flume.channel.ReplicatingChannelSelector")
class Replicating(Selector):
    """The default."""

    Config = ReplicatingConfig

    def setup(self) -> None:
        self._optional = frozenset(self.known(self.config.optional or "", "selector.optional"))

    def routes(self, batch: EventBatch) -> list[Route]:
        return [Route(name, batch, name not in self._optional) for name in self.channels]
