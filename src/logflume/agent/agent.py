"""An agent at work: components made of a plan, started in order, stopped in order."""

from __future__ import annotations

import threading
import time

from logflume.agent.channels import LogChannel
from logflume.agent.components import Context
from logflume.agent.intake import Intake
from logflume.agent.interceptors import Call
from logflume.agent.memory_positions import NoPositions
from logflume.agent.runners import SinkRunner, SourceRunner
from logflume.agent.stores import Stores
from logflume.errors import InvalidConfig
from logflume.observe import get_logger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

    from logflume.agent.channels import Channel
    from logflume.agent.components import Component, Interceptor, Sink, Source
    from logflume.agent.counters import Counters
    from logflume.agent.plan import Plan, SourcePlan, Stage

__all__ = ["Agent"]

_logger = get_logger(__name__)


class Agent:
    """Runs a plan. One thread's; `counters()` may be asked by any.

    Raises InvalidConfig when the plan has errors, or a component finds a property that cannot be.
    """

    def __init__(self, plan: Plan) -> None:
        for problem in plan.errors:
            raise InvalidConfig(name=problem.property, value=None, reason=problem.message)
        self.plan = plan
        self._stores = Stores()
        self.context = Context(plan.agent, self._stores)
        self.channels: dict[str, Channel] = {
            name: self._made(one.stage) for name, one in plan.channels.items()
        }
        self.sinks: dict[str, Sink] = {
            name: self._made(one.stage) for name, one in plan.sinks.items()
        }
        self.sources: dict[str, Source] = {
            name: self._made(one.stage) for name, one in plan.sources.items()
        }
        self._opened: list[Component] = []
        self._intakes: list[Intake] = []
        self._source_runners: list[SourceRunner] = []
        self._sink_runners: list[SinkRunner] = []
        for group in plan.groups.values():
            self.channels[plan.sinks[group.sinks[0]].channel].takers_wanted += 1

    def _made(self, stage: Stage) -> Any:
        return stage.kind(stage.name, stage.config, self.context)

    def start(self) -> None:
        """Channels first, then sinks, then sources. A failure stops what was started, and is raised."""
        try:
            for channel in self.channels.values():
                self._open(channel)
            for sink in self.sinks.values():
                self._open(sink)
            for group in self.plan.groups.values():
                self._start_group(group.name)
            for name, planned in self.plan.sources.items():
                self._start_source(name, planned)
        except BaseException:
            self.stop(timeout=0)
            raise
        _logger.info("agent_started", agent=self.plan.agent)

    def _open(self, component: Source | Channel | Sink) -> None:
        self._opened.append(component)
        component.open()
        component.counters.start()

    def _start_group(self, name: str) -> None:
        group = self.plan.groups[name]
        sinks = [self.sinks[sink] for sink in group.sinks]
        processor = group.processor.kind(group.processor.config, sinks)
        channel = self.channels[self.plan.sinks[group.sinks[0]].channel]
        self._sink_runners.append(SinkRunner(name, channel, processor))
        self._sink_runners[-1].start()

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
            self.context.draining,
        )
        self._intakes.append(intake)
        source.positions = intake.positions or NoPositions()
        source.deliver, source.offer, source.flush = intake.deliver, intake.offer, intake.flush
        source.transaction_max = min(one.transaction_capacity for one in channels.values())
        self._open(source)
        self._source_runners.append(SourceRunner(source, self.context))
        self._source_runners[-1].start()

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
        for runner in self._source_runners:
            runner.thread.join(None if until is None else max(until - time.monotonic(), 0))
        return not any(runner.thread.is_alive() for runner in self._source_runners)

    def stop(self, timeout: float = 30.0) -> None:
        """Sources stop; sinks empty the channels that would lose their events, within `timeout` seconds; all is closed.

        Idempotent. The first failure of a `close` is raised after all were tried.
        """
        self.context.draining.set()
        until = time.monotonic() + timeout
        _join([runner.thread for runner in self._source_runners], until)
        for runner in self._sink_runners:
            runner.finish(drain=not isinstance(runner.channel, LogChannel))
        _join([runner.thread for runner in self._sink_runners], until)
        for runner in self._sink_runners:
            runner.finish(drain=False)
        _join([runner.thread for runner in self._sink_runners], time.monotonic() + 5)
        self._close()
        _logger.info("agent_stopped", agent=self.plan.agent)

    def _close(self) -> None:
        failure: Exception | None = None
        parts: list[Component | Intake | Stores] = [*reversed(self._opened), *self._intakes]
        self._opened, self._intakes = [], []
        for part in (*parts, self._stores):
            try:
                part.close()
            except Exception as error:  # raised below, when all are closed
                _logger.error("close_failed", part=part, error=error)
                failure = failure or error
        for counters in self.counters():
            counters.stop()
        if failure is not None:
            raise failure

    def counters(self) -> list[Counters]:
        """Those of all components."""
        return [
            *(one.counters for one in self.sources.values()),
            *(one.counters for one in self.channels.values()),
            *(one.counters for one in self.sinks.values()),
        ]

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


def _join(threads: list[threading.Thread], until: float) -> None:
    for thread in threads:
        thread.join(max(until - time.monotonic(), 0))
