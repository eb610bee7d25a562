"""`range`: each topic is cut into runs, so equal partition numbers of topics meet in one member."""

from __future__ import annotations

from collections.abc import Mapping

from .subscription import (
    Assignment,
    Subscription,
    member_order,
    partitions_of,
    subscribers_by_topic,
)

__all__ = ["assign_range"]


def assign_range(
    members: Mapping[str, Subscription], partition_counts: Mapping[str, int]
) -> Assignment:
    """Give each topic's subscribers consecutive partitions, the first ones one more.

    Topics with the same subscribers and partition count are co-partitioned: partition `n` of
    each goes to the same member (joins rely on it). Source: Kafka's RangeAssignor without racks.
    """
    assignment: Assignment = {member_id: [] for member_id in members}
    subscribers = subscribers_by_topic(members, member_order(members))
    for topic, topic_members in subscribers.items():
        partitions = partitions_of(topic, partition_counts)
        share, extra = divmod(len(partitions), len(topic_members))
        start = 0
        for position, member_id in enumerate(topic_members):
            stop = start + share + (position < extra)
            assignment[member_id] += partitions[start:stop]
            start = stop
    return assignment
