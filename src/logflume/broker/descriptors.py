"""File descriptors: as many as the system lets a process have, and some of them kept for the log's own files."""

from __future__ import annotations

import resource
from time import monotonic

from logflume.observe import get_logger

__all__ = ["Descriptors", "raise_limit"]

_log = get_logger(__name__)

_KEPT = 64  # for segments, indexes and small files, when clients take all others
_SILENCE_S = 10.0  # between two log lines about the same want


def raise_limit() -> int:
    """Raise this process's limit to the most it may have; returns it. For a process that is logflume's own."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


class Descriptors:
    """Whether one more client can be had. Belongs to the broker's event loop.

    The kernel gives the lowest free number, so a new connection's own number says how many are in use. Clients for
    whom there is none are closed, before the kernel refuses to accept any: a broker without descriptors could not
    open a segment either.
    """

    def __init__(self) -> None:
        self.limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._highest = self.limit - min(_KEPT, self.limit // 4)
        self._told = -_SILENCE_S

    def are_scarce(self, fileno: int) -> bool:
        """Whether a connection with this number is one too many; says so in the log, now and then."""
        if fileno < self._highest:
            return False
        now = monotonic()
        if now - self._told >= _SILENCE_S:
            self._told = now
            _log.error(
                "out_of_descriptors",
                limit=self.limit,
                hint="connections are closed; raise the hard limit (ulimit -Hn, LimitNOFILE=)",
            )
        return True
