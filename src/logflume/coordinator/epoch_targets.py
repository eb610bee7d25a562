"""What a group subscribes to, and who should have what of it: new epochs and their targets."""

from __future__ import annotations

from collections.abc import Mapping

from logflume.observe import get_logger

from .epoch_group import EpochGroup
from .group_context import GroupContext, TopicFacts
from .group_records import IdPartition, Record

__all__ = ["EpochTargets"]

_logger = get_logger(__name__)


class EpochTargets:
    """Begins epochs and assigns, of one group. What it changes it adds to `records`. Not thread-safe."""

    group: EpochGroup

    def __init__(self, context: GroupContext) -> None:
        self._context = context
        self._catalog_seen: Mapping[str, TopicFacts] | None = None

    # What the kinds differ in

    def _look(self, topics: Mapping[str, TopicFacts], records: list[Record]) -> None:
        """What is to be known of the topics before an epoch is made for them."""

    def _assignor(self) -> str:
        raise NotImplementedError

    def _assignment(
        self, assignor: str, topics: Mapping[str, TopicFacts]
    ) -> dict[str, frozenset[IdPartition]]:
        raise NotImplementedError

    def refresh(self, records: list[Record], *, changed: bool) -> None:
        """See what the group subscribes to now; a new epoch where that is not what it was."""
        group, topics = self.group, self._context.catalog.topics()
        if not changed and topics is self._catalog_seen:
            return
        self._catalog_seen = topics
        self._look(topics, records)
        facts = group.facts_now(topics)
        if group.facts is None and group.is_shared_out(facts):
            group.facts = facts  # the broker was away, and nothing came or went meanwhile
        if changed or facts != group.facts:
            group.facts = facts
            group.epoch += 1
            records.append(group.epoch_record())

    def assign(self, records: list[Record]) -> None:
        """A target for the group's present epoch."""
        group, assignor = self.group, self._assignor()
        targets = self._assignment(assignor, self._context.catalog.topics())
        for member_id, target in targets.items():
            is_new = member_id not in group.targets
            if is_new or group.targets[member_id] != target:
                group.targets[member_id] = target
                records.append(group.target_record(member_id))
        group.target_epoch = group.epoch
        records.append(group.target_epoch_record())
        _logger.info(
            "group assigned",
            group=group.group,
            epoch=group.epoch,
            members=len(targets),
            assignor=assignor,
        )
