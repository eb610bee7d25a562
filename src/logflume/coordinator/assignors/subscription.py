"""What a member brings to an assignment: topics, owned partitions, identity."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from logflume.types import TopicPartition

__all__ = [
    "NO_GENERATION",
    "Assignment",
    "Subscription",
    "java_order",
    "member_order",
    "partitions_of",
    "subscribers_by_topic",
]

NO_GENERATION = -1
"""Generation of a member that never had an assignment (Kafka's DEFAULT_GENERATION)."""

Assignment = dict[str, list[TopicPartition]]
"""Member id to its partitions, each list sorted by topic, then partition."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """One member's wish and what it holds.

    `owned` and `generation` (the generation in which it was assigned `owned`) are read by the
    sticky assignors only, `instance_id` (static membership) orders members in `range` and
    `roundrobin`. There are no racks in a directory, so there is no rack id.
    """

    topics: frozenset[str]
    owned: tuple[TopicPartition, ...] = ()
    generation: int = NO_GENERATION
    instance_id: str | None = None


def java_order(text: str) -> bytes:
    """Sort key that orders strings as Java's `String.compareTo` does (by UTF-16 unit).

    Python orders by code point; the two differ beyond the basic plane, and members must be
    ordered as a Kafka client would order them.
    """
    return text.encode("utf-16-be", "surrogatepass")


def member_order(members: Mapping[str, Subscription]) -> list[str]:
    """Member ids in Kafka's order: static ones first, by instance id; the rest by member id."""

    def key(member_id: str) -> tuple[bool, bytes]:
        instance_id = members[member_id].instance_id
        if instance_id is None:
            return (True, java_order(member_id))
        return (False, java_order(instance_id))

    return sorted(members, key=key)


def subscribers_by_topic(
    members: Mapping[str, Subscription], ordered: Iterable[str]
) -> dict[str, list[str]]:
    """Topic to its subscribers, in the order given; topics sorted."""
    subscribers: dict[str, list[str]] = {}
    for member_id in ordered:
        for topic in members[member_id].topics:
            subscribers.setdefault(topic, []).append(member_id)
    return {topic: subscribers[topic] for topic in sorted(subscribers, key=java_order)}


def partitions_of(topic: str, partition_counts: Mapping[str, int]) -> list[TopicPartition]:
    """All partitions of a topic; none when the topic does not exist."""
    return [TopicPartition(topic, number) for number in range(partition_counts.get(topic, 0))]
