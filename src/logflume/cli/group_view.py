"""What the group commands ask of a log: groups, their members, how far they got, how far there is to go."""

from __future__ import annotations

import time

from logflume.config.names import OFFSETS_TOPIC, check_group
from logflume.coordinator import group_files
from logflume.coordinator.group_description import EMPTY, GroupDescription
from logflume.coordinator.offset_store import OffsetStore
from logflume.coordinator.offsets_schema import partition_for
from logflume.errors import GroupNotEmpty, GroupNotFound, UnknownTopicOrPartition
from logflume.types import NamedTuple, OffsetAndMetadata, TopicPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from logflume.client.log import Log

__all__ = ["GroupView", "Progress"]


class Progress(NamedTuple):
    """A group's place in one partition; None where there is none (nothing committed, the topic deleted)."""

    topic: str
    partition: int
    committed: int | None
    end_offset: int | None
    lag: int | None
    owner: str | None
    note: str = ""


class GroupView:
    """The groups of one log, without being a member of any. Reads only, but for `store` and `delete`."""

    def __init__(self, log: Log) -> None:
        self._log = log
        try:
            self._count = log.describe_topic(OFFSETS_TOPIC).partitions
        except UnknownTopicOrPartition:
            self._count = 0  # nobody was ever in a group here

    def _store(self, number: int) -> OffsetStore:
        return OffsetStore(self._log.partition(OFFSETS_TOPIC, number))

    def _store_of(self, group: str) -> OffsetStore:
        return self._store(partition_for(group, self._count))

    def _path(self, group: str) -> str:
        return group_files.group_file_path(self._log.path, group, self._count)

    def states(self) -> dict[str, str]:
        """State by group, sorted; those that only committed are empty ones."""
        found = {
            listing.group: listing.state
            for listing in group_files.list_groups(self._log.path, now=time.monotonic())
        }
        for number in range(self._count):
            for group in self._store(number).groups():
                found.setdefault(group, EMPTY)
        return dict(sorted(found.items()))

    def describe(self, group: str) -> GroupDescription:
        """State and members. Raises GroupNotFound."""
        check_group(group)
        if not self._count:
            raise GroupNotFound(group=group)
        try:
            return group_files.describe_group(self._path(group), group, now=time.monotonic())
        except GroupNotFound:
            if not self.offsets(group):
                raise
            return GroupDescription(group, EMPTY, 0, None, ())

    def offsets(self, group: str) -> dict[TopicPartition, OffsetAndMetadata]:
        """What the group committed."""
        return self._store_of(group).offsets(group) if self._count else {}

    def progress(self, group: str) -> list[Progress]:
        """Every partition that the group committed or that a member has. Raises GroupNotFound."""
        description = self.describe(group)
        committed = self.offsets(group)
        places = set(committed)
        for member in description.members:
            places.update(member.owned, member.assigned)
        rows = []
        for where in sorted(places):
            entry = committed.get(where)
            owner = description.owner_of(where)
            end = self._end(where)
            at = None if entry is None else entry.offset
            rows.append(
                Progress(
                    topic=where.topic,
                    partition=where.partition,
                    committed=at,
                    end_offset=end,
                    lag=None if at is None or end is None else max(end - at, 0),
                    owner=None if owner is None else owner.member_id,
                    note="" if entry is None else entry.metadata,
                )
            )
        return rows

    def _end(self, where: TopicPartition) -> int | None:
        try:
            return self._log.partition(where.topic, where.partition).end_offset
        except UnknownTopicOrPartition:
            return None

    def require_empty(self, group: str) -> None:
        """Raises GroupNotEmpty while somebody is in the group, GroupNotFound."""
        if self.describe(group).state != EMPTY:
            raise GroupNotEmpty(group=group)

    def store(self, group: str, offsets: Mapping[TopicPartition, int]) -> None:
        """Commit for a group that has no members, on disk when this returns."""
        from logflume.coordinator.offsets_topic import open_offsets

        entries = {where: OffsetAndMetadata(offset) for where, offset in offsets.items()}
        open_offsets(self._log.directory, group).commit(group, entries)

    def delete(self, group: str) -> int:
        """Forget a group without members; returns how many offsets it had. Raises GroupNotEmpty, GroupNotFound."""
        self.require_empty(group)
        try:
            group_files.delete_group(self._path(group), group, now=time.monotonic())
        except GroupNotFound:
            pass  # it committed without ever having a member
        return self._store_of(group).delete(group)
