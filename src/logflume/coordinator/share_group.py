"""A share group (KIP-932): members, epochs, who reads which partitions; several may read one. No time, no log."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from uuid import UUID

from .consumer_member import ConsumerMember
from .epoch_group import EpochGroup, GroupKeys
from .group_context import TopicFacts
from .group_records import Record, encode_group_key
from .share_records import (
    SHARE_CURRENT,
    SHARE_GROUP,
    SHARE_MEMBER,
    SHARE_PARTITIONS,
    SHARE_TARGET,
    SHARE_TARGET_EPOCH,
    SharedTopic,
    SharePartitions,
    encode_share_current,
    encode_share_epoch,
    encode_share_member,
    encode_share_partitions,
)

__all__ = ["ShareGroup"]


class ShareGroup(EpochGroup):
    """It outlives its members: where it stands is kept until it is deleted."""

    kind = "share"
    keys = GroupKeys(SHARE_GROUP, SHARE_MEMBER, SHARE_TARGET_EPOCH, SHARE_TARGET, SHARE_CURRENT)

    def __init__(self, group: str) -> None:
        super().__init__(group)
        self.partitions = SharePartitions()
        """Those that it has, or had, state of."""

    def begin(self, facts: Mapping[str, TopicFacts]) -> bool:
        """Count the partitions of these topics among those with state; whether there are new ones."""
        known = self.partitions.initialized
        begun = {
            fact.topic_id: SharedTopic(name, frozenset(range(fact.partitions)))
            for name, fact in facts.items()
        }
        added = {
            topic_id: topic for topic_id, topic in begun.items() if known.get(topic_id) != topic
        }
        if added:
            self.partitions = SharePartitions(initialized={**known, **added})
        return bool(added)

    def forget(self, topic_ids: Collection[UUID]) -> None:
        """The state of these topics' partitions is no more."""
        known = self.partitions.initialized
        kept = {topic_id: topic for topic_id, topic in known.items() if topic_id not in topic_ids}
        self.partitions = SharePartitions(initialized=kept)

    # Records

    def _epoch_value(self) -> bytes:
        return encode_share_epoch(self.epoch)

    def _member_value(self, member: ConsumerMember) -> bytes:
        return encode_share_member(member.metadata)

    def _current_value(self, member: ConsumerMember) -> bytes:
        return encode_share_current(member.current())

    def partitions_record(self) -> Record:
        """Which partitions there is state of."""
        key = encode_group_key(SHARE_PARTITIONS, self.group)
        return key, encode_share_partitions(self.partitions)

    def tombstones(self) -> list[Record]:
        partitions: Record = (encode_group_key(SHARE_PARTITIONS, self.group), None)
        return [partitions, *super().tombstones()]
