"""Retention and compaction while the broker runs, as a Kafka's clients expect them."""

from __future__ import annotations

import asyncio

from logflume.errors import LogflumeError
from logflume.log.upkeep import compact, enforce_retention
from logflume.observe import get_logger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume.broker.server import Broker

__all__ = ["Upkeep"]

_log = get_logger(__name__)


class Upkeep:
    """Does both every `log.retention.check.interval.ms`, in a thread. Belongs to the broker's event loop."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; the first look is an interval away."""
        self._task = self._broker.loop.create_task(self._run())

    async def _run(self) -> None:
        broker = self._broker
        while True:
            await asyncio.sleep(broker.config.log_retention_check_interval_ms / 1000)
            try:
                await broker.loop.run_in_executor(broker.threads, self._look)
            except LogflumeError as error:
                _log.error("upkeep_failed", path=broker.directory.path, error=error)

    def _look(self) -> None:
        now_ms = self._broker.clock.ms()
        enforce_retention(self._broker.directory, now_ms)
        compact(self._broker.directory, now_ms)

    def stop(self) -> None:
        """End; a look under way ends by itself."""
        if self._task is not None:
            self._task.cancel()
