"""A consumer group (KIP-848): members, epochs, who should have what, who has it. No time, no log."""

from __future__ import annotations

from .consumer_member import ConsumerMember
from .epoch_group import EMPTY, NOTHING, STABLE, EpochGroup, GroupKeys
from .group_records import (
    CONSUMER_GROUP,
    CONSUMER_MEMBER,
    CURRENT_MEMBER,
    REGEX,
    TARGET_EPOCH,
    TARGET_MEMBER,
    IdPartition,
    Record,
    encode_current,
    encode_group_key,
    encode_member,
)

__all__ = ["ASSIGNING", "EMPTY", "RECONCILING", "STABLE", "ConsumerGroup"]

ASSIGNING = "Assigning"
"""Something changed, and no target assignment was made since."""
RECONCILING = "Reconciling"
"""Members give up and get partitions."""


class ConsumerGroup(EpochGroup):
    """A partition is one member's at a time: it is told to give it up before another one gets it."""

    kind = "consumer"
    keys = GroupKeys(CONSUMER_GROUP, CONSUMER_MEMBER, TARGET_EPOCH, TARGET_MEMBER, CURRENT_MEMBER)

    def __init__(self, group: str) -> None:
        super().__init__(group)
        self.static: dict[str, str] = {}
        """Instance id to member id."""
        self.owners: dict[IdPartition, str] = {}
        """Who has a partition, or has been told to give it up and has not said that it did."""
        self.patterns: dict[str, frozenset[str]] = {}
        """Topics that a regular expression stands for now."""

    @property
    def state(self) -> str:
        if not self.members:
            return EMPTY
        if self.epoch > self.target_epoch:
            return ASSIGNING
        settled = all(m.is_reconciled(self.target_epoch) for m in self.members.values())
        return STABLE if settled else RECONCILING

    def put(self, member: ConsumerMember) -> None:
        old = self.members.get(member.member_id)
        super().put(member)
        if old is not None:
            if old.assigned is member.assigned and old.revoking is member.revoking:
                return  # most heartbeats: nothing moved, however much it has
            self._disown(old, member.held)
        if member.metadata.instance_id is not None:
            self.static[member.metadata.instance_id] = member.member_id
        for partition in member.held:
            self.owners[partition] = member.member_id

    def remove(self, member_id: str) -> ConsumerMember:
        """Take a member out; what it had is free."""
        member = super().remove(member_id)
        self._disown(member, NOTHING)
        instance_id = member.metadata.instance_id
        if instance_id is not None and self.static.get(instance_id) == member_id:
            del self.static[instance_id]
        return member

    def _disown(self, member: ConsumerMember, but: frozenset[IdPartition]) -> None:
        for partition in member.held - but:
            if self.owners.get(partition) == member.member_id:
                del self.owners[partition]

    def topics_of(self, member: ConsumerMember) -> frozenset[str]:
        """Names that it subscribes to, its expression's among them."""
        topics = super().topics_of(member)
        if member.metadata.regex:
            topics |= self.patterns.get(member.metadata.regex, frozenset())
        return topics

    def assignor(self, default: str) -> str:
        """The one that most members ask for; of equals the first of the alphabet."""
        votes: dict[str, int] = {}
        for member in self.members.values():
            if member.metadata.assignor:
                votes[member.metadata.assignor] = votes.get(member.metadata.assignor, 0) + 1
        return max(sorted(votes), key=lambda name: votes[name]) if votes else default

    # Records

    def _member_value(self, member: ConsumerMember) -> bytes:
        return encode_member(member.metadata)

    def _current_value(self, member: ConsumerMember) -> bytes:
        return encode_current(member.current())

    def tombstones(self) -> list[Record]:
        patterns: list[Record] = [
            (encode_group_key(REGEX, self.group, p), None) for p in self.patterns
        ]
        return [*patterns, *super().tombstones()]
