"""A consumer's part in its group: takes over what is assigned, gives up what goes to others."""

from __future__ import annotations

import os
import time
from functools import partial

from logflume.coordinator.group_files import group_file_path, share_lock_path
from logflume.coordinator.group_member import GroupMember
from logflume.coordinator.offsets_topic import offsets_partitions, open_offsets
from logflume.errors import InvalidGroup, UnknownTopicOrPartition
from logflume.types import TopicPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from logflume.client.consumer.assignment import Assignment
    from logflume.config import ConsumerConfig
    from logflume.coordinator.group_member import GroupChange
    from logflume.log.directory import LogDirectory
    from logflume.types import OffsetAndMetadata

    Listener = Callable[[list[TopicPartition]], None]

__all__ = ["Membership"]


class Membership:
    """One consumer's membership. Not thread-safe: the consumer's guard stands before it.

    A partition is read only while the group's lock on it is held: what is revoked is committed and
    dropped before it is released, what is assigned is read from the committed offset after it is locked.
    """

    def __init__(
        self,
        directory: LogDirectory,
        config: ConsumerConfig,
        assignment: Assignment,
        give_back: Callable[[], None],
        committed: Callable[[TopicPartition], OffsetAndMetadata | None],
        commit_positions: Callable[[Iterable[TopicPartition]], None],
    ) -> None:
        group = config.group_id
        assert group is not None
        open_offsets(directory, group)
        self._directory = directory
        self._assignment = assignment
        self._give_back = give_back
        self._committed = committed
        self._commit_positions = commit_positions
        self._topics: set[str] = set()
        self._on_assigned: Listener | None = None
        self._on_revoked: Listener | None = None
        self._on_lost: Listener | None = None
        path = group_file_path(directory.path, group, offsets_partitions(directory))
        if os.path.exists(share_lock_path(path)):
            raise InvalidGroup(group=group, reason="it is a group of queues")
        self._member = GroupMember(
            path,
            group,
            partition_count=self._count,
            client_id=config.client_id or "",
            instance_id=config.group_instance_id,
            assignors=config.partition_assignment_strategy,
            session_timeout_s=config.session_timeout_ms / 1000,
            lock_timeout_s=directory.config.lock_timeout_ms / 1000,
        )

    def _count(self, topic: str) -> int | None:
        self._directory.refresh()
        try:
            return self._directory.topic(topic).partitions
        except UnknownTopicOrPartition:
            return None

    @property
    def member(self) -> GroupMember:
        """The membership below."""
        return self._member

    def listen(
        self, on_assigned: Listener | None, on_revoked: Listener | None, on_lost: Listener | None
    ) -> None:
        """Call these at changes."""
        self._on_assigned, self._on_revoked, self._on_lost = on_assigned, on_revoked, on_lost

    def subscribe(self, topics: set[str]) -> None:
        """Take part in sharing these topics; joins the group at the first call."""
        now = time.monotonic()
        if not self._member.is_member:
            self._member.join(topics, now=now, joined_ms=time.time_ns() // 1_000_000)
        elif topics != self._topics:
            self._member.update_topics(topics, now=now)
        self._topics = set(topics)

    def due(self) -> Callable[[], None] | None:
        """What there is to take over, None when nothing. Asking is quick; calling it may take the disk, and calls
        the listeners. It must be called: what has changed is told once."""
        if not self._member.is_member:
            return self._come_back
        change = self._member.poll(time.monotonic())
        return partial(self._take_over, change) if change else None

    @property
    def is_moving(self) -> bool:
        """True while there are others in the group, or changes under way: look often."""
        return self._member.has_others or not self._member.is_settled

    def _come_back(self) -> None:
        """Removed from the group (its file was deleted, say): be a new member."""
        self._give_up_lost(sorted(self._assignment.partitions()))
        self._member.join(self._topics, now=time.monotonic(), joined_ms=time.time_ns() // 1_000_000)
        self._take_over(self._member.poll(time.monotonic()))

    def _take_over(self, change: GroupChange) -> None:
        if change.lost:
            self._give_up_lost(list(change.lost))
            self._member.release(change.lost)
        if change.revoked:
            self._revoke(list(change.revoked))
        if change.assigned:
            for where in change.assigned:
                found = self._committed(where)
                self._assignment.add(where, None if found is None else found.offset)
            if self._on_assigned is not None:
                self._on_assigned(list(change.assigned))

    def _revoke(self, wheres: list[TopicPartition]) -> None:
        self._give_back()
        if self._on_revoked is not None:
            self._on_revoked(wheres)
        self._commit_positions(wheres)
        self._assignment.remove(wheres)
        self._member.release(wheres)

    def _give_up_lost(self, wheres: list[TopicPartition]) -> None:
        if not wheres:
            return
        self._give_back()
        listener = self._on_lost or self._on_revoked
        if listener is not None:
            listener(wheres)
        self._assignment.remove(wheres)

    def leave(self) -> None:
        """End the membership; positions were committed before. Others take the partitions over at once."""
        owned = sorted(self._assignment.partitions())
        if owned and self._on_revoked is not None:
            self._on_revoked(owned)
        self._assignment.remove(owned)
        self._member.leave(now=time.monotonic())
