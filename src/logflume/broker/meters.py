"""What the broker counts while it serves; `metrics.py` shows it."""

from __future__ import annotations

from collections import Counter, defaultdict

from logflume.observe.exposition import Histogram

__all__ = ["Meters"]


class Meters:
    """Plain numbers. Belongs to the broker's event loop."""

    __slots__ = ("accepted", "bytes_in", "bytes_out", "closed", "seconds")

    def __init__(self) -> None:
        self.seconds: defaultdict[int, Histogram] = defaultdict(Histogram)
        """By API key: from a request's beginning to its answer's writing."""
        self.bytes_in = 0
        self.bytes_out = 0
        self.accepted = 0
        self.closed: Counter[str] = Counter()
        """Connections that the broker closed, by the log's event."""
