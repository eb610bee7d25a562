"""The sinks in turn, or at random."""

from __future__ import annotations

import random

from logflume.agent.options import ComponentConfig, setting
from logflume.agent.processors.processor import Penalty, Processor
from logflume.agent.registry import processor
from logflume.config.kinds import Bool, Choice, Duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume.agent.components import Sink
    from logflume.agent.events import EventBatch

__all__ = [
    "LoadBalance",
    "LoadBalanceConfig",
]


class LoadBalanceConfig(ComponentConfig, table="load balancing sink processor"):
    """Flume guide, "Load balancing Sink Processor"."""

    selector: str = setting(
        "selector", "round_robin", Choice("round_robin", "random"), doc="How the sink is chosen."
    )
    backoff: bool = setting(
        "backoff", False, Bool(), doc="Leave a sink that failed out for a while."
    )
    max_time_out: int = setting(
        "selector.maxTimeOut", 30_000, Duration(), doc="Longest time for which it is left out."
    )


@processor("load_balance", "org.apache.flume.sink.LoadBalancingSinkProcessor")
class LoadBalance(Processor):
    """A batch that one sink could not write goes to the next."""

    Config = LoadBalanceConfig

    def setup(self) -> None:
        self._turn = 0
        self._penalties = {one.name: Penalty(self.config.max_time_out / 1000) for one in self.sinks}

    def _order(self) -> list[Sink]:
        if self.config.selector == "random":
            order = random.sample(self.sinks, len(self.sinks))
        else:
            order = self.sinks[self._turn :] + self.sinks[: self._turn]
            self._turn = (self._turn + 1) % len(self.sinks)
        if not self.config.backoff:
            return order
        now = self.clock()
        return [one for one in order if self._penalties[one.name].until <= now] or order[:1]

    def write(self, batch: EventBatch) -> Sink:
        return self.write_by_first(self._order(), self._penalties, batch)
