"""Each batch to one channel, in turn or at random."""

from __future__ import annotations

import itertools
import random

from logflume.agent.options import ComponentConfig, setting
from logflume.agent.registry import selector
from logflume.agent.selectors.selector import Route, Selector
from logflume.config.kinds import Choice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume.agent.events import EventBatch

__all__ = [
    "LoadBalancing",
    "LoadBalancingConfig",
]


class LoadBalancingConfig(ComponentConfig, table="load balancing selector"):
    """Flume guide, "Load Balancing Channel Selector"."""

    policy: str = setting(
        "policy", "round_robin", Choice("round_robin", "random"), doc="How the channel is chosen."
    )


@selector("load_balancing", "org.apache.flume.channel.LoadBalancingChannelSelector")
class LoadBalancing(Selector):
    """Spreads load: an event is in one channel only."""

    Config = LoadBalancingConfig

    def setup(self) -> None:
        self._turns = itertools.cycle(self.channels)

    def routes(self, batch: EventBatch) -> list[Route]:
        drawn = self.config.policy == "random"
        chosen = random.choice(self.channels) if drawn else next(self._turns)
        return [Route(chosen, batch, True)]
