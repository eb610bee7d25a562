"""An agent as its configuration describes it, and what is wrong with that."""

from __future__ import annotations

from logflume.types import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume.errors import InvalidConfig

__all__ = [
    "ChannelPlan",
    "GroupPlan",
    "Plan",
    "Problem",
    "SinkPlan",
    "SourcePlan",
    "Stage",
    "reason_of",
]


class Problem(NamedTuple):
    """Something wrong (`error`), or without effect or unknown (`warning`), about one property."""

    severity: str
    property: str
    message: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.property}: {self.message}"


def reason_of(error: InvalidConfig) -> str:
    """A problem's message: the value, what is wrong with it, and what may have been meant."""
    near = f"; did you mean {error.suggestion!r}?" if error.suggestion else ""
    shown = "" if error.value is None else f"{error.value!r} "
    return f"{shown}{error.reason}{near}"


class Stage(NamedTuple):
    """One configured thing: its class (or function) and its parsed properties."""

    name: str
    kind: Any
    config: Any


class SourcePlan(NamedTuple):
    """A source, what its events pass, and where they go."""

    stage: Stage
    channels: tuple[str, ...]
    interceptors: tuple[Stage, ...]
    selector: Stage
    dead_letter: Any = None


class ChannelPlan(NamedTuple):
    """A channel."""

    stage: Stage


class SinkPlan(NamedTuple):
    """A sink and its channel."""

    stage: Stage
    channel: str
    dead_letter: Any = None


class GroupPlan(NamedTuple):
    """Sinks behind one processor; a sink without a group has one of its own."""

    name: str
    sinks: tuple[str, ...]
    processor: Stage


class Plan(NamedTuple):
    """One agent: what to build. Only what is right is in it; `problems` names the rest."""

    agent: str
    sources: dict[str, SourcePlan]
    channels: dict[str, ChannelPlan]
    sinks: dict[str, SinkPlan]
    groups: dict[str, GroupPlan]
    problems: tuple[Problem, ...]

    @property
    def errors(self) -> list[Problem]:
        """The problems that keep the agent from starting."""
        return [problem for problem in self.problems if problem.severity == "error"]
