"""`cooperative-sticky`: sticky, but nothing is given before its present owner gave it up."""

from __future__ import annotations

from collections.abc import Mapping

from logflume.types import TopicPartition

from .balance import Balance, claims_honoured
from .subscription import Assignment, Subscription

__all__ = ["assign_cooperative_sticky"]


def assign_cooperative_sticky(
    members: Mapping[str, Subscription], partition_counts: Mapping[str, int]
) -> Assignment:
    """The sticky assignment less the partitions that change hands from a member still there.

    Those are handed out by the next assignment, when nobody claims them any more. Source:
    Kafka's CooperativeStickyAssignor (KIP-429).
    """
    honoured = claims_honoured(members, partition_counts)
    claimants: dict[TopicPartition, set[str]] = {}
    for member_id, member in members.items():
        for partition in member.owned:
            claimants.setdefault(partition, set()).add(member_id)

    def is_free(partition: TopicPartition, taker: str) -> bool:
        if honoured.get(partition) == taker:
            return True
        return not (claimants.get(partition, set()) - {taker})

    target = Balance(members, partition_counts, honoured).run()
    return {
        member_id: [partition for partition in partitions if is_free(partition, member_id)]
        for member_id, partitions in target.items()
    }
