"""A consumer's membership in a group: joins, learns of changes, owns partitions by kernel locks."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from logflume.config.names import check_group
from logflume.errors import InvalidConfig, InvalidGroup
from logflume.types import TopicPartition

from .assignors import ASSIGNORS
from .group_description import GroupDescription
from .group_file import GroupFile
from .group_register import GroupRegister
from .group_roster import is_dead
from .group_table import MemberRow

__all__ = ["GroupChange", "GroupMember"]

PROBES_MAX = 16
"""Members asked for signs of life per probe, so that a probe's cost does not grow with the group."""


@dataclass(frozen=True, slots=True)
class GroupChange:
    """What a poll found. False when it is nothing.

    `revoked`: finish with these, commit, then `release` them. `assigned`: these are owned from
    now on. `lost`: as revoked, but the member was removed from the group, so do not commit.
    """

    revoked: tuple[TopicPartition, ...] = ()
    assigned: tuple[TopicPartition, ...] = ()
    lost: tuple[TopicPartition, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.revoked or self.assigned or self.lost)


NO_CHANGE = GroupChange()


class GroupMember:
    """One membership. Not thread-safe: one thread at a time, the consumer's.

    Every method but the properties may raise LockTimeout (a stopped process holds the table),
    DiskFull, ReadOnlyDirectory, CorruptRecord; `Closed` after `leave` and in a forked child.
    `now` is always seconds of a clock that all processes of the machine share (time.monotonic).
    Call `poll` at least every `probe_interval_s` while waiting for records: it is how changes and
    deaths are noticed, and costs well under a microsecond when there is nothing.

    A partition is owned by the lock on its number, not by what the table says: the table is what
    should be, and each member gives up and takes partitions until it is so. Thus a partition
    changes hands only after its owner released it, or died.
    """

    def __init__(
        self,
        path: str,
        group: str,
        *,
        partition_count: Callable[[str], int | None],
        client_id: str = "",
        instance_id: str | None = None,
        assignors: Iterable[str] = ("range", "cooperative-sticky"),
        session_timeout_s: float = 45.0,
        probe_interval_s: float = 0.01,
        topics_interval_s: float = 0.25,
        lock_timeout_s: float = 10.0,
        pid: int | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Nothing is opened before `join`.

        `path` is the group's file (`group_files.group_file_path`). `partition_count(topic)` says
        how many partitions a topic has, None or 0 when there is no such topic; it is asked every
        `topics_interval_s`, and must look at the disk: members that see different numbers would
        take turns in correcting each other. `session_timeout_s` is how long a *static* member (one with an
        `instance_id`) keeps its partitions while it is away; any other loses them at once.
        Raises InvalidGroup, InvalidConfig (an assignor that is not known).
        """
        self._path = path
        self._group = check_group(group)
        self._partition_count = partition_count
        self._client_id = client_id
        self._instance_id = instance_id
        self._assignors = _checked_assignors(assignors)
        self._session_timeout_s = session_timeout_s
        self._probe_interval_s = probe_interval_s
        self._topics_interval_s = topics_interval_s
        self._pid = pid

        def open_file(path: str) -> GroupFile:
            return GroupFile(
                path, create=True, lock_timeout_s=lock_timeout_s, clock=clock, sleep=sleep
            )

        self._register = GroupRegister(
            path, self._group, partition_count=partition_count, open_file=open_file
        )
        self._row: MemberRow | None = None
        self._target: frozenset[TopicPartition] = frozenset()
        self._held: dict[TopicPartition, int] = {}
        self._leaving: set[TopicPartition] = set()
        self._expelled = False
        self._is_settled = False
        self._is_unpublished = False
        self._next_probe = self._next_topics = 0.0
        self._probe_cursor = 0

    # What is

    @property
    def group(self) -> str:
        """The group's id."""
        return self._group

    @property
    def member_id(self) -> str:
        """Unique for each `join`; empty before the first."""
        return self._row.member_id if self._row is not None else ""

    @property
    def generation(self) -> int:
        """Of the last table this member looked at; it grows with each new assignment."""
        return self._register.table.generation

    @property
    def is_member(self) -> bool:
        """False before `join`, after `leave`, after removal, and in a forked child."""
        return self._register.is_open and not self._expelled

    @property
    def owned(self) -> frozenset[TopicPartition]:
        """Partitions that are this member's to read: assigned and not (being) revoked."""
        return frozenset(self._held.keys() - self._leaving)

    @property
    def target(self) -> frozenset[TopicPartition]:
        """What this member should own by the last table it looked at."""
        return self._target

    @property
    def is_settled(self) -> bool:
        """True when it owns its target and nothing else; until then poll every millisecond or so."""
        return self._is_settled and not self._leaving

    @property
    def has_others(self) -> bool:
        """True when the last table looked at has more members than this one."""
        return len(self._register.table.members) > 1

    # Coming and going

    def join(
        self, topics: Collection[str], *, now: float, joined_ms: int, member_id: str | None = None
    ) -> str:
        """Become a member with a subscription; returns the member id. `poll` then gives partitions.

        `joined_ms` is the wall clock, ms since 1970. Raises FencedInstance when a living member
        has this instance id, InvalidGroup when no assignor is shared with the group, or when it
        has joined already (or was removed and has not released all yet).
        """
        # In a forked child what the parent held is not held: there it is a new beginning.
        if self.is_member or (self._held and self._register.is_open):
            raise InvalidGroup(group=self._group, reason="joined already; leave or release first")
        self._close()
        row = MemberRow(
            member_id=member_id or f"{self._client_id or 'logflume'}-{uuid.uuid4()}",
            slot=0,
            client_id=self._client_id,
            instance_id=self._instance_id,
            assignors=self._assignors,
            topics=tuple(sorted(topics)),
            pid=os.getpid() if self._pid is None else self._pid,
            joined_ms=joined_ms,
            session_timeout_s=self._session_timeout_s,
        )
        self._register.enter(row, now)
        self._row = row
        self._expelled = False
        self._look_at_table()
        return row.member_id

    def update_topics(self, topics: Collection[str], *, now: float) -> None:
        """Change the subscription; the next `poll` tells what follows from it."""
        self._update(now, tuple(sorted(topics)))

    def leave(self, *, now: float) -> None:
        """End the membership: partitions are free at once. May be called again.

        The caller has finished with them and committed. A static member stays in the table for its
        session timeout, its partitions waiting for it, as in Kafka.
        """
        try:
            if self._row is not None and self.is_member:
                self._register.depart(self._row, self._held.values(), now)
        finally:
            self._close()

    def _close(self) -> None:
        self._register.close()
        self._held.clear()
        self._leaving.clear()
        self._target = frozenset()
        self._is_settled = False

    # Staying

    def poll(self, now: float) -> GroupChange:
        """Look for changes and act on them: new assignments, partitions come free, deaths.

        Revoked and lost partitions are reported once and stay locked until `release`. Raises
        UnknownMember before `join`.
        """
        if self._register.refresh():
            self._look_at_table()
        if now >= self._next_probe:
            self._next_probe = now + self._probe_interval_s
            if self._is_unpublished:
                self._register.publish_owned(self.member_id, self._held)
                self._is_unpublished = False
            if self._has_dead(now):
                self._update(now)
        if now >= self._next_topics:
            self._next_topics = now + self._topics_interval_s
            self._check_world(now)
        return NO_CHANGE if self._is_settled else self._reconcile(now)

    def release(self, partitions: Iterable[TopicPartition]) -> None:
        """Let partitions go that `poll` reported as revoked or lost: others may have them now.

        Partitions that are not held are passed over. ValueError for one that was not revoked.
        """
        file = self._register.file
        gone = [p for p in dict.fromkeys(partitions) if p in self._held]
        kept = [p for p in gone if p not in self._leaving]
        if kept:
            raise ValueError(f"not revoked, so not to be released: {', '.join(map(str, kept))}")
        for partition in gone:
            file.unlock_partition(self._held.pop(partition))
            self._leaving.discard(partition)
            if partition in self._target:
                self._is_settled = False  # it became ours again meanwhile
        if gone:
            self._is_unpublished = True

    def describe(self, *, now: float) -> GroupDescription:
        """The group as it is now."""
        return self._register.describe(self.member_id, now)

    # How

    def _look_at_table(self) -> None:
        """Take notice of a table that was just read."""
        row = self._register.table.members.get(self.member_id)
        if row is None:
            self._expelled = True
        self._target = frozenset() if row is None or self._expelled else frozenset(row.target)
        self._is_settled = False

    def _update(
        self, now: float, topics: tuple[str, ...] | None = None, *, new: Collection[int] = ()
    ) -> None:
        self._register.update(self.member_id, [*self._held.values(), *new], now, topics)
        self._look_at_table()

    def _has_dead(self, now: float) -> bool:
        file, table = self._register.file, self._register.table
        others = [row for row in table.members.values() if row.member_id != self.member_id]
        if len(others) > PROBES_MAX:
            # In turn, each member beginning elsewhere: together they still ask all every time.
            slot = self._row.slot if self._row is not None else 0
            start = (self._probe_cursor + slot) % len(others)
            self._probe_cursor += PROBES_MAX
            others = (others + others)[start : start + PROBES_MAX]
        return any(is_dead(row, file, now) for row in others)

    def _check_world(self, now: float) -> None:
        """What no generation tells: partitions added, topics deleted, the group's file gone."""
        if not self._register.file.is_at_path():
            self._expelled = True
            self._look_at_table()
        elif self._register.is_outdated():
            self._update(now)

    def _reconcile(self, now: float) -> GroupChange:
        """Take what should be owned and is free, point out what should not be owned any more."""
        assigned = () if self._expelled else self._acquire(now)
        if self._expelled:
            lost = tuple(sorted(self._held.keys() - self._leaving))
            self._leaving |= self._held.keys()
            self._is_settled = True
            return GroupChange(lost=lost)
        revoked = tuple(sorted(self._held.keys() - self._target - self._leaving))
        self._leaving.update(revoked)
        self._is_settled = self._target <= self._held.keys() - self._leaving
        if not assigned and not revoked:
            return NO_CHANGE
        # `describe` learns of it by the next probe: nothing here may fail once locks are taken.
        self._is_unpublished = True
        return GroupChange(revoked, assigned)

    def _acquire(self, now: float) -> tuple[TopicPartition, ...]:
        """Lock what should be owned and is free; nothing that a newer table gives to another."""
        file = self._register.file
        new: dict[TopicPartition, int] = {}
        try:
            self._lock_free(file, new)
            # With the locks in hand, what the table said before may have become old.
            while new and self._is_renewed(now, new.values()):
                for partition in new.keys() - self._target:
                    file.unlock_partition(new.pop(partition))
                self._lock_free(file, new)
        except BaseException:
            for number in new.values():
                file.unlock_partition(number)
            raise
        self._held.update(new)
        return tuple(sorted(new))

    def _is_renewed(self, now: float, new: Collection[int]) -> bool:
        """Whether there is another table, now that the partitions of these numbers came free."""
        if self._register.refresh():
            self._look_at_table()
            return True
        # By the death of who held them, since it was last looked for? Then all it held is to be taken over at once,
        # and not what was this member's anyway first and the rest by a later poll.
        if self._has_dead(now):
            self._update(now, new=new)
            return True
        return False

    def _lock_free(self, file: GroupFile, new: dict[TopicPartition, int]) -> None:
        numbers = self._register.table.numbers
        for partition in sorted(self._target - self._held.keys() - new.keys()):
            number = numbers.number_of(partition)
            if file.lock_partition(number):
                new[partition] = number


def _checked_assignors(names: Iterable[str]) -> tuple[str, ...]:
    chosen = tuple(names)
    unknown = [name for name in chosen if name not in ASSIGNORS]
    if unknown or not chosen:
        raise InvalidConfig(
            name="partition.assignment.strategy",
            value=",".join(chosen),
            reason=f"must name one or more of {', '.join(ASSIGNORS)}",
        )
    return chosen
