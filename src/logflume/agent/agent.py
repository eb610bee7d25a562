"""An agent at work: components made of a plan, started in order, stopped in order."""

from __future__ import annotations

import time

from logflume.agent.changes import NOTHING, kept
from logflume.agent.channels import Channel
from logflume.agent.components import Context, Sink
from logflume.agent.dead_letters import DeadLetters
from logflume.agent.intake import Intake
from logflume.agent.interceptors import Call
from logflume.agent.memory_positions import NoPositions
from logflume.agent.runners import SinkRunner, SourceRunner
from logflume.agent.stores import Stores
from logflume.errors import InvalidConfig
from logflume.observe import get_logger
from logflume.types import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable
    from types import TracebackType
    from typing import Any, TypeVar

    from logflume.agent.changes import Kept
    from logflume.agent.components import Interceptor, Source
    from logflume.agent.counters import Counters
    from logflume.agent.plan import GroupPlan, Plan, SinkPlan, SourcePlan, Stage
    from logflume.agent.taps import Taps

    C = TypeVar("C")

__all__ = ["Agent"]

_logger = get_logger(__name__)


class _Parts(NamedTuple):
    """Components made of a plan, by name."""

    channels: dict[str, Channel]
    sinks: dict[str, Sink]
    sources: dict[str, Source]


class Agent:
    """Runs a plan, and what it becomes. One thread's; `counters()` may be asked by any.

    Raises InvalidConfig when the plan has errors, or a component finds a property that cannot be.
    """

    def __init__(self, plan: Plan) -> None:
        self._stores = Stores()
        self.context = Context(plan.agent, self._stores)
        self.plan = plan
        made = self._make(plan, NOTHING)
        self.channels, self.sinks, self.sources = made
        self._opened: list[Source | Channel | Sink] = []
        self._intakes: dict[str, Intake] = {}
        self._source_runners: dict[str, SourceRunner] = {}
        self._sink_runners: dict[str, SinkRunner] = {}

    def _make(self, plan: Plan, keep: Kept) -> _Parts:
        """The components that are not kept. Raises InvalidConfig; nothing is opened yet."""
        for problem in plan.errors:
            raise InvalidConfig(name=problem.property, value=None, reason=problem.message)
        kept_sinks = {sink for name in keep.groups for sink in plan.groups[name].sinks}
        made = _Parts(
            {n: self._made(p.stage) for n, p in plan.channels.items() if n not in keep.channels},
            {n: self._made(p.stage) for n, p in plan.sinks.items() if n not in kept_sinks},
            {n: self._made(p.stage) for n, p in plan.sources.items() if n not in keep.sources},
        )
        for group in plan.groups.values():
            channel = made.channels.get(plan.sinks[group.sinks[0]].channel)
            if channel is not None:
                channel.takers_wanted += 1
        return made

    def _made(self, stage: Stage) -> Any:
        # Each has a context of its own: a source can be told to stop alone.
        return stage.kind(
            stage.name, stage.config, Context(self.plan.agent, self._stores, self.context.taps)
        )

    def start(self) -> None:
        """Channels first, then sinks, then sources. A failure stops what was started, and is raised."""
        try:
            self._start(self.plan, _Parts(self.channels, self.sinks, self.sources))
        except BaseException:
            self.stop(timeout=0)
            raise
        _logger.info("agent_started", agent=self.plan.agent)

    def reload(self, plan: Plan, timeout: float = 30.0) -> Kept:
        """Become another plan: what is the same in both goes on running, the rest is stopped and started.

        Sources go on where they stood, events in channels stay. Returns what was kept. Raises InvalidConfig with
        nothing changed; when a new component does not open, the old plan is started again and the failure raised.
        Events in a memory channel that the new plan has no more are delivered first, within `timeout` seconds.
        """
        keep = kept(self.plan, plan)
        made = self._make(plan, keep)
        old = self.plan
        self._stop(keep, plan, timeout)
        try:
            self._start(plan, made)
        except Exception as failure:
            _logger.error("reload_failed", agent=plan.agent, error=failure)
            self._stop(keep, old, timeout)
            self._start(old, self._make(old, keep))
            raise
        self.plan = plan
        stopped = [name for name in old.sources if name not in plan.sources]
        _logger.info("agent_reloaded", agent=plan.agent, kept=keep, removed=stopped)
        return keep

    def _start(self, plan: Plan, made: _Parts) -> None:
        """Open and start these, beside what runs already."""
        before = self.channels
        # New dicts: another thread may be walking through the old ones.
        self.channels = _those_of(plan.channels, before, made.channels)
        self.sinks = _those_of(plan.sinks, self.sinks, made.sinks)
        self.sources = _those_of(plan.sources, self.sources, made.sources)
        for name, channel in made.channels.items():
            self._open(channel)
            if before.get(name, channel) is not channel:
                channel.adopt(before[name])
        for sink in made.sinks.values():
            self._open(sink)
        for group in plan.groups.values():
            if group.name not in self._sink_runners:
                self._start_group(plan, group)
        for name in made.sources:
            self._start_source(name, plan.sources[name])

    def _open(self, component: Source | Channel | Sink) -> None:
        self._opened.append(component)
        component.open()
        component.counters.start()

    def _start_group(self, plan: Plan, group: GroupPlan) -> None:
        sinks = [self.sinks[sink] for sink in group.sinks]
        processor = group.processor.kind(group.processor.config, sinks)
        channel = self.channels[plan.sinks[group.sinks[0]].channel]
        self._sink_runners[group.name] = runner = SinkRunner(
            group.name,
            channel,
            processor,
            self._dead_letters(plan.sinks[group.sinks[0]], group.name),
        )
        runner.start()

    def _start_source(self, name: str, planned: SourcePlan) -> None:
        source = self.sources[name]
        channels = {c: self.channels[c] for c in planned.channels}
        intake = Intake(
            self.plan.agent,
            name,
            source.counters,
            [self._interceptor(stage) for stage in planned.interceptors],
            planned.selector.kind(planned.selector.config, planned.channels),
            channels,
            source.context,
            self._dead_letters(planned, name),
        )
        self._intakes[name] = intake
        source.positions = intake.positions or NoPositions()
        source.put_aside = intake.put_aside
        source.deliver, source.offer, source.flush = intake.deliver, intake.offer, intake.flush
        source.transaction_max = min(one.transaction_capacity for one in channels.values())
        self._open(source)
        self._source_runners[name] = runner = SourceRunner(source)
        runner.start()

    def _dead_letters(self, planned: SinkPlan | SourcePlan, component: str) -> DeadLetters | None:
        """Where events go that this component cannot process; a group has its first sink's."""
        config = planned.dead_letter
        return None if config is None else DeadLetters(config, self._stores, component)

    def _interceptor(self, stage: Stage) -> Interceptor:
        made: Interceptor
        if isinstance(stage.kind, type):
            made = stage.kind(stage.name, stage.config, self.context)
        else:
            made = Call(stage.name, stage.kind, self.context)
        return made

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until all sources have come to their end; True when they have."""
        until = None if timeout is None else time.monotonic() + timeout
        runners = list(self._source_runners.values())
        for runner in runners:
            runner.thread.join(None if until is None else max(until - time.monotonic(), 0))
        return not any(runner.thread.is_alive() for runner in runners)

    def stop(self, timeout: float = 30.0) -> None:
        """Sources stop; sinks empty the channels that would lose their events, within `timeout` seconds; all is closed.

        Idempotent. The first failure of a `close` is raised after all were tried.
        """
        self.context.draining.set()
        failures: list[Exception] = []
        try:
            self._stop(NOTHING, None, timeout)
        except Exception as error:  # raised below, when all is closed
            failures.append(error)
        self._stores.close()
        _logger.info("agent_stopped", agent=self.plan.agent)
        if failures:
            raise failures[0]

    def _stop(self, keep: Kept, following: Plan | None, timeout: float) -> None:
        """Stop and close all but what is kept. `following`: the plan that comes next; it takes memory channels over."""
        until = time.monotonic() + timeout
        staying = {*keep.channels, *(following.channels if following is not None else ())}
        sources = [n for n in self._source_runners if n not in keep.sources]
        groups = [n for n in self._sink_runners if n not in keep.groups]
        for name in sources:
            self.sources[name].context.draining.set()
        _join([self._source_runners.pop(name).thread for name in sources], until)
        runners = [self._sink_runners.pop(name) for name in groups]
        for runner in runners:
            channel = runner.channel
            runner.finish(drain=channel.name not in staying and not channel.is_durable)
        _join([runner.thread for runner in runners], until)
        for runner in runners:
            runner.finish(drain=False)
        _join([runner.thread for runner in runners], time.monotonic() + 5)
        for runner in runners:
            runner.release()
        self._close(keep)
        for name, one in self.channels.items():
            if name not in staying and one.room.used and not one.is_durable:
                _logger.error("events_dropped", channel=name, events=one.room.used)

    def _close(self, keep: Kept) -> None:
        failure: Exception | None = None
        intakes = [n for n in self._intakes if n not in keep.sources]
        running = {sink for runner in self._sink_runners.values() for sink in runner.sink_names}
        gone = [one for one in self._opened if not _is_kept(one, keep, running)]
        self._opened = [one for one in self._opened if _is_kept(one, keep, running)]
        for part in (*reversed(gone), *(self._intakes.pop(name) for name in intakes)):
            try:
                part.close()
            except Exception as error:  # raised below, when all are closed
                _logger.error("close_failed", part=part, error=error)
                failure = failure or error
        for one in gone:
            one.counters.stop()
        if failure is not None:
            raise failure

    def counters(self) -> list[Counters]:
        """Those of all components."""
        return [
            *(one.counters for one in self.sources.values()),
            *(one.counters for one in self.channels.values()),
            *(one.counters for one in self.sinks.values()),
        ]

    @property
    def taps(self) -> Taps:
        """A sample of the events that pass."""
        return self.context.taps

    def __enter__(self) -> Agent:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def _those_of(names: Iterable[str], running: dict[str, C], made: dict[str, C]) -> dict[str, C]:
    return {name: made[name] if name in made else running[name] for name in names}


def _is_kept(one: Source | Channel | Sink, keep: Kept, running_sinks: set[str]) -> bool:
    if isinstance(one, Sink):
        return one.name in running_sinks
    return one.name in (keep.channels if isinstance(one, Channel) else keep.sources)


def _join(threads: list[threading.Thread], until: float) -> None:
    for thread in threads:
        thread.join(max(until - time.monotonic(), 0))
