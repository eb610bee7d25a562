"""Assignors that the coordinator runs itself (KIP-848), over the ones that consumers run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from logflume.types import TopicPartition

from .assignors import Assignment, Subscription, assign_range, assign_sticky
from .group_context import TopicFacts
from .group_records import IdPartition

__all__ = ["SERVER_ASSIGNORS", "Wish", "assign_on_server"]

_Assignor = Callable[[Mapping[str, Subscription], Mapping[str, int]], Assignment]

SERVER_ASSIGNORS: dict[str, _Assignor] = {"uniform": assign_sticky, "range": assign_range}
"""By the name in `group.remote.assignor`. `uniform`: as many partitions for each as can be, and few moves."""


class Wish(NamedTuple):
    """What a member brings: topics by name, its present target, its instance id."""

    topics: frozenset[str]
    target: frozenset[IdPartition]
    instance_id: str | None


def assign_on_server(
    assignor: str, wishes: Mapping[str, Wish], topics: Mapping[str, TopicFacts]
) -> dict[str, frozenset[IdPartition]]:
    """Member id to its new target. Topics that do not exist are passed over."""
    names = {facts.topic_id: name for name, facts in topics.items()}
    members = {
        member_id: Subscription(
            topics=wish.topics,
            owned=tuple(
                TopicPartition(names[topic_id], number)
                for topic_id, number in sorted(wish.target)
                if topic_id in names
            ),
            # Targets of one epoch never overlap, so all claims are equally good.
            generation=0,
            instance_id=wish.instance_id,
        )
        for member_id, wish in wishes.items()
    }
    wanted: set[str] = set().union(*(wish.topics for wish in wishes.values()))
    counts = {name: topics[name].partitions for name in wanted if name in topics}
    assignment = SERVER_ASSIGNORS[assignor](members, counts)
    return {
        member_id: frozenset((topics[topic].topic_id, number) for topic, number in partitions)
        for member_id, partitions in assignment.items()
    }
