"""Heartbeats of groups with epochs (KIP-848, KIP-932): the way that all kinds of them go, and members' sessions."""

from __future__ import annotations

from logflume.observe import get_logger

from .consumer_member import ConsumerMember
from .consumer_messages import JOIN, ConsumerAnswer, ConsumerHeartbeat
from .epoch_group import EpochGroup
from .epoch_targets import EpochTargets
from .group_context import GroupContext
from .group_errors import GroupError, GroupRefused
from .group_records import Record

__all__ = ["EpochRequests"]

_logger = get_logger(__name__)


class EpochRequests:
    """One group's requests. Not thread-safe. Raises GroupRefused where the answer is an error.

    What the log refuses (DiskFull ...) is raised on, with the group in a state that was not
    stored: the caller forgets it and loads it anew.
    """

    group: EpochGroup
    _context: GroupContext
    _targets: EpochTargets

    # What the kinds differ in

    @property
    def _size_max(self) -> int:
        raise NotImplementedError

    @property
    def _session_timeout_ms(self) -> int:
        raise NotImplementedError

    @property
    def _heartbeat_interval_ms(self) -> int:
        raise NotImplementedError

    def _step(self, member: ConsumerMember, request: ConsumerHeartbeat) -> ConsumerMember:
        """The member's next step towards its target."""
        raise NotImplementedError

    def _check_previous(self, member: ConsumerMember, request: ConsumerHeartbeat) -> bool:
        """Whether a member with its previous epoch may go on: the answer that told the new one may have been lost."""
        raise NotImplementedError

    def _watch(self, before: ConsumerMember, after: ConsumerMember) -> None:
        """Another time-out than the session's."""

    # Heartbeat

    def heartbeat(self, request: ConsumerHeartbeat) -> ConsumerAnswer:
        """Joins, stays, confirms; the answer says what the member shall have."""
        group = self.group
        if request.member_id not in group.members and self._is_full(request):
            raise GroupRefused(
                GroupError.GROUP_MAX_SIZE_REACHED,
                f"The {group.kind} group has reached its maximum size.",
            )
        request.check_wishes()  # refused before anything is changed
        records: list[Record] = []
        before = self._member(request, records)
        member = request.told_by(before)
        is_known = before.member_id in group.members
        if not is_known or member.metadata != before.metadata:
            records.append(group.member_record(member))
        group.put(member)
        self._targets.refresh(records, changed=not is_known or _wishes(member) != _wishes(before))
        if group.epoch > group.target_epoch:
            self._targets.assign(records)
        after = self._step(member, request)
        if after != before or not is_known:
            records.append(group.current_record(after))
        group.put(after)
        if records:
            self._context.write(group.group, records)
        self._expect(after)
        self._watch(before, after)
        told = request.is_full or after.assigned != before.assigned
        return ConsumerAnswer(
            after.member_id,
            after.epoch,
            self._heartbeat_interval_ms,
            after.assigned if told else None,
        )

    def _is_full(self, request: ConsumerHeartbeat) -> bool:
        return len(self.group.members) >= self._size_max

    def _member(self, request: ConsumerHeartbeat, records: list[Record]) -> ConsumerMember:
        """The member as it was: known, or new."""
        member = self.group.members.get(request.member_id)
        if member is None:
            if request.epoch != JOIN:
                raise self._unknown(request.member_id)
            _logger.info("group member joins", group=self.group.group, member=request.member_id)
            return ConsumerMember(request.member_id, request.new_metadata())
        if request.epoch == JOIN:
            return member.rejoined()
        self._check_epoch(member, request)
        return member

    def _unknown(self, member_id: str) -> GroupRefused:
        return GroupRefused(
            GroupError.UNKNOWN_MEMBER_ID,
            f"Member {member_id} is not a member of group {self.group.group}.",
        )

    def _check_epoch(self, member: ConsumerMember, request: ConsumerHeartbeat) -> None:
        if request.epoch == member.epoch:
            return
        is_previous = request.epoch == member.previous_epoch and request.epoch < member.epoch
        if is_previous and self._check_previous(member, request):
            return
        than = "greater" if request.epoch > member.epoch else "smaller"
        raise GroupRefused(
            GroupError.FENCED_MEMBER_EPOCH,
            f"The {self.group.kind} group member has a {than} member epoch ({request.epoch}) than the one known"
            f" by the group coordinator ({member.epoch})."
            " The member must abandon all its partitions and rejoin.",
        )

    # Leave

    def leave(self, request: ConsumerHeartbeat) -> ConsumerAnswer:
        """A member goes."""
        if request.member_id not in self.group.members:
            raise self._unknown(request.member_id)
        self.remove(request.member_id)
        return ConsumerAnswer(request.member_id, request.epoch, 0)

    def remove(self, member_id: str) -> None:
        """Take a member out; the group's epoch is a new one."""
        group = self.group
        records = group.farewell(member_id)
        self._stop_timers(member_id)
        group.remove(member_id)
        self._targets.refresh(records, changed=True)
        self._context.write(group.group, records)

    # Timers

    def _key(self, what: str, member_id: str) -> tuple[str, str, str]:
        return (self.group.group, what, member_id)

    def _expect(self, member: ConsumerMember) -> None:
        """Hear of the member within its session."""
        member_id = member.member_id
        key = self._key("session", member_id)
        self._context.after(self._session_timeout_ms, key, lambda: self._expire(member_id))

    def expect_all(self) -> None:
        """After loading: everybody has its times anew."""
        for member in self.group.members.values():
            self._expect(member)

    def stop_timers(self) -> None:
        """For a group that is deleted, or becomes one of another kind."""
        for member_id in self.group.members:
            self._stop_timers(member_id)

    def _stop_timers(self, member_id: str) -> None:
        self._context.timers.cancel(self._key("session", member_id))

    def _expire(self, member_id: str) -> None:
        if member_id in self.group.members:
            _logger.info("group member timed out", group=self.group.group, member=member_id)
            self.remove(member_id)


def _wishes(member: ConsumerMember) -> tuple[object, ...]:
    return (member.metadata.topics, member.metadata.regex, member.metadata.assignor)
