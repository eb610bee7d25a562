"""Targets of consumer groups: what regular expressions stand for, and the assignor that members vote for."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .consumer_group import ConsumerGroup
from .epoch_targets import EpochTargets
from .group_context import GroupContext, TopicFacts
from .group_records import REGEX, IdPartition, Record, encode_group_key, encode_regex
from .server_assignors import Wish, assign_on_server
from .topic_patterns import matching_topics

__all__ = ["ConsumerTargets"]


class ConsumerTargets(EpochTargets):
    """Those of one consumer group."""

    group: ConsumerGroup

    def __init__(self, group: ConsumerGroup, context: GroupContext) -> None:
        super().__init__(context)
        self.group = group
        self._visible: dict[str, Callable[[str], bool]] = {}

    def show(self, pattern: str, visible: Callable[[str], bool]) -> None:
        """An expression is looked up with the eyes of the member that spoke of it last."""
        self._visible[pattern] = visible

    def _look(self, topics: Mapping[str, TopicFacts], records: list[Record]) -> None:
        group = self.group
        wanted = {m.metadata.regex for m in group.members.values() if m.metadata.regex}
        for pattern in sorted(group.patterns.keys() - wanted):
            del group.patterns[pattern]
            self._visible.pop(pattern, None)
            records.append((encode_group_key(REGEX, group.group, pattern), None))
        for pattern in sorted(wanted):
            visible = self._visible.get(pattern)
            if visible is None:
                continue  # the broker was away, and its members are still to be heard of
            names = matching_topics(pattern, filter(visible, topics))
            if group.patterns.get(pattern) != names:
                group.patterns[pattern] = names
                value = encode_regex(sorted(names), 0, self._context.wall_ms())
                records.append((encode_group_key(REGEX, group.group, pattern), value))

    def _assignor(self) -> str:
        return self.group.assignor(self._context.settings.consumer_assignors[0])

    def _assignment(
        self, assignor: str, topics: Mapping[str, TopicFacts]
    ) -> dict[str, frozenset[IdPartition]]:
        group = self.group
        wishes = {
            member_id: Wish(
                group.topics_of(member), group.target_of(member_id), member.metadata.instance_id
            )
            for member_id, member in group.members.items()
        }
        return assign_on_server(assignor, wishes, topics)
