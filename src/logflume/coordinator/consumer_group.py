"""A consumer group (KIP-848): members, epochs, who should have what, who has it. No time, no log."""

from __future__ import annotations

from collections.abc import Mapping

from .consumer_member import ConsumerMember
from .group_context import TopicFacts
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
    encode_epoch,
    encode_group_key,
    encode_member,
    encode_target,
)

__all__ = ["ASSIGNING", "EMPTY", "RECONCILING", "STABLE", "ConsumerGroup"]

EMPTY = "Empty"
ASSIGNING = "Assigning"
"""Something changed, and no target assignment was made since."""
RECONCILING = "Reconciling"
"""Members give up and get partitions."""
STABLE = "Stable"

NOTHING: frozenset[IdPartition] = frozenset()


class ConsumerGroup:
    """State that is changed only by `put`, `remove` and a new target. Not thread-safe."""

    kind = "consumer"

    def __init__(self, group: str) -> None:
        self.group = group
        self.epoch = 0
        self.target_epoch = 0
        self.members: dict[str, ConsumerMember] = {}
        self.static: dict[str, str] = {}
        """Instance id to member id."""
        self.targets: dict[str, frozenset[IdPartition]] = {}
        self.owners: dict[IdPartition, str] = {}
        """Who has a partition, or has been told to give it up and has not said that it did."""
        self.patterns: dict[str, frozenset[str]] = {}
        """Topics that a regular expression stands for now."""
        self.facts: dict[str, TopicFacts] | None = {}
        """Of the topics subscribed to, when the last target was made; None for a group out of the log."""

    @property
    def is_empty(self) -> bool:
        return not self.members

    @property
    def is_stored(self) -> bool:
        """Whether the log knows of it."""
        return self.epoch > 0

    @property
    def state(self) -> str:
        if not self.members:
            return EMPTY
        if self.epoch > self.target_epoch:
            return ASSIGNING
        settled = all(m.is_reconciled(self.target_epoch) for m in self.members.values())
        return STABLE if settled else RECONCILING

    def put(self, member: ConsumerMember) -> None:
        """Let a member in, or take over its new state."""
        old = self.members.get(member.member_id)
        self.members[member.member_id] = member
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
        member = self.members.pop(member_id)
        self.targets.pop(member_id, None)
        self._disown(member, NOTHING)
        instance_id = member.metadata.instance_id
        if instance_id is not None and self.static.get(instance_id) == member_id:
            del self.static[instance_id]
        return member

    def _disown(self, member: ConsumerMember, but: frozenset[IdPartition]) -> None:
        for partition in member.held - but:
            if self.owners.get(partition) == member.member_id:
                del self.owners[partition]

    def target_of(self, member_id: str) -> frozenset[IdPartition]:
        """What a member should have."""
        return self.targets.get(member_id, NOTHING)

    # Subscriptions

    def topics_of(self, member: ConsumerMember) -> frozenset[str]:
        """Names that it subscribes to, its expression's among them."""
        topics = frozenset(member.metadata.topics)
        if member.metadata.regex:
            topics |= self.patterns.get(member.metadata.regex, frozenset())
        return topics

    def subscribed(self) -> frozenset[str]:
        """Names that any member subscribes to."""
        return frozenset().union(*map(self.topics_of, self.members.values()))

    def facts_now(self, topics: Mapping[str, TopicFacts]) -> dict[str, TopicFacts]:
        """What there is to assign."""
        return {name: topics[name] for name in sorted(self.subscribed()) if name in topics}

    def is_shared_out(self, facts: Mapping[str, TopicFacts]) -> bool:
        """Whether the targets are made of just these topics' partitions."""
        whole = {(f.topic_id, number) for f in facts.values() for number in range(f.partitions)}
        return frozenset().union(*self.targets.values()) == whole

    def assignor(self, default: str) -> str:
        """The one that most members ask for; of equals the first of the alphabet."""
        votes: dict[str, int] = {}
        for member in self.members.values():
            if member.metadata.assignor:
                votes[member.metadata.assignor] = votes.get(member.metadata.assignor, 0) + 1
        return max(sorted(votes), key=lambda name: votes[name]) if votes else default

    # Records

    def epoch_record(self) -> Record:
        """The group's epoch."""
        return encode_group_key(CONSUMER_GROUP, self.group), encode_epoch(self.epoch)

    def target_epoch_record(self) -> Record:
        """The epoch of the target assignment."""
        return encode_group_key(TARGET_EPOCH, self.group), encode_epoch(self.target_epoch)

    def member_record(self, member: ConsumerMember) -> Record:
        """What a member said of itself."""
        key = encode_group_key(CONSUMER_MEMBER, self.group, member.member_id)
        return key, encode_member(member.metadata)

    def target_record(self, member_id: str) -> Record:
        """What a member should have."""
        key = encode_group_key(TARGET_MEMBER, self.group, member_id)
        return key, encode_target(self.target_of(member_id))

    def current_record(self, member: ConsumerMember) -> Record:
        """Where a member stands."""
        key = encode_group_key(CURRENT_MEMBER, self.group, member.member_id)
        return key, encode_current(member.current())

    def farewell(self, member_id: str) -> list[Record]:
        """A member is no more."""
        kinds = (CURRENT_MEMBER, TARGET_MEMBER, CONSUMER_MEMBER)
        return [(encode_group_key(kind, self.group, member_id), None) for kind in kinds]

    def tombstones(self) -> list[Record]:
        """The group is no more."""
        records = [record for member_id in self.members for record in self.farewell(member_id)]
        records += [(encode_group_key(REGEX, self.group, p), None) for p in self.patterns]
        kinds = (TARGET_EPOCH, CONSUMER_GROUP)
        return records + [(encode_group_key(kind, self.group), None) for kind in kinds]
