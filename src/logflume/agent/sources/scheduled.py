"""What a command prints, run by the clock."""

from __future__ import annotations

import datetime
import time

from logflume.agent.options import setting
from logflume.agent.registry import source
from logflume.agent.sources.command import CommandConfig, CommandSource
from logflume.config.kinds import Bool, Choice, Duration, Text
from logflume.errors import InvalidConfig

__all__ = ["ScheduledConfig", "ScheduledSource"]

_LOOK_S = 60.0  # clocks are set, and summer begins: the next time is worked out anew so often


class ScheduledConfig(CommandConfig, table="scheduled source"):
    """A source of our own: no page of Flume's."""

    interval: int | None = setting(
        "interval",
        None,
        Duration(min=1),
        doc="Time from one start of the command to the next.",
        origin="logflume",
    )
    cron: str | None = setting(
        "cron",
        None,
        Text(),
        doc="Or when, as cron has it: `*/5 * * * *`, in local time; with six fields the first is seconds.",
        origin="logflume",
    )
    at_start: bool = setting(
        "atStart", False, Bool(), doc="Run it at once, too.", origin="logflume"
    )
    whole: str = setting(
        "events",
        "lines",
        Choice("lines", "output"),
        doc="A line is an event, or all that one run printed is.",
        origin="logflume",
    )
    timeout: int = setting(
        "timeout",
        0,
        Duration(),
        doc="Time after which a run is ended; 0: never.",
        origin="logflume",
    )

    def check_component(self) -> None:
        if (self.interval is None) == (self.cron is None):
            raise InvalidConfig(
                name="interval", value=self.interval, reason="or cron must be given, and not both"
            )
        if self.cron is not None:
            from cronsim import CronSim, CronSimError

            try:
                CronSim(self.cron, datetime.datetime.now().astimezone())
            except CronSimError as error:
                raise InvalidConfig(
                    name="cron", value=self.cron, reason=f"is no cron expression: {error}"
                ) from None


@source("scheduled")
class ScheduledSource(CommandSource):
    """A run that is due while the one before it goes on is left out. Headers: `scheduled`, the run's time in ms."""

    Config = ScheduledConfig

    def run(self) -> None:
        if self.config.at_start:
            self._run(time.time())
        due = self._next(time.time())
        while not self.draining.is_set():
            wait = due - time.time()
            if wait > 0:
                self.draining.wait(min(wait, _LOOK_S))
                continue
            self._run(due)
            due = self._next(max(due, time.time()) if self.config.cron else due)
            if due < time.time() and self.config.interval:
                missed = int((time.time() - due) // (self.config.interval / 1000)) + 1
                self.log.warning("runs_left_out", source=self.name, runs=missed)
                due += missed * self.config.interval / 1000

    def _run(self, due: float) -> None:
        timeout = self.config.timeout / 1000 or None
        code = self.once(
            {"scheduled": str(int(due * 1000))},
            whole=self.config.whole == "output",
            timeout=timeout,
        )
        if code:
            self.counters.add("GenericProcessingFail")
            self.log.warning("command_failed", source=self.name, exit_code=code)

    def _next(self, after: float) -> float:
        """When it is due next, in seconds since 1970."""
        if self.config.interval is not None:
            return after + float(self.config.interval) / 1000
        from cronsim import CronSim

        now = datetime.datetime.fromtimestamp(after).astimezone()
        return float(next(CronSim(self.config.cron, now)).timestamp())
