"""What a sink processor does."""

from __future__ import annotations

import time

from logflume.observe import get_logger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, ClassVar

    from logflume.agent.components import Sink
    from logflume.agent.events import EventBatch
    from logflume.agent.options import ComponentConfig

__all__ = ["Penalty", "Processor"]


class Penalty:
    """How long a sink that failed is left out: twice as long after each failure, up to a bound."""

    def __init__(self, most_s: float, first_s: float = 1.0) -> None:
        self._most_s = most_s
        self._first_s = first_s
        self._failures = 0
        self.until = 0.0

    def failed(self, now: float) -> None:
        """It failed (again)."""
        self._failures += 1
        wait = min(self._first_s * 2 ** min(self._failures - 1, 30), self._most_s)
        self.until = now + wait

    def worked(self) -> None:
        """It works."""
        self._failures, self.until = 0, 0.0


class Processor:
    """Writes batches by one of its sinks. One thread's.

    Parameters: the parsed `processor.*` properties; the group's sinks; the clock, in seconds.
    """

    Config: ClassVar[type[ComponentConfig]]

    def __init__(
        self, config: Any, sinks: Sequence[Sink], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.config = config
        self.sinks = list(sinks)
        self.clock = clock
        self.log = get_logger(type(self).__module__)
        self.setup()

    def setup(self) -> None:
        """Check what parsing cannot. Raises InvalidConfig."""

    @property
    def batch_size(self) -> int:
        """The most events of one transaction."""
        return min(one.batch_size for one in self.sinks)

    @property
    def take_max(self) -> int:
        """The most events of one take."""
        return min(one.take_max for one in self.sinks)

    def write(self, batch: EventBatch) -> Sink:
        """Have a sink write the batch; returns which. Raises the last failure when none could."""
        raise NotImplementedError

    def write_by_first(
        self, order: Sequence[Sink], penalties: Mapping[str, Penalty], batch: EventBatch
    ) -> Sink:
        """The first of these sinks that can writes the batch. Raises the last failure when none can."""
        failure: Exception | None = None
        for one in order:
            try:
                self.attempt(one, batch)
            except Exception as error:  # the next sink's turn; the last failure is raised below
                failure = error
                penalties[one.name].failed(self.clock())
                self.log.warning("sink_failed", sink=one.name, error=error)
            else:
                penalties[one.name].worked()
                return one
        assert failure is not None
        raise failure

    def attempt(self, sink: Sink, batch: EventBatch) -> None:
        """One sink's try, counted."""
        count = len(batch)
        sink.counters.add("EventDrainAttemptCount", count)
        try:
            sink.write(batch)
        except Exception:
            sink.counters.add("EventWriteFail")
            raise
        if not sink.counts_itself:
            sink.counters.add("EventDrainSuccessCount", count)
        if sink.context.taps.watched:
            sink.context.taps.see(f"sink {sink.name}", batch)
        full = count >= sink.batch_size
        sink.counters.add("BatchCompleteCount" if full else "BatchUnderflowCount")
