"""`roundrobin`: all partitions dealt out one by one, in order of topic and partition."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle

from .subscription import (
    Assignment,
    Subscription,
    member_order,
    partitions_of,
    subscribers_by_topic,
)

__all__ = ["assign_roundrobin"]


def assign_roundrobin(
    members: Mapping[str, Subscription], partition_counts: Mapping[str, int]
) -> Assignment:
    """Deal partitions in turn to members, passing over those not subscribed to the topic.

    Source: Kafka's RoundRobinAssignor.
    """
    assignment: Assignment = {member_id: [] for member_id in members}
    ordered = member_order(members)
    turns = cycle(ordered)
    for topic in subscribers_by_topic(members, ordered):
        for partition in partitions_of(topic, partition_counts):
            # Ends: `topic` comes out of somebody's subscription.
            member_id = next(turns)
            while topic not in members[member_id].topics:
                member_id = next(turns)
            assignment[member_id].append(partition)
    return assignment
