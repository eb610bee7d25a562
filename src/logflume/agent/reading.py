"""From configuration files to a plan: which components, with which properties, wired how.

Every property is either served, or named in a problem: an error where it cannot be, a warning where it has no
effect or is unknown (Flume passes over those in silence).
"""

from __future__ import annotations

import os

from logflume.agent import registry
from logflume.agent.dead_letters import DeadLetterConfig
from logflume.agent.filters import apply_filters
from logflume.agent.options import parse_component
from logflume.agent.plan import (
    ChannelPlan,
    GroupPlan,
    Plan,
    Problem,
    SinkPlan,
    SourcePlan,
    Stage,
    reason_of,
)
from logflume.agent.properties import read_files, substitute
from logflume.errors import InvalidConfig, UnknownConfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

__all__ = ["agents_in", "load", "plan_of"]

_LISTS = ("sources", "channels", "sinks", "sinkgroups", "configfilters")
_OF_RUNNER = ("backoffSleepIncrement", "maxBackoffSleep")


def load(
    paths: Iterable[str | os.PathLike[str]],
    agent: str,
    *,
    environment: Mapping[str, str] | None = None,
    system: Mapping[str, str] | None = None,
) -> Plan:
    """Read files (later ones win) and plan one of their agents.

    `environment` (default: the process's) answers `${env:X}`, `${X}`; `system` `${sys:X}`. Raises StorageError and
    InvalidConfig for a file that cannot be read; all that is wrong in it is in the plan's `problems`.
    """
    given = read_files(paths)
    done, wrong = substitute(
        given, environment=os.environ if environment is None else environment, system=system or {}
    )
    return plan_of(done, agent, wrong)


def agents_in(properties: Mapping[str, str]) -> list[str]:
    """Names of the agents that a file describes."""
    found = (name.split(".", 2) for name in properties)
    return sorted({parts[0] for parts in found if len(parts) == 2 and parts[1] in _LISTS[:3]})


def plan_of(
    properties: Mapping[str, str], agent: str, wrong: Mapping[str, str] | None = None
) -> Plan:
    """Plan one agent of these properties; `wrong` has what is known to be amiss, by property."""
    return _Reader(properties, agent, wrong or {}).plan()


class _Reader:
    """Reads one agent; collects problems."""

    def __init__(self, properties: Mapping[str, str], agent: str, wrong: Mapping[str, str]) -> None:
        prefix = f"{agent}."
        self._agent = agent
        self._all = properties
        self._own = {n[len(prefix) :]: v for n, v in properties.items() if n.startswith(prefix)}
        self._problems = [
            Problem("error", name, reason)
            for name, reason in wrong.items()
            if name.startswith(prefix)
        ]
        self._lists: dict[str, tuple[str, ...]] = {}

    def plan(self) -> Plan:
        if not self._own:
            known = ", ".join(agents_in(self._all)) or "none"
            self._error(self._agent, f"there is no such agent; the file describes: {known}")
        self._own, filtered = apply_filters(self._own)
        for name, reason in filtered.items():
            self._error(f"{self._agent}.{name}", reason)
        self._lists = {kind: self._names(kind) for kind in _LISTS}
        self._strangers()
        channels = self._channels()
        sources = self._sources(channels)
        sinks = self._sinks(channels)
        groups = self._groups(sinks)
        self._sizes(sources, channels, sinks)
        for kind, found in (("sources", sources), ("channels", channels)):
            if not self._lists[kind] and not found:
                self._warn(f"{self._agent}.{kind}", "names none")
        return Plan(self._agent, sources, channels, sinks, groups, tuple(self._problems))

    # ---- problems

    def _error(self, property: str, message: str) -> None:
        self._problems.append(Problem("error", property, message))

    def _warn(self, property: str, message: str) -> None:
        self._problems.append(Problem("warning", property, message))

    def _names(self, kind: str) -> tuple[str, ...]:
        words = tuple(self._own.get(kind, "").split())
        for word in sorted({word for word in words if words.count(word) > 1}):
            self._warn(f"{self._agent}.{kind}", f"names {word} twice")
        return tuple(dict.fromkeys(words))

    def _strangers(self) -> None:
        """Properties of nothing that is listed."""
        told: set[str] = set()
        for name in self._own:
            kind, _, rest = name.partition(".")
            component = rest.partition(".")[0]
            where = f"{self._agent}.{kind}.{component}" if component else f"{self._agent}.{kind}"
            if where in told:
                continue
            if kind not in _LISTS:
                told.add(where)
                self._warn(f"{self._agent}.{name}", f"unknown; an agent has {', '.join(_LISTS)}")
            elif component and component not in self._lists[kind]:
                told.add(where)
                self._warn(where, f"is not named in {self._agent}.{kind}, so it is not started")

    # ---- parts

    def _properties(self, kind: str, name: str) -> dict[str, str]:
        prefix = f"{kind}.{name}."
        return {n[len(prefix) :]: v for n, v in self._own.items() if n.startswith(prefix)}

    def _stage(
        self,
        kind: str,
        name: str,
        where: str,
        given: Mapping[str, str],
        *,
        default: str | None = None,
    ) -> Stage | None:
        """Class and parsed properties of a component; None (and an error) when that cannot be."""
        rest = {n: v for n, v in given.items() if n != "type"}
        type_name = given.get("type", default)
        if not type_name:
            self._error(f"{where}.type", "must be given")
            return None
        try:
            found = registry.find(kind, type_name, f"{where}.type")
        except InvalidConfig as error:
            self._error(error.name, reason_of(error))
            return None
        table = getattr(found, "Config", None)
        if table is None:
            return Stage(name, found, rest)
        config = self._parsed(table, rest, where)
        return None if config is None else Stage(name, found, config)

    def _parsed(self, table: Any, given: dict[str, str], where: str) -> Any:
        """The config; unknown properties are left out, with a warning each."""
        while True:
            try:
                config = parse_component(table, given)
            except UnknownConfig as error:
                near = f"; did you mean {error.suggestion}?" if error.suggestion else ""
                self._warn(f"{where}.{error.name}", f"unknown property of a {table.table}{near}")
                given = {n: v for n, v in given.items() if n != error.name}
            except InvalidConfig as error:
                self._error(f"{where}.{error.name}", reason_of(error))
                return None
            else:
                for name, reason in config.without_effect().items():
                    self._warn(f"{where}.{name}", f"no effect: {reason}")
                return config

    def _channels(self) -> dict[str, ChannelPlan]:
        out = {}
        for name in self._lists["channels"]:
            where = f"{self._agent}.channels.{name}"
            stage = self._stage("channel", name, where, self._properties("channels", name))
            if stage is not None:
                out[name] = ChannelPlan(stage)
        return out

    def _sources(self, channels: Mapping[str, ChannelPlan]) -> dict[str, SourcePlan]:
        out = {}
        for name in self._lists["sources"]:
            where = f"{self._agent}.sources.{name}"
            given = self._properties("sources", name)
            wired = tuple(dict.fromkeys(given.pop("channels", "").split()))
            chosen = _part(given, "selector.")
            interceptors = self._interceptors(where, given)
            dead = self._dead_letter(where, given)
            for pause in _OF_RUNNER:
                given.pop(pause, None)
            stage = self._stage("source", name, where, given)
            if not self._wired(f"{where}.channels", wired, channels):
                continue
            selector = self._stage(
                "selector", name, f"{where}.selector", chosen, default="replicating"
            )
            if stage is None or selector is None or interceptors is None:
                continue
            try:
                selector.kind(selector.config, wired)
            except InvalidConfig as error:
                self._error(f"{where}.{error.name}", reason_of(error))
                continue
            out[name] = SourcePlan(stage, wired, interceptors, selector, dead)
        return out

    def _dead_letter(self, where: str, given: dict[str, str]) -> Any:
        """The parsed `deadLetter.*`; None when there are none, or they are wrong."""
        mine = _part(given, "deadLetter.")
        return self._parsed(DeadLetterConfig, mine, f"{where}.deadLetter") if mine else None

    def _interceptors(self, where: str, given: dict[str, str]) -> tuple[Stage, ...] | None:
        names = given.pop("interceptors", "").split()
        properties = _part(given, "interceptors.")
        stages = [
            self._stage(
                "interceptor", name, f"{where}.interceptors.{name}", _part(properties, f"{name}.")
            )
            for name in names
        ]
        for stranger in sorted({name.partition(".")[0] for name in properties}):
            self._warn(
                f"{where}.interceptors.{stranger}",
                f"is not named in {where}.interceptors, so it is not used",
            )
        whole = [stage for stage in stages if stage is not None]
        return tuple(whole) if len(whole) == len(stages) else None

    def _wired(
        self, property: str, names: tuple[str, ...], channels: Mapping[str, ChannelPlan]
    ) -> bool:
        if not names:
            self._error(property, "must be given")
            return False
        for name in names:
            if name not in self._lists["channels"]:
                self._error(property, f"{name} is not named in {self._agent}.channels")
        return all(name in channels for name in names)

    def _sinks(self, channels: Mapping[str, ChannelPlan]) -> dict[str, SinkPlan]:
        out = {}
        for name in self._lists["sinks"]:
            where = f"{self._agent}.sinks.{name}"
            given = self._properties("sinks", name)
            wired = given.pop("channel", "").split()
            dead = self._dead_letter(where, given)
            stage = self._stage("sink", name, where, given)
            if len(wired) > 1:
                self._error(f"{where}.channel", "a sink has one channel")
                continue
            if self._wired(f"{where}.channel", tuple(wired), channels) and stage is not None:
                out[name] = SinkPlan(stage, wired[0], dead)
        return out

    def _groups(self, sinks: Mapping[str, SinkPlan]) -> dict[str, GroupPlan]:
        out: dict[str, GroupPlan] = {}
        grouped: set[str] = set()
        for name in self._lists["sinkgroups"]:
            where = f"{self._agent}.sinkgroups.{name}"
            given = self._properties("sinkgroups", name)
            members = tuple(dict.fromkeys(given.pop("sinks", "").split()))
            processor = self._stage(
                "processor",
                name,
                f"{where}.processor",
                _part(given, "processor."),
                default="default",
            )
            for left in given:
                self._warn(f"{where}.{left}", "unknown property of a sink group")
            grouped.update(members)
            if self._members(f"{where}.sinks", members, sinks) and processor is not None:
                out[name] = GroupPlan(name, members, processor)
        for name in sinks:
            if name not in grouped:
                default = self._stage(
                    "processor", name, f"{self._agent}.sinks.{name}", {}, default="default"
                )
                assert default is not None
                out[name] = GroupPlan(name, (name,), default)
        return out

    def _members(
        self, property: str, members: tuple[str, ...], sinks: Mapping[str, SinkPlan]
    ) -> bool:
        if not members:
            self._error(property, "must be given")
            return False
        for name in members:
            if name not in self._lists["sinks"]:
                self._error(property, f"{name} is not named in {self._agent}.sinks")
        if not all(name in sinks for name in members):
            return False
        used = {sinks[name].channel for name in members}
        if len(used) > 1:
            self._error(
                property,
                f"the sinks of a group have one channel, these have {', '.join(sorted(used))}",
            )
            return False
        return True

    def _sizes(
        self,
        sources: Mapping[str, SourcePlan],
        channels: Mapping[str, ChannelPlan],
        sinks: Mapping[str, SinkPlan],
    ) -> None:
        """As Flume at its start: a batch must fit a transaction of its channel."""
        rows = [
            ("sources", plan.stage, name) for plan in sources.values() for name in plan.channels
        ]
        rows += [("sinks", plan.stage, plan.channel) for plan in sinks.values()]
        for kind, stage, channel in rows:
            size = getattr(stage.config, "batch_size", None)
            most = getattr(channels[channel].stage.config, "transaction_capacity", None)
            if size is not None and most is not None and size > most:
                self._error(
                    f"{self._agent}.{kind}.{stage.name}.batchSize",
                    f"{size} is more than the transactionCapacity of {channel} ({most})",
                )


def _part(given: dict[str, str], prefix: str) -> dict[str, str]:
    """Take the properties that begin with `prefix` out of `given`."""
    mine = [name for name in given if name.startswith(prefix)]
    return {name[len(prefix) :]: given.pop(name) for name in mine}
