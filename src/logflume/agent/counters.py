"""Counts of what components did, under Flume's metric names."""

from __future__ import annotations

import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["CHANNEL", "SINK", "SOURCE", "Counters"]

SOURCE = "SOURCE"
CHANNEL = "CHANNEL"
SINK = "SINK"

_NAMES = {
    SOURCE: (
        "EventReceivedCount",
        "EventAcceptedCount",
        "AppendReceivedCount",
        "AppendAcceptedCount",
        "AppendBatchReceivedCount",
        "AppendBatchAcceptedCount",
        "OpenConnectionCount",
        "EventReadFail",
        "ChannelWriteFail",
        "GenericProcessingFail",
    ),
    CHANNEL: (
        "EventPutAttemptCount",
        "EventPutSuccessCount",
        "EventTakeAttemptCount",
        "EventTakeSuccessCount",
    ),
    SINK: (
        "EventDrainAttemptCount",
        "EventDrainSuccessCount",
        "BatchCompleteCount",
        "BatchEmptyCount",
        "BatchUnderflowCount",
        "ConnectionCreatedCount",
        "ConnectionClosedCount",
        "ConnectionFailedCount",
        "EventWriteFail",
        "ChannelReadFail",
    ),
}


class Counters:
    """The counts of one component. Thread-safe. Named as the Flume guide's "Monitoring" names them."""

    def __init__(self, kind: str, name: str) -> None:
        self.kind = kind
        self.name = name
        self._mutex = threading.Lock()
        self._counts = dict.fromkeys(_NAMES[kind], 0)
        self._gauges: dict[str, Callable[[], float]] = {}
        self.started_ms = 0
        self.stopped_ms = 0

    def add(self, name: str, count: int = 1) -> None:
        """Raise one count. KeyError for a name that Flume does not have."""
        with self._mutex:
            self._counts[name] += count

    def gauge(self, name: str, read: Callable[[], float]) -> None:
        """A value that is asked for when somebody looks."""
        self._gauges[name] = read

    def __getitem__(self, name: str) -> float:
        return self._gauges[name]() if name in self._gauges else self._counts[name]

    def start(self) -> None:
        """Note the time of the start."""
        self.started_ms, self.stopped_ms = time.time_ns() // 1_000_000, 0

    def stop(self) -> None:
        """Note the time of the end."""
        self.stopped_ms = time.time_ns() // 1_000_000

    def values(self) -> dict[str, float]:
        """All counts and gauges."""
        with self._mutex:
            counts: dict[str, float] = dict(self._counts)
        return {**counts, **{name: read() for name, read in self._gauges.items()}}

    def flume(self) -> dict[str, str]:
        """As Flume's JSON has them: every value is text."""
        shown = {name: _text(value) for name, value in self.values().items()}
        return {
            **shown,
            "Type": self.kind,
            "StartTime": str(self.started_ms),
            "StopTime": str(self.stopped_ms),
        }

    @staticmethod
    def json(all_counters: Iterable[Counters]) -> dict[str, dict[str, str]]:
        """What Flume's HTTP monitoring answers: `{"SOURCE.r1": {...}}`."""
        return {f"{one.kind}.{one.name}": one.flume() for one in all_counters}


def _text(value: float) -> str:
    return str(int(value)) if value == int(value) else str(value)
