"""The sink of the highest priority that works."""

from __future__ import annotations

from logflume.agent.options import ComponentConfig, family, setting
from logflume.agent.processors.processor import Penalty, Processor
from logflume.agent.registry import processor
from logflume.config.kinds import Duration
from logflume.errors import InvalidConfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume.agent.components import Sink
    from logflume.agent.events import EventBatch

__all__ = [
    "Failover",
    "FailoverConfig",
]


class FailoverConfig(ComponentConfig, table="failover sink processor"):
    """Flume guide, "Failover Sink Processor"."""

    max_penalty: int = setting(
        "maxpenalty", 30_000, Duration(), doc="Longest time for which a failed sink is left out."
    )
    priority: dict[str, str] = family(
        "priority.", doc="Each sink's priority: the highest comes first.", required=True
    )


@processor("failover", "org.apache.flume.sink.FailoverSinkProcessor")
class Failover(Processor):
    """A sink that failed is left out for a second, then two, four ... and comes back as soon as it works."""

    Config = FailoverConfig

    def setup(self) -> None:
        order: dict[int, Sink] = {}
        for one in self.sinks:
            name = f"processor.priority.{one.name}"
            text = self.config.priority.get(one.name)
            try:
                priority = int(text or "")
            except ValueError:
                raise InvalidConfig(
                    name=name, value=text, reason="must be a whole number"
                ) from None
            if priority in order:
                raise InvalidConfig(
                    name=name, value=text, reason=f"{order[priority].name} has the same priority"
                )
            order[priority] = one
        strange = set(self.config.priority) - {one.name for one in self.sinks}
        if strange:
            name = sorted(strange)[0]
            raise InvalidConfig(
                name=f"processor.priority.{name}",
                value=self.config.priority[name],
                reason="is no sink of the group",
            )
        self._order = [order[priority] for priority in sorted(order, reverse=True)]
        self._penalties = {one.name: Penalty(self.config.max_penalty / 1000) for one in self.sinks}

    def write(self, batch: EventBatch) -> Sink:
        now = self.clock()
        well = [one for one in self._order if self._penalties[one.name].until <= now]
        # When all are left out, the one whose time is up first is tried anyway: there is nothing better.
        soonest = sorted(self._order, key=lambda sink: self._penalties[sink.name].until)[:1]
        return self.write_by_first(well or soonest, self._penalties, batch)
