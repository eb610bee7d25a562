"""The balancing kernel of the sticky assignors: optimal balance, few moves, no randomness.

An assignment of partitions to members that may only take some of them is a *semi-matching*; it is
as balanced as it can be exactly when no chain "a hands x to b, b hands y to c ..." ends at a
member with at least two partitions fewer than the first (Harvey, Ladner, Lovász, Tamir 2006,
"Semi-matchings for bipartite graphs and load balancing"). So the kernel keeps what is owned,
places the rest on the least loaded, and then follows such chains until there is none. Kafka's
assignor gives the same for equal subscriptions; for differing ones it is greedy, and this is at
least as balanced.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from logflume.types import TopicPartition

from .subscription import (
    Assignment,
    Subscription,
    java_order,
    partitions_of,
    subscribers_by_topic,
)

__all__ = ["Balance", "claims_honoured"]


def claims_honoured(
    members: Mapping[str, Subscription], partition_counts: Mapping[str, int]
) -> dict[TopicPartition, str]:
    """Partition to its rightful present owner.

    Of several claimants the one with the highest generation is right; when they share it, none
    is (Kafka: "claimed by multiple consumers in the same generation" revokes it from all).
    Partitions that do not exist (any more) or whose topic the member left are no claim.
    """
    best: dict[TopicPartition, tuple[int, str | None]] = {}
    for member_id in sorted(members, key=java_order):
        member = members[member_id]
        for partition in set(member.owned):
            if partition.topic not in member.topics:
                continue
            if not 0 <= partition.partition < partition_counts.get(partition.topic, 0):
                continue
            rival = best.get(partition)
            if rival is None or rival[0] < member.generation:
                best[partition] = (member.generation, member_id)
            elif rival[0] == member.generation:
                best[partition] = (member.generation, None)
    return {partition: owner for partition, (_, owner) in best.items() if owner is not None}


class Balance:
    """A working assignment: who holds what, and the moves that balance it.

    Lives for one `run`. Not thread-safe. Everything is visited in sorted order, so equal inputs
    give equal results in every process.
    """

    def __init__(
        self,
        members: Mapping[str, Subscription],
        partition_counts: Mapping[str, int],
        previous: Mapping[TopicPartition, str],
    ) -> None:
        self._order = sorted(members, key=java_order)
        self._rank = {member_id: rank for rank, member_id in enumerate(self._order)}
        self._subscribers = subscribers_by_topic(members, self._order)
        self._previous = previous
        self._load = dict.fromkeys(self._order, 0)
        # member -> topic -> partition numbers held
        self._held: dict[str, dict[str, set[int]]] = {member_id: {} for member_id in self._order}
        self._partitions = {
            topic: partitions_of(topic, partition_counts) for topic in self._subscribers
        }

    def run(self) -> Assignment:
        """Keep, place, balance, bring home; then the result."""
        for partition, member_id in self._previous.items():
            self._give(partition, member_id)
        self._place_unowned()
        while self._shorten_longest():
            pass
        self._bring_home()
        return {member_id: self._list(member_id) for member_id in self._order}

    def _list(self, member_id: str) -> list[TopicPartition]:
        held = self._held[member_id]
        return [
            TopicPartition(topic, number)
            for topic in sorted(held, key=java_order)
            for number in sorted(held[topic])
        ]

    def _give(self, partition: TopicPartition, member_id: str) -> None:
        self._held[member_id].setdefault(partition.topic, set()).add(partition.partition)
        self._load[member_id] += 1

    def _take(self, partition: TopicPartition, member_id: str) -> None:
        numbers = self._held[member_id][partition.topic]
        numbers.remove(partition.partition)
        if not numbers:
            del self._held[member_id][partition.topic]
        self._load[member_id] -= 1

    def _place_unowned(self) -> None:
        # Topics that few members may take come first, while those members still have room.
        topics = sorted(
            self._subscribers, key=lambda topic: (len(self._subscribers[topic]), java_order(topic))
        )
        for topic in topics:
            takers = self._subscribers[topic]
            for partition in self._partitions[topic]:
                if partition not in self._previous:
                    self._give(partition, min(takers, key=lambda m: (self._load[m], self._rank[m])))

    def _shorten_longest(self) -> bool:
        """Follow one chain from a most loaded member; False when there is none from anybody."""
        by_load = sorted(self._order, key=lambda m: (-self._load[m], -self._rank[m]))
        lowest = min(self._load.values(), default=0)
        for giver in by_load:
            if self._load[giver] < lowest + 2:
                return False
            chain = self._chain_from(giver)
            if chain:
                for source, topic, taker in chain:
                    self._hand_over(source, topic, taker)
                return True
        return False

    def _chain_from(self, giver: str) -> list[tuple[str, str, str]]:
        """Shortest chain of (source, topic, taker) to the least loaded member within reach."""
        came_by: dict[str, tuple[str, str] | None] = {giver: None}
        topics_seen: set[str] = set()
        best: str | None = None
        waiting = deque([giver])
        while waiting:
            source = waiting.popleft()
            for topic in sorted(self._held[source], key=java_order):
                if topic in topics_seen:
                    continue
                topics_seen.add(topic)
                for taker in self._subscribers[topic]:
                    if taker in came_by:
                        continue
                    came_by[taker] = (source, topic)
                    waiting.append(taker)
                    if best is None or self._load[taker] < self._load[best]:
                        best = taker
        if best is None or self._load[best] > self._load[giver] - 2:
            return []
        chain: list[tuple[str, str, str]] = []
        step = came_by[best]
        taker = best
        while step is not None:
            source, topic = step
            chain.append((source, topic, taker))
            taker = source
            step = came_by[source]
        return chain[::-1]

    def _hand_over(self, source: str, topic: str, taker: str) -> None:
        def preference(number: int) -> tuple[bool, bool, int]:
            owner = self._previous.get(TopicPartition(topic, number))
            # Best: it goes home. Next: it is new here anyway. Then the highest number.
            return (owner == taker, owner != source, number)

        number = max(self._held[source][topic], key=preference)
        partition = TopicPartition(topic, number)
        self._take(partition, source)
        self._give(partition, taker)

    def _bring_home(self) -> None:
        """Undo moves that balance does not need: a chain can leave a partition astray."""
        holder = {
            partition: member_id for member_id in self._order for partition in self._list(member_id)
        }
        astray = [p for p, home in self._previous.items() if holder[p] != home]
        moved = True
        while moved:
            moved = False
            for partition in sorted(astray):
                home, here = self._previous[partition], holder[partition]
                if here != home and self._load[home] < self._load[here]:
                    self._take(partition, here)
                    self._give(partition, home)
                    holder[partition] = home
                    moved = True
