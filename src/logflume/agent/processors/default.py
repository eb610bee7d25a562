"""One sink."""

from __future__ import annotations

from logflume.agent.options import ComponentConfig
from logflume.agent.processors.processor import Processor
from logflume.agent.registry import processor
from logflume.errors import InvalidConfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume.agent.components import Sink
    from logflume.agent.events import EventBatch

__all__ = [
    "Default",
    "DefaultConfig",
]


class DefaultConfig(ComponentConfig, table="default sink processor"):
    """Flume guide, "Default Sink Processor"."""


@processor("default", "org.apache.flume.sink.DefaultSinkProcessor")
class Default(Processor):
    """What a sink without a group has."""

    Config = DefaultConfig

    def setup(self) -> None:
        if len(self.sinks) != 1:
            raise InvalidConfig(
                name="processor.type",
                value="default",
                reason=f"is for one sink, this group has {len(self.sinks)}",
            )

    def write(self, batch: EventBatch) -> Sink:
        self.attempt(self.sinks[0], batch)
        return self.sinks[0]
