"""Numbers, for trying a flow."""

from __future__ import annotations

from logflume.agent.components import Source
from logflume.agent.events import EventBatch
from logflume.agent.options import ComponentConfig, setting
from logflume.agent.registry import source
from logflume.config.kinds import LONG_MAX, Int

__all__ = [
    "SequenceConfig",
    "SequenceSource",
]


class SequenceConfig(ComponentConfig, table="sequence source"):
    """Flume guide, "Sequence Generator Source"."""

    batch_size: int = setting("batchSize", 1, Int(min=1), doc="Events of a transaction.")
    total_events: int = setting(
        "totalEvents", LONG_MAX, Int(max=LONG_MAX), doc="After so many it ends."
    )


@source("seq", "org.apache.flume.source.SequenceGeneratorSource")
class SequenceSource(Source):
    """Bodies "0", "1", "2" ... With a durable channel it goes on where it stood."""

    Config = SequenceConfig

    def run(self) -> None:
        at = int(self.positions.load().get("next", 0))
        size, total = self.config.batch_size, self.config.total_events
        while at < total and not self.draining.is_set():
            upto = min(at + size, total)
            bodies = [b"%d" % number for number in range(at, upto)]
            self.deliver(EventBatch(bodies), {"next": str(upto)})
            at = upto
