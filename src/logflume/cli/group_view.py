"""What the group commands ask of a log: groups, their members, how far they got, how far there is to go."""

from __future__ import annotations

import time

from logflume.config.names import OFFSETS_TOPIC, check_group
from logflume.coordinator import group_files
from logflume.coordinator.group_description import (
    EMPTY,
    STABLE,
    GroupDescription,
    MemberDescription,
)
from logflume.coordinator.group_loading import GroupLoader
from logflume.coordinator.logged_groups import describe_logged
from logflume.coordinator.offset_store import OffsetStore
from logflume.coordinator.offsets_schema import partition_for
from logflume.coordinator.share import ShareGroups
from logflume.errors import GroupNotEmpty, GroupNotFound, UnknownTopicOrPartition
from logflume.log.ids import encode_id
from logflume.types import NamedTuple, OffsetAndMetadata, TopicPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from logflume.client.log import Log
    from logflume.coordinator.classic_group import ClassicGroup
    from logflume.coordinator.consumer_group import ConsumerGroup
    from logflume.coordinator.share import SharePartitionInfo
    from logflume.coordinator.share_group import ShareGroup

__all__ = ["CONSUMER", "GroupView", "Progress"]

CONSUMER = "consumer"
SHARE = "share"


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
        self._stores: dict[int, OffsetStore] = {}
        self._loaders: dict[int, GroupLoader] = {}
        self._shares = ShareGroups(log.directory)
        self._shared = set(self._shares.groups())

    def kind(self, group: str) -> str:
        """`share` for a group of queues, else `consumer`."""
        return SHARE if group in self._shared else CONSUMER

    def _store(self, number: int) -> OffsetStore:
        if number not in self._stores:
            loader = self._loaders[number] = GroupLoader()
            partition = self._log.partition(OFFSETS_TOPIC, number)
            self._stores[number] = OffsetStore(partition, on_other=loader.take)
        return self._stores[number]

    def _of_brokers(self, number: int) -> dict[str, ClassicGroup | ConsumerGroup | ShareGroup]:
        """Groups that Kafka clients of a broker were in, by name."""
        self._store(number).refresh()
        return self._loaders[number].groups()

    def _name_of(self, topic_id: UUID) -> str | None:
        text = encode_id(topic_id.bytes)
        entries = self._log.directory.entries().items()
        return next((name for name, entry in entries if entry.topic_id == text), None)

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
            for name, group_of_broker in self._of_brokers(number).items():
                if found.get(name, EMPTY) == EMPTY:
                    served = group_files.is_served(self._path(name))
                    found[name] = group_of_broker.state if served else EMPTY
        for group in self._shared:
            found[group] = self.describe(group).state
        return dict(sorted(found.items()))

    def _describe_shared(self, group: str) -> GroupDescription:
        """Members share records, not partitions: nobody owns any."""
        members = [
            MemberDescription(
                member_id=holder.member_id,
                client_id=holder.client_id,
                instance_id=None,
                pid=holder.pid,
                joined_ms=holder.joined_ms,
                topics=(),
                assigned=(),
                owned=(),
                alive=True,
            )
            for holder in self._shares.members(group)
        ]
        return GroupDescription(group, STABLE if members else EMPTY, 0, None, tuple(members))

    def describe(self, group: str) -> GroupDescription:
        """State and members. Raises GroupNotFound."""
        check_group(group)
        if not self._count:
            raise GroupNotFound(group=group)
        path = self._path(group)
        try:
            embedded = group_files.describe_group(path, group, now=time.monotonic())
        except GroupNotFound:
            embedded = GroupDescription(group, EMPTY, 0, None, ())
            is_known = bool(self.offsets(group))
        else:
            is_known = True
        logged = self._of_brokers(partition_for(group, self._count)).get(group)
        if group in self._shared and not (logged is not None and group_files.is_served(path)):
            return self._describe_shared(group)
        if logged is not None and not embedded.members:
            return describe_logged(logged, self._name_of, served=group_files.is_served(path))
        if not is_known:
            raise GroupNotFound(group=group)
        return embedded

    def offsets(self, group: str) -> dict[TopicPartition, OffsetAndMetadata]:
        """What the group committed; of queues, where each partition's first record is that is not done."""
        if group in self._shared:
            found = self._shares.partitions(group)
            return {w: OffsetAndMetadata(info.start_offset) for w, info in found.items()}
        return self._store_of(group).offsets(group) if self._count else {}

    def progress(self, group: str) -> list[Progress]:
        """Every partition that the group committed or that a member has. Raises GroupNotFound."""
        description = self.describe(group)
        committed = self.offsets(group)
        shared = self._shares.partitions(group) if group in self._shared else {}
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
                    lag=_lag(at, end, shared.get(where)),
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
        if group in self._shared:
            self._shares.alter_offsets(group, offsets)
            return
        from logflume.coordinator.offsets_topic import open_offsets

        entries = {where: OffsetAndMetadata(offset) for where, offset in offsets.items()}
        open_offsets(self._log.directory, group).commit(group, entries)

    def delete(self, group: str) -> int:
        """Forget a group without members; returns how many offsets it had. Raises GroupNotEmpty, GroupNotFound."""
        self.require_empty(group)
        if group in self._shared:
            count = len(self._shares.partitions(group))
            self._shares.delete_group(group)
            self._shared.discard(group)
        else:
            count = 0
        try:
            group_files.delete_group(self._path(group), group, now=time.monotonic())
        except GroupNotFound:
            pass  # it committed without ever having a member
        store = self._store_of(group)
        logged = self._of_brokers(partition_for(group, self._count)).get(group)
        if logged is not None:
            store.append(logged.tombstones(), durable=True)
        return store.delete(group) + count


def _lag(at: int | None, end: int | None, shared: SharePartitionInfo | None) -> int | None:
    if shared is not None:
        return shared.lag  # without what is done behind the first that is not
    return None if at is None or end is None else max(end - at, 0)
