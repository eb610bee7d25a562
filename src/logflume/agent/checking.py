"""What components find wrong with their properties when they are made: nothing is opened for that."""

from __future__ import annotations

from logflume.agent.components import Context
from logflume.agent.plan import Problem, reason_of
from logflume.agent.stores import Stores
from logflume.errors import InvalidConfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from logflume.agent.plan import Plan, Stage

__all__ = ["problems_of"]


def problems_of(plan: Plan) -> tuple[Problem, ...]:
    """The plan's own problems, and those that would keep `Agent(plan)` from being made."""
    found = list(plan.problems)
    stores = Stores()
    for where, stage in _stages(plan):
        try:
            stage.kind(stage.name, stage.config, Context(plan.agent, stores))
        except InvalidConfig as error:
            found.append(Problem("error", f"{plan.agent}.{where}.{error.name}", reason_of(error)))
    stores.close()
    return tuple(found)


def _stages(plan: Plan) -> Iterator[tuple[str, Stage]]:
    for name, source in plan.sources.items():
        yield f"sources.{name}", source.stage
        for stage in source.interceptors:
            if isinstance(stage.kind, type):
                yield f"sources.{name}.interceptors.{stage.name}", stage
    for name, channel in plan.channels.items():
        yield f"channels.{name}", channel.stage
    for name, sink in plan.sinks.items():
        yield f"sinks.{name}", sink.stage
