"""What groups with epochs have in common (KIP-848, KIP-932): members, who should have what, the records that say so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, NamedTuple

from .consumer_member import ConsumerMember
from .group_context import TopicFacts
from .group_records import IdPartition, Record, encode_epoch, encode_group_key, encode_target

__all__ = ["EMPTY", "NOTHING", "STABLE", "EpochGroup", "GroupKeys"]

EMPTY = "Empty"
STABLE = "Stable"

NOTHING: frozenset[IdPartition] = frozenset()


class GroupKeys(NamedTuple):
    """Keys of `__consumer_offsets` that one kind of group has."""

    group: int
    member: int
    target_epoch: int
    target: int
    current: int


class EpochGroup:
    """State that is changed only by `put`, `remove` and a new target. Not thread-safe."""

    kind: ClassVar[str]
    """Kafka's type of the group."""
    keys: ClassVar[GroupKeys]

    def __init__(self, group: str) -> None:
        self.group = group
        self.epoch = 0
        self.target_epoch = 0
        self.members: dict[str, ConsumerMember] = {}
        self.targets: dict[str, frozenset[IdPartition]] = {}
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
        """In Kafka's words."""
        return STABLE if self.members else EMPTY

    def put(self, member: ConsumerMember) -> None:
        """Let a member in, or take over its new state."""
        self.members[member.member_id] = member

    def remove(self, member_id: str) -> ConsumerMember:
        """Take a member out."""
        self.targets.pop(member_id, None)
        return self.members.pop(member_id)

    def target_of(self, member_id: str) -> frozenset[IdPartition]:
        """What a member should have."""
        return self.targets.get(member_id, NOTHING)

    # Subscriptions

    def topics_of(self, member: ConsumerMember) -> frozenset[str]:
        """Names that it subscribes to."""
        return frozenset(member.metadata.topics)

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

    # Records

    def _epoch_value(self) -> bytes:
        return encode_epoch(self.epoch)

    def _member_value(self, member: ConsumerMember) -> bytes:
        raise NotImplementedError

    def _current_value(self, member: ConsumerMember) -> bytes:
        raise NotImplementedError

    def epoch_record(self) -> Record:
        """The group's epoch."""
        return encode_group_key(self.keys.group, self.group), self._epoch_value()

    def target_epoch_record(self) -> Record:
        """The epoch of the target assignment."""
        key = encode_group_key(self.keys.target_epoch, self.group)
        return key, encode_epoch(self.target_epoch)

    def member_record(self, member: ConsumerMember) -> Record:
        """What a member said of itself."""
        key = encode_group_key(self.keys.member, self.group, member.member_id)
        return key, self._member_value(member)

    def target_record(self, member_id: str) -> Record:
        """What a member should have."""
        key = encode_group_key(self.keys.target, self.group, member_id)
        return key, encode_target(self.target_of(member_id))

    def current_record(self, member: ConsumerMember) -> Record:
        """Where a member stands."""
        key = encode_group_key(self.keys.current, self.group, member.member_id)
        return key, self._current_value(member)

    def farewell(self, member_id: str) -> list[Record]:
        """A member is no more."""
        kinds = (self.keys.current, self.keys.target, self.keys.member)
        return [(encode_group_key(kind, self.group, member_id), None) for kind in kinds]

    def tombstones(self) -> list[Record]:
        """The group is no more."""
        records = [record for member_id in self.members for record in self.farewell(member_id)]
        kinds = (self.keys.target_epoch, self.keys.group)
        return records + [(encode_group_key(kind, self.group), None) for kind in kinds]
