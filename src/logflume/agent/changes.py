"""What of an agent can go on running when its plan becomes another."""

from __future__ import annotations

from logflume.types import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume.agent.plan import Plan, Stage

__all__ = ["NOTHING", "Kept", "kept"]


class Kept(NamedTuple):
    """Names of the parts that are the same in both plans, and so is what they are wired to."""

    channels: frozenset[str]
    groups: frozenset[str]
    sources: frozenset[str]


NOTHING = Kept(frozenset(), frozenset(), frozenset())


def kept(old: Plan, new: Plan) -> Kept:
    """The parts that need not be stopped to get from one plan to the other."""
    channels = frozenset(
        name
        for name in old.channels.keys() & new.channels.keys()
        if _same(old.channels[name].stage, new.channels[name].stage)
        # Who takes from a channel shares its partitions with the others.
        and _takers(old, name) == _takers(new, name)
    )
    groups = frozenset(
        name
        for name in old.groups.keys() & new.groups.keys()
        if _same_group(old, new, name, channels)
    )
    sources = frozenset(
        name
        for name in old.sources.keys() & new.sources.keys()
        if _same_source(old, new, name, channels)
    )
    return Kept(channels, groups, sources)


def _same_config(one: object, other: object) -> bool:
    if type(one) is not type(other):
        return False
    return one == other if one is None or isinstance(one, dict) else vars(one) == vars(other)


def _same(one: Stage, other: Stage) -> bool:
    if one.name != other.name or one.kind is not other.kind:
        return False
    return _same_config(one.config, other.config)


def _takers(plan: Plan, channel: str) -> list[str]:
    return [n for n, group in plan.groups.items() if plan.sinks[group.sinks[0]].channel == channel]


def _same_group(old: Plan, new: Plan, name: str, channels: frozenset[str]) -> bool:
    one, other = old.groups[name], new.groups[name]
    if one.sinks != other.sinks or not _same(one.processor, other.processor):
        return False
    return all(
        _same(old.sinks[sink].stage, new.sinks[sink].stage)
        and old.sinks[sink].channel == new.sinks[sink].channel
        and old.sinks[sink].channel in channels
        and _same_config(old.sinks[sink].dead_letter, new.sinks[sink].dead_letter)
        for sink in one.sinks
    )


def _same_source(old: Plan, new: Plan, name: str, channels: frozenset[str]) -> bool:
    one, other = old.sources[name], new.sources[name]
    if one.channels != other.channels or not channels.issuperset(one.channels):
        return False
    if len(one.interceptors) != len(other.interceptors):
        return False
    if not _same_config(one.dead_letter, other.dead_letter):
        return False
    pairs = [(one.stage, other.stage), (one.selector, other.selector)]
    pairs += zip(one.interceptors, other.interceptors, strict=True)
    return all(_same(before, after) for before, after in pairs)
