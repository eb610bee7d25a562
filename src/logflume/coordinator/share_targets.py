"""Targets of share groups: who reads which partitions (KIP-932, "simple" assignor)."""

from __future__ import annotations

from collections.abc import Mapping

from .epoch_targets import EpochTargets
from .group_context import GroupContext, TopicFacts
from .group_records import IdPartition, Record
from .share_assignor import assign_shared
from .share_group import ShareGroup

__all__ = ["SHARE_ASSIGNOR", "ShareTargets"]

SHARE_ASSIGNOR = "simple"
"""Kafka's name of the one assignor that share groups have."""


class ShareTargets(EpochTargets):
    """Those of one share group."""

    group: ShareGroup

    def __init__(self, group: ShareGroup, context: GroupContext) -> None:
        super().__init__(context)
        self.group = group

    def _look(self, topics: Mapping[str, TopicFacts], records: list[Record]) -> None:
        if self.group.begin(self.group.facts_now(topics)):
            records.append(self.group.partitions_record())

    def _assignor(self) -> str:
        return SHARE_ASSIGNOR

    def _assignment(
        self, assignor: str, topics: Mapping[str, TopicFacts]
    ) -> dict[str, frozenset[IdPartition]]:
        group = self.group
        wishes = {
            member_id: frozenset(
                (topics[name].topic_id, number)
                for name in group.topics_of(member)
                if name in topics
                for number in range(topics[name].partitions)
            )
            for member_id, member in group.members.items()
        }
        return assign_shared(wishes, group.targets)
