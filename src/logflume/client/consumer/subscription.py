"""From what a consumer asked for to the partitions it reads: by itself, or as a member of a group."""

from __future__ import annotations

import time

from logflume.client.consumer.places import names_or_pattern
from logflume.client.consumer.position_keeper import PositionKeeper
from logflume.errors import CommitFailed, Timeout, UnknownTopicOrPartition
from logflume.types import TopicPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from re import Pattern
    from typing import Any

    from logflume._native.partition import Partition
    from logflume.client.consumer.assignment import Assignment
    from logflume.client.consumer.membership import Membership
    from logflume.config import ConsumerConfig
    from logflume.coordinator.offset_store import OffsetStore
    from logflume.log.directory import LogDirectory
    from logflume.types import OffsetAndMetadata

    Listener = Callable[[list[TopicPartition]], None]

__all__ = ["Subscription"]

_METADATA_S = 1.0  # how often new topics and partitions are looked for
_IDLE_PAUSE_S = 0.1
_UNBLOCK_S = 0.02  # how soon a dead producer's open transaction is noticed by who waits for it
_UNDECIDED_S = 0.002  # between two looks at a stored position that a transaction may move
_GROUP_PAUSE_S = 0.01  # in a group with others: how soon a dead member is noticed


class Subscription(PositionKeeper):
    """Not thread-safe: the consumer's guard stands before it.

    `give_back` is called before partitions are taken away: records fetched ahead go back first.
    """

    def __init__(
        self,
        directory: LogDirectory,
        config: ConsumerConfig,
        assignment: Assignment,
        give_back: Callable[[], None],
        settle: Callable[[list[Partition]], object] = lambda _: None,
    ) -> None:
        self._directory = directory
        super().__init__(config, assignment, give_back)
        self._assignment = assignment
        self._settle = settle
        self._names: set[str] = set()
        self._pattern: Pattern[str] | None = None
        self._manual = False
        self._membership: Membership | None = None
        self._offsets: OffsetStore | None = None
        self._offsets_log: Any = None
        self._looked = 0.0
        self._committed_only = config.isolation_level == "read_committed"
        self._unblocked_at = 0.0
        self._is_blocked = False

    def topics(self) -> set[str]:
        """Topics subscribed to, as far as they are known."""
        return set(self._names)

    # ---- what is asked for

    def subscribe(
        self,
        topics: tuple[str | Iterable[str] | Pattern[str], ...],
        on_assigned: Listener | None,
        on_revoked: Listener | None,
        on_lost: Listener | None,
    ) -> None:
        """Names or one pattern, instead of what was before. Raises UnknownTopicOrPartition for an unknown name."""
        names, pattern = names_or_pattern(topics)
        for name in names:
            self._directory.topic(name)
        if self._membership is None or self._manual:
            self.unsubscribe()
        self._names, self._pattern, self._manual = names, pattern, False
        if self._config.group_id is not None:
            from logflume.client.consumer.membership import Membership

            if self._membership is None:
                self._membership = Membership(
                    self._directory,
                    self._config,
                    self._assignment,
                    self._give_back,
                    self._start,
                    self.commit_positions,
                )
            self._membership.listen(on_assigned, on_revoked, on_lost)
        self._look(force=True)

    def assign(self, wheres: list[TopicPartition]) -> None:
        """Exactly these, from the group's committed offsets where there is a group."""
        for where in wheres:
            if not 0 <= where.partition < self._directory.topic(where.topic).partitions:
                raise UnknownTopicOrPartition(topic=where.topic, partition=where.partition)
        if not self._manual:
            self.unsubscribe()
        self._manual = True
        self._assignment.remove(self._assignment.partitions() - set(wheres))
        for where in wheres:
            self._assignment.add(where, self._start_of(where))

    def unsubscribe(self, *, commit: bool = True) -> None:
        """Nothing any more."""
        if self._membership is not None:
            if commit:
                self.auto_commit(force=True)
            self._membership.leave()
            self._membership = None
        self._names, self._pattern, self._manual = set(), None, False
        self._assignment.remove(self._assignment.partitions())

    # ---- keeping up

    @property
    def in_group(self) -> bool:
        """True when a group shares out the partitions."""
        return self._membership is not None

    def due(self) -> Callable[[], None] | None:
        """What a group's changes ask for now, to be called; None when nothing. See Membership.due."""
        return None if self._membership is None else self._membership.due()

    def is_due(self) -> bool:
        """Whether there is anything that a poll has to do but to fetch: a group's affairs, a look at the topics."""
        if self._membership is not None:
            return True
        if self._committed_only and time.monotonic() - self._unblocked_at >= _UNBLOCK_S:
            return True
        return not self._manual and time.monotonic() - self._looked >= _METADATA_S

    def keep_up(self) -> float:
        """Called at the start of each poll, after what was due; returns for how long the next wait may last."""
        self._look()
        pause = (
            _IDLE_PAUSE_S
            if self._pattern is not None or not self._assignment.has_readers()
            else _METADATA_S
        )
        if self._membership is not None:
            moving = self._membership.is_moving
            pause = min(pause, _GROUP_PAUSE_S if moving else _IDLE_PAUSE_S)
        if self._config.group_id is not None:
            self.auto_commit()
        if self._committed_only:
            now = time.monotonic()
            if now - self._unblocked_at >= _UNBLOCK_S:
                self._unblocked_at = now
                self._is_blocked = self._assignment.unblock()
            if self._is_blocked:
                pause = min(pause, _UNBLOCK_S)
        return pause

    def _look(self, *, force: bool = False) -> None:
        """Topics that match the pattern, and partitions that were added."""
        now = time.monotonic()
        if self._manual or not (self._names or self._pattern):
            return
        if not force and now - self._looked < _METADATA_S:
            return
        self._looked = now
        self._directory.refresh()
        if self._pattern is not None:
            internal = not self._config.exclude_internal_topics
            known = self._directory.topics(internal=internal)
            self._names = {name for name in known if self._pattern.fullmatch(name)}
        if self._membership is not None:
            self._membership.subscribe(self._names)
            return
        wanted = {
            TopicPartition(name, number)
            for name in self._names
            for number in range(self._directory.topic(name).partitions)
        }
        have = self._assignment.partitions()
        if wanted != have:
            self._give_back()
            self._assignment.remove(have - wanted)
            for where in sorted(wanted - have):
                self._assignment.add(where, None)

    # ---- the group's stored positions

    def _store(self) -> OffsetStore:
        if self._offsets is None:
            from logflume.coordinator.offset_store import OffsetStore
            from logflume.coordinator.offsets_topic import offsets_partition

            assert self._config.group_id is not None
            self._offsets_log = offsets_partition(self._directory, self._config.group_id)
            self._offsets = OffsetStore(self._offsets_log)
        return self._offsets

    def _start_of(self, where: TopicPartition) -> int | None:
        if self._config.group_id is None:
            return None
        found = self._start(where)
        return None if found is None else found.offset

    def _start(self, where: TopicPartition) -> OffsetAndMetadata | None:
        """The group's stored position, once no open transaction may move it: what another member has processed
        in one that is being committed must not be read again. Raises Timeout after default.api.timeout.ms."""
        assert self._config.group_id is not None
        store, log = self._store(), self._offsets_log
        deadline = time.monotonic() + self._config.default_api_timeout_ms / 1000
        while store.is_undecided(self._config.group_id, where):
            self._settle([log])
            if time.monotonic() > deadline:
                raise Timeout(
                    what=f"the committed offset of {where}: a transaction that moves it is open",
                    seconds=self._config.default_api_timeout_ms / 1000,
                )
            time.sleep(_UNDECIDED_S)
        return self.committed(where)

    def committed(self, where: TopicPartition) -> OffsetAndMetadata | None:
        """The group's stored position of a partition."""
        assert self._config.group_id is not None
        return self._store().committed(self._config.group_id, where)

    def commit(self, offsets: dict[TopicPartition, OffsetAndMetadata], *, durable: bool) -> None:
        """Store positions. Raises CommitFailed for partitions that this member does not own (any more)."""
        self.check_commit(offsets, durable=durable)
        if offsets:
            assert self._config.group_id is not None
            self._store().commit(self._config.group_id, offsets, durable=durable)
            self._committed_at = time.monotonic()

    def check_commit(
        self, offsets: dict[TopicPartition, OffsetAndMetadata], *, durable: bool
    ) -> None:
        """Raises CommitFailed where these may not be stored; with `durable`, puts what they cover on disk."""
        group = self._config.group_id
        assert group is not None
        if self._membership is not None:
            lost = sorted(set(offsets) - self._assignment.partitions())
            if lost:
                raise CommitFailed(
                    group=group, reason=f"{lost[0]} is not assigned to this member (any more)"
                )
        limit = self._directory.config.offset_metadata_max_bytes
        for where in offsets:
            if self._assignment.is_gone(where):
                # An offset of the old topic would be taken for one of a topic that has its name now.
                raise UnknownTopicOrPartition(topic=where.topic, partition=where.partition)
        for where, entry in offsets.items():
            if len(entry.metadata.encode()) > limit:
                raise CommitFailed(
                    group=group,
                    reason=f"the note with {where} is over offset.metadata.max.bytes ({limit})",
                )
        if durable:
            # What is committed must not outlive the records it covers: after a power loss the group would skip
            # those that take their offsets.
            for where, entry in offsets.items():
                log = self._assignment.partition(where)
                log.sync(min(entry.offset, log.end_offset))

    def close(self, *, commit: bool = True) -> None:
        """Store positions where that is automatic, and leave the group."""
        if (
            commit
            and self._config.group_id is not None
            and (self._manual or self._membership is not None)
        ):
            self.auto_commit(force=True)
        self.unsubscribe(commit=commit)
