"""A classic group's rebalance: members join, the leader assigns, everybody learns; and what times out.

Empty ──join──▶ Preparing ──all joined, or too late──▶ Completing ──leader's sync──▶ Stable
  ▲                 ▲  │ nobody left                        │                          │
  └─────────────────┼──┘                                    └── join, leave, death ────┤
                    └──────────────────────────────────────────────────────────────────┘
"""

from __future__ import annotations

from logflume.errors import LogflumeError
from logflume.observe import get_logger

from .classic_group import COMPLETING, EMPTY, PREPARING, STABLE, ClassicGroup
from .classic_member import ClassicMember, JoinAnswer, SyncAnswer
from .group_context import GroupContext
from .group_errors import GroupError

__all__ = ["ClassicRebalance"]

_logger = get_logger(__name__)


class ClassicRebalance:
    """Moves one group from state to state. Not thread-safe.

    Answers are given through the members' replies, at once or from a timer. A rebalance ends: who
    does not join within the longest rebalance timeout of the members is put out, and so is who
    does not ask for its assignment in that time.
    """

    def __init__(self, group: ClassicGroup, context: GroupContext) -> None:
        self.group = group
        self._context = context

    # Timers

    def _key(self, what: str, member_id: str = "") -> tuple[str, str, str]:
        return (self.group.group, what, member_id)

    def expect(self, member: ClassicMember, timeout_ms: int | None = None) -> None:
        """Give a member its session timeout (or another, ms) until it must be heard of again."""
        member_id = member.member_id
        self._context.after(
            member.session_timeout_ms if timeout_ms is None else timeout_ms,
            self._key("session", member_id),
            lambda: self._expire(member_id),
        )

    def expect_pending(self, member_id: str, timeout_ms: int) -> None:
        """Give a client time to come back with the id that it was given."""
        self.group.pending.add(member_id)
        self._context.after(
            timeout_ms, self._key("session", member_id), lambda: self._expire(member_id)
        )

    def stop_timers(self) -> None:
        """For a group that is deleted, or becomes one of the other kind."""
        for member_id in [*self.group.members, *self.group.pending]:
            self._context.timers.cancel(self._key("session", member_id))
        self._context.timers.cancel(self._key("join"))
        self._context.timers.cancel(self._key("sync"))

    def _expire(self, member_id: str) -> None:
        group = self.group
        member = group.members.get(member_id)
        if member is None:
            group.pending.discard(member_id)
            self.complete_join_if_due()
        elif member.is_new or not member.is_waiting:
            _logger.info("group member timed out", group=group.group, member=member_id)
            self.remove([member_id])

    # Members come and go

    def add(self, member: ClassicMember) -> None:
        """A new member: a rebalance, or part in the one under way."""
        group = self.group
        member.is_new = True
        if group.state == PREPARING and group.was_empty:
            group.has_newcomer = True
        group.put(member)
        self.expect(member, self._context.settings.new_member_join_timeout_ms)
        self.rebalance_or_complete("a new member")

    def remove(self, member_ids: list[str]) -> None:
        """Members left or died: a rebalance of those that remain."""
        group = self.group
        removed = False
        for member_id in member_ids:
            self._context.timers.cancel(self._key("session", member_id))
            member = group.remove(member_id)
            if member is not None:
                removed = True
                error = GroupError.UNKNOWN_MEMBER_ID
                member.answer_join(JoinAnswer(error, member_id=member_id))
                member.answer_sync(SyncAnswer(error))
        if group.state in (STABLE, COMPLETING):
            if removed:
                self.prepare("members left")
        else:
            self.complete_join_if_due()

    def fence(self, member: ClassicMember) -> None:
        """A static member's successor is here: what the old one waits for is refused."""
        self._context.timers.cancel(self._key("session", member.member_id))
        error = GroupError.FENCED_INSTANCE_ID
        member.answer_join(JoinAnswer(error, member_id=member.member_id))
        member.answer_sync(SyncAnswer(error))

    # Joining

    def rebalance_or_complete(self, reason: str) -> None:
        """Begin a rebalance; where one is under way already, see whether it can go on."""
        if self.group.state == PREPARING:
            self.complete_join_if_due()
        else:
            self.prepare(reason)

    def prepare(self, reason: str) -> None:
        """Ask all members to join."""
        group = self.group
        if group.state == COMPLETING:
            self._answer_syncs(GroupError.REBALANCE_IN_PROGRESS)
        group.unsynced.clear()
        self._context.timers.cancel(self._key("sync"))
        group.was_empty = group.state == EMPTY
        self._enter(PREPARING)
        _logger.info(
            "group prepares to rebalance",
            group=group.group,
            generation=group.generation,
            reason=reason,
        )
        delay_ms = self._context.settings.initial_rebalance_delay_ms
        if group.was_empty and delay_ms > 0:
            group.has_newcomer = False
            remaining_ms = max(group.rebalance_timeout_ms - delay_ms, 0)
            self._wait_for_more(delay_ms, remaining_ms)
        elif group.was_empty or group.all_joined:
            self.complete_join()
        else:
            self._wait_for_joins()

    def _wait_for_joins(self) -> None:
        self._context.after(self.group.rebalance_timeout_ms, self._key("join"), self.complete_join)

    def _wait_for_more(self, delay_ms: int, remaining_ms: int) -> None:
        """The first rebalance: consumers that start together shall be in one generation."""

        def look_again() -> None:
            if self.group.has_newcomer and remaining_ms > 0:
                self.group.has_newcomer = False
                longest = self._context.settings.initial_rebalance_delay_ms
                self._wait_for_more(min(longest, remaining_ms), max(remaining_ms - delay_ms, 0))
            else:
                self.complete_join()

        self._context.after(delay_ms, self._key("join"), look_again)

    def complete_join_if_due(self) -> None:
        """End the joining when nobody is missing."""
        group = self.group
        waits_for_more = group.was_empty and group.members
        if group.state == PREPARING and group.all_joined and not waits_for_more:
            self.complete_join()

    def complete_join(self) -> None:
        """End the joining: a new generation of those that are here."""
        group = self.group
        if group.state != PREPARING:
            return
        self._context.timers.cancel(self._key("join"))
        for member in group.awaited():
            # A static member keeps its place until its session is over.
            if member.instance_id is None:
                group.remove(member.member_id)
                self._context.timers.cancel(self._key("session", member.member_id))
        if group.members and not group.elect_joined_leader():
            self._wait_for_joins()  # static members only, all away
            return
        group.was_empty = False
        group.next_generation()
        if not group.members:
            self._enter(EMPTY)
            self.store("an empty group")
            return
        self._enter(COMPLETING)
        self._answer_joins()
        generation = group.generation
        self._context.after(
            group.rebalance_timeout_ms,
            self._key("sync"),
            lambda: self._expire_syncs(generation),
        )

    def _answer_joins(self) -> None:
        group = self.group
        # Static members that are away are in the generation as well, and may still ask for their part.
        group.unsynced.update(group.members)
        for member in list(group.members.values()):
            if member.join_reply is not None:
                self.expect(member)
            member.is_new = False
            member.assignment = b""
            member.answer_join(self.joined(member))

    def joined(self, member: ClassicMember, *, skip_assignment: bool = False) -> JoinAnswer:
        """The answer to a member's JoinGroup as the present generation stands."""
        group = self.group
        leads = group.leader == member.member_id
        return JoinAnswer(
            generation=group.generation,
            protocol_type=group.protocol_type,
            protocol=group.protocol,
            leader=group.leader or "",
            member_id=member.member_id,
            members=group.joined_members() if leads else (),
            skip_assignment=skip_assignment and leads,
        )

    # Assigning

    def assign(self, assignments: dict[str, bytes]) -> None:
        """The leader's assignment: stored, then told to all who wait for it."""
        group = self.group
        for member in group.members.values():
            member.assignment = assignments.get(member.member_id, b"")
        if not self.store("an assignment"):
            for member in group.members.values():
                member.assignment = b""
            self._answer_syncs(GroupError.COORDINATOR_NOT_AVAILABLE)
            self.prepare("the assignment could not be stored")
            return
        self._enter(STABLE)
        self._answer_syncs(GroupError.NONE)

    def synced(self, member: ClassicMember) -> SyncAnswer:
        """The answer to SyncGroup in a stable group."""
        return SyncAnswer(
            protocol_type=self.group.protocol_type,
            protocol=self.group.protocol,
            assignment=member.assignment,
        )

    def note_sync(self, member_id: str) -> None:
        """A member asked for its assignment."""
        self.group.unsynced.discard(member_id)
        if not self.group.unsynced:
            self._context.timers.cancel(self._key("sync"))

    def _answer_syncs(self, error: GroupError) -> None:
        for member in list(self.group.members.values()):
            if member.sync_reply is not None:
                self.expect(member)
                member.answer_sync(SyncAnswer(error) if error else self.synced(member))

    def _expire_syncs(self, generation: int) -> None:
        group = self.group
        if group.generation == generation and group.state in (COMPLETING, STABLE):
            late = sorted(group.unsynced)
            if late:
                _logger.info("group members did not sync", group=group.group, members=late)
                self.remove(late)

    # State

    def _enter(self, state: str) -> None:
        self.group.state = state
        self.group.state_since_ms = self._context.wall_ms()

    def store(self, what: str) -> bool:
        """Write the group's record; False (and a line in the log) when that failed."""
        try:
            self._context.write(self.group.group, [self.group.record()])
        except LogflumeError as error:
            _logger.error(
                "group metadata not stored", group=self.group.group, what=what, why=str(error)
            )
            return False
        return True
