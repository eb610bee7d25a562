"""Who gets which partition: pure functions from subscriptions to assignments.

Members with their subscriptions and the topics' partition counts enter, member id to partitions
leaves. Knows no files, locks, clocks or group state; equal inputs give equal results.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from .cooperative_sticky import assign_cooperative_sticky
from .range import assign_range
from .roundrobin import assign_roundrobin
from .sticky import assign_sticky
from .subscription import NO_GENERATION, Assignment, Subscription

__all__ = [
    "ASSIGNORS",
    "NO_GENERATION",
    "Assignment",
    "Assignor",
    "Subscription",
    "assign_cooperative_sticky",
    "assign_range",
    "assign_roundrobin",
    "assign_sticky",
    "choose_assignor",
]

Assignor = Callable[[Mapping[str, Subscription], Mapping[str, int]], Assignment]

ASSIGNORS: dict[str, Assignor] = {
    "range": assign_range,
    "roundrobin": assign_roundrobin,
    "sticky": assign_sticky,
    "cooperative-sticky": assign_cooperative_sticky,
}
"""By the name that Kafka's `partition.assignment.strategy` gives them on the wire."""


def choose_assignor(preferences: Iterable[tuple[str, ...]]) -> str | None:
    """The assignor that all members know and most of them like best; None if they share none.

    Each member votes for the first of its list that all share (Kafka's rule for classic groups).
    A tie goes to the name that comes first in the alphabet, so that every process decides alike.
    """
    lists = list(preferences)
    if not lists:
        return None
    shared = set(lists[0]).intersection(*lists[1:])
    if not shared:
        return None
    votes = dict.fromkeys(sorted(shared), 0)
    for names in lists:
        votes[next(name for name in names if name in shared)] += 1
    return max(votes, key=lambda name: votes[name])
