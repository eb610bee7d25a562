"""What a filter leaves of a log: intervals of partition, offset and time."""

from __future__ import annotations

from dataclasses import dataclass

from logflume.client.scan import Scan
from logflume.client.topic import Topic

__all__ = ["AXES", "Interval", "Window", "as_scan", "narrowed"]

AXES = ("partition", "offset", "timestamp")
"""The columns by which the log can be cut; timestamps in ms."""


@dataclass(frozen=True, slots=True)
class Interval:
    """`low <= x < high`; None: without a bound."""

    low: int | None = None
    high: int | None = None

    def intersection(self, other: Interval) -> Interval:
        """What is in both."""
        return Interval(
            max((x for x in (self.low, other.low) if x is not None), default=None),
            min((x for x in (self.high, other.high) if x is not None), default=None),
        )

    def hull(self, other: Interval) -> Interval:
        """The smallest interval around both."""
        return Interval(
            None if self.low is None or other.low is None else min(self.low, other.low),
            None if self.high is None or other.high is None else max(self.high, other.high),
        )


Window = dict[str, Interval]
"""An interval for each axis that is bounded. Every row that passes the filter lies in all of them."""


def as_scan(given: Scan | Topic) -> Scan:
    """A topic as the scan of all of it."""
    return given.scan() if isinstance(given, Topic) else given


def narrowed(scan: Scan, window: Window, columns: list[str] | None) -> Scan:
    """The scan of those columns, cut to the window."""
    partition = window.get("partition", Interval())
    offset, time = window.get("offset", Interval()), window.get("timestamp", Interval())
    low, high = partition.low or 0, partition.high
    return scan.narrowed(
        columns=columns,
        partitions=[p for p in scan.partitions if p >= low and (high is None or p < high)],
        offsets=(
            None if offset.low is None else max(offset.low, 0),
            None if offset.high is None else max(offset.high, 0),
        ),
        start_ms=time.low,
        end_ms=time.high,
    )
