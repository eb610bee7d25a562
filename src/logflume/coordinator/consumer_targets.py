"""What a consumer group subscribes to, and who should have what of it: new epochs and their targets."""

from __future__ import annotations

from collections.abc import Mapping

from logflume.observe import get_logger

from .consumer_group import ConsumerGroup
from .group_context import GroupContext, TopicFacts
from .group_records import REGEX, Record, encode_group_key, encode_regex
from .server_assignors import Wish, assign_on_server
from .topic_patterns import matching_topics

__all__ = ["ConsumerTargets"]

_logger = get_logger(__name__)


class ConsumerTargets:
    """Begins epochs and assigns, of one group. What it changes it adds to `records`. Not thread-safe."""

    def __init__(self, group: ConsumerGroup, context: GroupContext) -> None:
        self.group = group
        self._context = context
        self._catalog_seen: Mapping[str, TopicFacts] | None = None

    def refresh(self, records: list[Record], *, changed: bool) -> None:
        """See what the group subscribes to now; a new epoch where that is not what it was."""
        group, topics = self.group, self._context.catalog.topics()
        if not changed and topics is self._catalog_seen:
            return
        self._catalog_seen = topics
        self._resolve_patterns(topics, records)
        facts = group.facts_now(topics)
        if group.facts is None and group.is_shared_out(facts):
            group.facts = facts  # the broker was away, and nothing came or went meanwhile
        if changed or facts != group.facts:
            group.facts = facts
            group.epoch += 1
            records.append(group.epoch_record())

    def _resolve_patterns(self, topics: Mapping[str, TopicFacts], records: list[Record]) -> None:
        group = self.group
        wanted = {m.metadata.regex for m in group.members.values() if m.metadata.regex}
        for pattern in sorted(group.patterns.keys() - wanted):
            del group.patterns[pattern]
            records.append((encode_group_key(REGEX, group.group, pattern), None))
        for pattern in sorted(wanted):
            names = matching_topics(pattern, topics)
            if group.patterns.get(pattern) != names:
                group.patterns[pattern] = names
                value = encode_regex(sorted(names), 0, self._context.wall_ms())
                records.append((encode_group_key(REGEX, group.group, pattern), value))

    def assign(self, records: list[Record]) -> None:
        """A target for the group's present epoch."""
        group, settings = self.group, self._context.settings
        wishes = {
            member_id: Wish(
                group.topics_of(member), group.target_of(member_id), member.metadata.instance_id
            )
            for member_id, member in group.members.items()
        }
        name = group.assignor(settings.consumer_assignors[0])
        targets = assign_on_server(name, wishes, self._context.catalog.topics())
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
            assignor=name,
        )
