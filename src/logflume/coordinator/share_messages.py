"""The request of ShareGroupHeartbeat (KIP-932): that of consumer groups with less in it."""

from __future__ import annotations

from dataclasses import dataclass

from .consumer_messages import JOIN, LEAVE, ConsumerHeartbeat, check_texts, invalid

__all__ = ["ShareHeartbeat"]


@dataclass(frozen=True, slots=True)
class ShareHeartbeat(ConsumerHeartbeat):
    """Topics are None where they are "as I said before"; `epoch` 0 joins, -1 leaves."""

    @property
    def is_full(self) -> bool:
        """It says everything: it joins, or is not sure what the coordinator knows."""
        return self.epoch == JOIN or self.topics is not None

    def check(self, assignors: tuple[str, ...] = ()) -> None:
        """Raises GroupRefused where the request cannot be."""
        check_texts(MemberId=self.member_id, GroupId=self.group, RackId=self.rack_id)
        if self.epoch == JOIN and not self.topics:
            invalid("SubscribedTopicNames must be set in first request.")
        if self.epoch < LEAVE:
            invalid("MemberEpoch is invalid.")
