"""What members of a classic group ask: JoinGroup, SyncGroup, Heartbeat, LeaveGroup, and may they commit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from .classic_group import COMPLETING, EMPTY, PREPARING, STABLE, ClassicGroup
from .classic_member import ClassicMember, JoinAnswer, JoinRequest, SyncAnswer
from .classic_rebalance import ClassicRebalance
from .group_context import GroupContext
from .group_errors import GroupError, GroupRefused

__all__ = ["ClassicRequests", "Leaver", "SyncRequest"]


class Leaver(NamedTuple):
    """One member of a LeaveGroup; an operator names a static one by its instance id alone."""

    member_id: str
    instance_id: str | None


class SyncRequest(NamedTuple):
    """SyncGroup; `protocol_type` and `protocol` are None where the client's version has none."""

    group: str
    member_id: str
    instance_id: str | None
    generation: int
    protocol_type: str | None
    protocol: str | None
    assignments: Mapping[str, bytes]


class ClassicRequests:
    """One group's requests. Not thread-safe. Methods raise GroupRefused where the answer is an error.

    JoinGroup and SyncGroup answer through `reply`, now or later, once.
    """

    def __init__(self, group: ClassicGroup, context: GroupContext) -> None:
        self.group = group
        self.rebalance = ClassicRebalance(group, context)
        self._context = context

    # Join

    def join(self, request: JoinRequest, reply: Callable[[JoinAnswer], None]) -> None:
        """A member comes, or takes part in a rebalance."""
        group = self.group
        if not self._has_room(request.member_id):
            if request.member_id in group.members:
                self.rebalance.remove([request.member_id])
            raise GroupRefused(GroupError.GROUP_MAX_SIZE_REACHED)
        if not group.supports(request.protocol_type, (name for name, _ in request.protocols)):
            raise GroupRefused(GroupError.INCONSISTENT_GROUP_PROTOCOL, member_id=request.member_id)
        if not request.member_id:
            self._join_unknown(request, reply)
        elif request.member_id in group.pending and request.instance_id is None:
            self._add(request, request.member_id, reply)
        else:
            member = group.check_member(request.member_id, request.instance_id)
            self._join_known(member, request, reply)

    def _has_room(self, member_id: str) -> bool:
        group, limit = self.group, self._context.settings.max_size
        if group.state == EMPTY:
            return True
        member = group.members.get(member_id)
        if group.state == PREPARING:
            # Those who wait count, so that after the limit was lowered the last ones are left out.
            if member is not None and member.join_reply is not None:
                return True
            return len(group.members) - len(group.awaited()) < limit
        return member is not None or len(group.members) < limit

    def _join_unknown(self, request: JoinRequest, reply: Callable[[JoinAnswer], None]) -> None:
        instance_id = request.instance_id
        member_id = f"{instance_id or request.client_id}-{self._context.new_id()}"
        if instance_id is None:
            if request.requires_id:
                self.rebalance.expect_pending(member_id, request.session_timeout_ms)
                raise GroupRefused(GroupError.MEMBER_ID_REQUIRED, member_id=member_id)
            self._add(request, member_id, reply)
        elif instance_id in self.group.static:
            self._return_static(self.group.static[instance_id], member_id, request, reply)
        else:
            self._add(request, member_id, reply)

    def _add(
        self, request: JoinRequest, member_id: str, reply: Callable[[JoinAnswer], None]
    ) -> None:
        if not self.group.members:
            self.group.protocol_type = request.protocol_type
        member = ClassicMember.of(request, member_id)
        member.join_reply = reply
        self.rebalance.add(member)

    def _join_known(
        self, member: ClassicMember, request: JoinRequest, reply: Callable[[JoinAnswer], None]
    ) -> None:
        group = self.group
        same = member.protocols == request.protocols
        if group.state == PREPARING:
            self._take_over(member, request, reply)
            self.rebalance.complete_join_if_due()
        elif group.state == COMPLETING and same:
            # Its answer got lost, it seems: here it is again.
            reply(self.rebalance.joined(member))
        elif group.state == STABLE and same and group.leader != member.member_id:
            reply(self.rebalance.joined(member))
        elif group.state in (COMPLETING, STABLE):
            # The leader joins again where topics changed, which no member's own words show.
            self._take_over(member, request, reply)
            self.rebalance.prepare("a member's wishes changed")
        else:
            raise GroupRefused(GroupError.UNKNOWN_MEMBER_ID, member_id=member.member_id)

    def _take_over(
        self, member: ClassicMember, request: JoinRequest, reply: Callable[[JoinAnswer], None]
    ) -> None:
        """What the member says now is what counts; an earlier request that still waits is moot."""
        moot = GroupError.REBALANCE_IN_PROGRESS
        member.answer_join(JoinAnswer(moot, member_id=member.member_id))
        member.answer_sync(SyncAnswer(moot))
        member.protocols = request.protocols
        member.session_timeout_ms = request.session_timeout_ms
        member.rebalance_timeout_ms = request.rebalance_timeout_ms
        member.client_id, member.client_host = request.client_id, request.client_host
        member.join_reply = reply

    def _return_static(
        self, old_id: str, new_id: str, request: JoinRequest, reply: Callable[[JoinAnswer], None]
    ) -> None:
        """A static member is back, without its memory. In a stable group nothing need happen (KIP-345)."""
        group, rebalance = self.group, self.rebalance
        was_leader = group.leader
        old = group.members[old_id]
        member = group.rename_static(old_id, new_id)
        rebalance.fence(old)
        before = (member.protocols, member.session_timeout_ms, member.rebalance_timeout_ms)
        self._take_over(member, request, reply)
        rebalance.expect(member)
        if group.state != STABLE:
            if group.state == COMPLETING:
                # The leader may be assigning to the old id just now.
                rebalance.prepare("a static member is back")
            else:
                rebalance.complete_join_if_due()
        elif group.choose_protocol() != group.protocol:
            rebalance.prepare("a static member is back with other protocols")
        elif not rebalance.store("a static member is back"):
            # Back to the old id: then a restarted broker knows what the client knows.
            member.protocols, member.session_timeout_ms, member.rebalance_timeout_ms = before
            member.join_reply = None
            rebalance.fence(member)
            rebalance.expect(group.rename_static(new_id, old_id))
            raise GroupRefused(GroupError.COORDINATOR_NOT_AVAILABLE)
        else:
            answer = rebalance.joined(member, skip_assignment=True)
            if not request.may_skip_assignment:
                # An old client would assign as leader: it is told of the old leader instead.
                answer = JoinAnswer(
                    generation=answer.generation,
                    protocol_type=answer.protocol_type,
                    protocol=answer.protocol,
                    leader=was_leader or "",
                    member_id=new_id,
                )
            member.answer_join(answer)

    # Sync

    def sync(self, request: SyncRequest, reply: Callable[[SyncAnswer], None]) -> None:
        """A member asks for its part; the leader brings everybody's."""
        group = self.group
        member = self._checked(request.member_id, request.instance_id, request.generation)
        for said, known in (
            (request.protocol_type, group.protocol_type),
            (request.protocol, group.protocol),
        ):
            if said is not None and known is not None and said != known:
                raise GroupRefused(GroupError.INCONSISTENT_GROUP_PROTOCOL)
        if group.state == PREPARING:
            raise GroupRefused(GroupError.REBALANCE_IN_PROGRESS)
        self.rebalance.note_sync(member.member_id)
        if group.state == STABLE:
            reply(self.rebalance.synced(member))
        else:
            member.answer_sync(SyncAnswer(GroupError.REBALANCE_IN_PROGRESS))
            member.sync_reply = reply
            if group.leader == member.member_id:
                self.rebalance.assign(dict(request.assignments))

    def _checked(self, member_id: str, instance_id: str | None, generation: int) -> ClassicMember:
        if self.group.state == EMPTY:
            raise GroupRefused(GroupError.UNKNOWN_MEMBER_ID)
        member = self.group.check_member(member_id, instance_id)
        if generation != self.group.generation:
            raise GroupRefused(GroupError.ILLEGAL_GENERATION)
        return member

    # Heartbeat

    def heartbeat(self, member_id: str, instance_id: str | None, generation: int) -> None:
        """A sign of life. Refused with REBALANCE_IN_PROGRESS where the member shall join again."""
        member = self._checked(member_id, instance_id, generation)
        self.rebalance.expect(member)
        if self.group.state == PREPARING:
            raise GroupRefused(GroupError.REBALANCE_IN_PROGRESS)

    # Leave

    def leave(self, leavers: Sequence[Leaver]) -> list[GroupError]:
        """Members go, static ones too; the answer to each."""
        group = self.group
        going: list[str] = []
        answers = []
        for leaver in leavers:
            member_id = leaver.member_id
            try:
                if not member_id and leaver.instance_id is not None:
                    member_id = group.static.get(leaver.instance_id, "")
                if member_id not in group.pending:
                    group.check_member(member_id, leaver.instance_id)
            except GroupRefused as refused:
                answers.append(refused.error)
            else:
                going.append(member_id)
                answers.append(GroupError.NONE)
        if going:
            self.rebalance.remove(going)
        return answers

    # Commit

    def check_commit(
        self, member_id: str, instance_id: str | None, generation: int, *, transactional: bool
    ) -> None:
        """Whether offsets may be committed in this member's name, or, without one, by anybody."""
        group = self.group
        if generation < 0 and group.state == EMPTY:
            return
        if generation >= 0 or member_id or instance_id is not None:
            group.check_member(member_id, instance_id)
            if generation != group.generation:
                raise GroupRefused(GroupError.ILLEGAL_GENERATION)
        elif not transactional and group.state != EMPTY:
            # Old transactional producers say no member; for them any state will do, as in Kafka.
            raise GroupRefused(GroupError.UNKNOWN_MEMBER_ID)
        if not transactional and group.state == COMPLETING:
            raise GroupRefused(GroupError.REBALANCE_IN_PROGRESS)
        if not transactional and member_id in group.members:
            # A commit is a sign of life.
            self.rebalance.expect(group.members[member_id])
