"""Drops events."""

from __future__ import annotations

from logflume.agent.components import Sink
from logflume.agent.options import ComponentConfig, setting
from logflume.agent.registry import sink
from logflume.config.kinds import Int

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume.agent.events import EventBatch

__all__ = [
    "NullConfig",
    "NullSink",
]


class NullConfig(ComponentConfig, table="null sink"):
    """Flume guide, "Null Sink"."""

    batch_size: int = setting("batchSize", 100, Int(min=1), doc="Events of a transaction.")


@sink("null", "org.apache.flume.sink.NullSink")
class NullSink(Sink):
    """For measuring, and for a channel whose events nobody wants."""

    Config = NullConfig

    def write(self, batch: EventBatch) -> None:
        return
