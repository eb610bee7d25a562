"""Faults on request, for tests of clients: what a network and a cluster do to them, at a chosen moment.

::

    broker.faults.drop("PRODUCE")               # the next produce is carried out, its answer never comes
    broker.faults.delay(0.5, "FETCH", times=3)
    broker.faults.wrong_leader(times=2)         # NOT_LEADER_OR_FOLLOWER for two partitions' requests
    broker.faults.refuse()                      # connections, until clear()
"""

from __future__ import annotations

import threading

from logflume.broker.api_keys import ApiKey
from logflume.types import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple

__all__ = ["Fault", "Faults"]

NOT_LEADER = 6


class Fault(NamedTuple):
    """What happens to one request: its answer comes late, or the connection is closed instead."""

    delay_s: float = 0.0
    drop: bool = False
    unserved: bool = False
    """Dropped before it is carried out."""


class _Rule:
    """A fault for the next `left` requests of an API (of any, when it is None)."""

    def __init__(self, api_key: int | None, left: int, fault: Fault) -> None:
        self.api_key = api_key
        self.left = left
        self.fault = fault


class Faults:
    """The faults of one broker. Thread-safe: a test sets them while the broker's loop runs."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._rules: list[_Rule] = []
        self._wrong_leader = 0
        self.refusing = False
        """New connections are closed at once."""

    def delay(self, seconds: float, api: str | None = None, *, times: int = 1) -> None:
        """Carry out the next requests (of an API, by its name) only after so many seconds."""
        self._add(api, times, Fault(delay_s=seconds))

    def drop(self, api: str | None = None, *, times: int = 1, unserved: bool = False) -> None:
        """Close the connection instead of answering; with `unserved`, without carrying out what was asked."""
        self._add(api, times, Fault(drop=True, unserved=unserved))

    def wrong_leader(self, times: int = 1) -> None:
        """Say that this broker is not the leader, the next times that a partition is written or read."""
        with self._mutex:
            self._wrong_leader += times

    def refuse(self) -> None:
        """Close new connections at once, until `clear()`."""
        self.refusing = True

    def clear(self) -> None:
        """No faults any more."""
        with self._mutex:
            self._rules.clear()
            self._wrong_leader = 0
            self.refusing = False

    def _add(self, api: str | None, times: int, fault: Fault) -> None:
        key = None if api is None else ApiKey[api.upper()]
        with self._mutex:
            self._rules.append(_Rule(key, times, fault))

    # ---- the broker's side

    def take(self, api_key: int) -> Fault | None:
        """The fault for a request that came now."""
        if not self._rules:
            return None
        with self._mutex:
            for rule in self._rules:
                if rule.api_key in (None, api_key):
                    rule.left -= 1
                    if rule.left <= 0:
                        self._rules.remove(rule)
                    return rule.fault
        return None

    @property
    def misleads(self) -> bool:
        """Whether the next partition has another leader."""
        return self._wrong_leader > 0

    def take_wrong_leader(self) -> int:
        """Kafka's error code for a partition that is asked for now; 0 for none."""
        with self._mutex:
            if self._wrong_leader <= 0:
                return 0
            self._wrong_leader -= 1
            return NOT_LEADER
