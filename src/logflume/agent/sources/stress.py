"""Load, for measuring a flow."""

from __future__ import annotations

import time

from logflume.agent.components import Source
from logflume.agent.events import EventBatch
from logflume.agent.options import ComponentConfig, setting
from logflume.agent.registry import source
from logflume.config.kinds import LONG_MAX, Int, Size

__all__ = [
    "StressConfig",
    "StressSource",
]


class StressConfig(ComponentConfig, table="stress source"):
    """Flume guide, "Stress Source"."""

    size: int = setting("size", 500, Size(), doc="Bytes of a body.")
    max_total_events: int = setting(
        "maxTotalEvents", -1, Int(min=-1, max=LONG_MAX), doc="After so many it ends; -1: never."
    )
    max_successful_events: int = setting(
        "maxSuccessfulEvents",
        -1,
        Int(min=-1, max=LONG_MAX),
        doc="After so many that channels took it ends; -1: never.",
    )
    batch_size: int = setting("batchSize", 1, Int(min=1), doc="Events of a transaction.")
    max_events_per_second: int = setting(
        "maxEventsPerSecond", 0, Int(), doc="The most events a second; 0: as many as go."
    )


@source("stress", "org.apache.flume.source.StressSource")
class StressSource(Source):
    """The same body, again and again."""

    Config = StressConfig

    def run(self) -> None:
        config = self.config
        limits = [n for n in (config.max_total_events, config.max_successful_events) if n >= 0]
        left = min(limits) if limits else LONG_MAX
        body = b"\x7f" * config.size
        batch = EventBatch([body] * config.batch_size)
        start, sent = time.monotonic(), 0
        while left > 0 and not self.draining.is_set():
            part = batch if len(batch) <= left else batch[:left]
            self.deliver(part, None)
            left -= len(part)
            sent += len(part)
            if config.max_events_per_second:
                ahead = sent / config.max_events_per_second - (time.monotonic() - start)
                if ahead > 0:
                    self.draining.wait(ahead)
