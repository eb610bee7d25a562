"""ConsumerGroupHeartbeat (KIP-848): one request to join, stay, learn, confirm and leave."""

from __future__ import annotations

from dataclasses import replace

from logflume.observe import get_logger

from .consumer_group import ConsumerGroup
from .consumer_member import LEFT_FOR_NOW, UNREVOKED, ConsumerMember
from .consumer_messages import JOIN, ConsumerAnswer, ConsumerHeartbeat
from .consumer_targets import ConsumerTargets
from .epoch_requests import EpochRequests
from .group_context import GroupContext
from .group_errors import GroupError, GroupRefused
from .group_records import Record

__all__ = ["ConsumerRequests"]

_logger = get_logger(__name__)


class ConsumerRequests(EpochRequests):
    """What only these groups have: static members, partitions that are given up before they go to others, commits."""

    group: ConsumerGroup
    _targets: ConsumerTargets

    def __init__(self, group: ConsumerGroup, context: GroupContext) -> None:
        self.group = group
        self._context = context
        self._targets = ConsumerTargets(group, context)

    @property
    def _size_max(self) -> int:
        return self._context.settings.consumer_max_size

    @property
    def _session_timeout_ms(self) -> int:
        return self._context.setting_ms(self.group.group, "consumer_session_timeout_ms")

    @property
    def _heartbeat_interval_ms(self) -> int:
        return self._context.setting_ms(self.group.group, "consumer_heartbeat_interval_ms")

    # Heartbeat

    def heartbeat(self, request: ConsumerHeartbeat) -> ConsumerAnswer:
        known = self.group.members.get(request.member_id)
        before = None if known is None else known.metadata.regex
        pattern = before if request.regex is None else request.regex
        if pattern:
            self._targets.show(pattern, request.visible)
        return super().heartbeat(request)

    def _step(self, member: ConsumerMember, request: ConsumerHeartbeat) -> ConsumerMember:
        group = self.group
        target = group.target_of(member.member_id)
        return member.reconciled(group.target_epoch, target, group.owners, request.owned)

    def _check_previous(self, member: ConsumerMember, request: ConsumerHeartbeat) -> bool:
        return request.owned is not None and request.owned <= member.assigned

    def _is_full(self, request: ConsumerHeartbeat) -> bool:
        if request.instance_id is not None and request.instance_id in self.group.static:
            return False
        return super()._is_full(request)

    def _member(self, request: ConsumerHeartbeat, records: list[Record]) -> ConsumerMember:
        """The member as it was: known, new, or the successor of a static one."""
        if request.instance_id is not None:
            known = self.group.static.get(request.instance_id)
            if known is None and request.epoch != JOIN:
                raise GroupRefused(
                    GroupError.UNKNOWN_MEMBER_ID, f"Instance id {request.instance_id} is unknown."
                )
            if known is not None and known != request.member_id:
                return self._succeed(self.group.members[known], request, records)
        return super()._member(request, records)

    def _succeed(
        self, old: ConsumerMember, request: ConsumerHeartbeat, records: list[Record]
    ) -> ConsumerMember:
        """A static member is back under a new id."""
        if request.epoch != JOIN:
            raise GroupRefused(
                GroupError.FENCED_INSTANCE_ID,
                f"Static member {request.member_id} with instance id {request.instance_id}"
                f" was fenced by member {old.member_id}.",
            )
        if old.epoch != LEFT_FOR_NOW:
            raise GroupRefused(
                GroupError.UNRELEASED_INSTANCE_ID,
                f"Static member {request.member_id} with instance id {request.instance_id} cannot join"
                f" the group because the instance id is owned by {old.member_id} member.",
            )
        group = self.group
        target = group.target_of(old.member_id)
        self._stop_timers(old.member_id)
        group.remove(old.member_id)
        records += group.farewell(old.member_id)
        new = replace(old.rejoined(), member_id=request.member_id)
        group.put(new)
        group.targets[new.member_id] = target
        # All of it: its record may not follow from a change in what it says.
        records += [group.member_record(new), group.target_record(new.member_id)]
        records.append(group.current_record(new))
        return new

    # Leave

    def leave(self, request: ConsumerHeartbeat) -> ConsumerAnswer:
        """A member goes, or (static, epoch -2) goes and will be back."""
        group = self.group
        member_id = request.member_id
        if request.instance_id is not None:
            known = group.static.get(request.instance_id)
            if known is None:
                raise GroupRefused(
                    GroupError.UNKNOWN_MEMBER_ID, f"Instance id {request.instance_id} is unknown."
                )
            if known != member_id:
                raise GroupRefused(
                    GroupError.FENCED_INSTANCE_ID,
                    f"Static member {member_id} was fenced by {known}.",
                )
        if request.epoch != LEFT_FOR_NOW:
            return super().leave(request)
        member = group.members.get(member_id)
        if member is None:
            raise self._unknown(member_id)
        away = member.left_for_now()
        self._context.write(group.group, [group.current_record(away)])
        group.put(away)
        self._context.timers.cancel(self._key("rebalance", member_id))
        return ConsumerAnswer(member_id, request.epoch, 0)

    def expel(self, member_id: str, instance_id: str | None) -> GroupError:
        """An operator takes a member out; a static one may be named by its instance id alone."""
        found = member_id or self.group.static.get(instance_id or "", "")
        if found not in self.group.members:
            return GroupError.UNKNOWN_MEMBER_ID
        if instance_id is not None and self.group.static.get(instance_id) != found:
            return GroupError.FENCED_INSTANCE_ID
        self.remove(found)
        return GroupError.NONE

    # Timers

    def _watch(self, before: ConsumerMember, after: ConsumerMember) -> None:
        if (after.state, after.epoch) != (before.state, before.epoch):
            self._watch_revoking(after)

    def _watch_revoking(self, member: ConsumerMember) -> None:
        """Have the member give up what it must within the time that it said it needs."""
        member_id, epoch = member.member_id, member.epoch
        key = self._key("rebalance", member_id)
        if member.state == UNREVOKED:
            timeout_ms = member.metadata.rebalance_timeout_ms
            self._context.after(timeout_ms, key, lambda: self._overdue(member_id, epoch))
        else:
            self._context.timers.cancel(key)

    def expect_all(self) -> None:
        super().expect_all()
        for member in self.group.members.values():
            self._watch_revoking(member)

    def _stop_timers(self, member_id: str) -> None:
        super()._stop_timers(member_id)
        self._context.timers.cancel(self._key("rebalance", member_id))

    def _overdue(self, member_id: str, epoch: int) -> None:
        member = self.group.members.get(member_id)
        if member is not None and member.state == UNREVOKED and member.epoch == epoch:
            _logger.info(
                "group member did not give up its partitions",
                group=self.group.group,
                member=member_id,
            )
            self.remove(member_id)

    # Commit and fetch

    def check_commit(self, member_id: str, epoch: int, *, knows_epochs: bool) -> None:
        """Whether offsets may be committed in this member's name. `knows_epochs`: its request has room for them."""
        if epoch < 0 and self.group.is_empty:
            return
        member = self._checked(member_id, epoch)
        if not knows_epochs:
            raise GroupRefused(
                GroupError.UNSUPPORTED_VERSION,
                "OffsetCommit version 9 or above must be used by members using the modern group protocol",
            )
        assert member.epoch == epoch

    def check_fetch(self, member_id: str | None, epoch: int) -> None:
        """Whether this member may be told offsets; one that says no name may."""
        if (member_id or None) is not None or epoch >= 0:
            self._checked(member_id or "", epoch)

    def _checked(self, member_id: str, epoch: int) -> ConsumerMember:
        member = self.group.members.get(member_id)
        if member is None:
            raise self._unknown(member_id)
        if member.epoch != epoch:
            raise GroupRefused(
                GroupError.STALE_MEMBER_EPOCH,
                f"The received member epoch {epoch} does not match the expected member epoch {member.epoch}.",
            )
        return member
