"""`sticky`: as balanced as can be, and of the balanced ones near the present assignment."""

from __future__ import annotations

from collections.abc import Mapping

from .balance import Balance, claims_honoured
from .subscription import Assignment, Subscription

__all__ = ["assign_sticky"]


def assign_sticky(
    members: Mapping[str, Subscription], partition_counts: Mapping[str, int]
) -> Assignment:
    """Balance partition counts while every member keeps as much of `owned` as it may.

    Source: Kafka's StickyAssignor (KIP-54), see `balance` for where this is stricter.
    """
    return Balance(members, partition_counts, claims_honoured(members, partition_counts)).run()
