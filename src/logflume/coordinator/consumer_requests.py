"""ConsumerGroupHeartbeat (KIP-848): one request to join, stay, learn, confirm and leave."""

from __future__ import annotations

from dataclasses import replace

from logflume.observe import get_logger

from .consumer_group import ConsumerGroup
from .consumer_member import LEFT_FOR_NOW, UNREVOKED, ConsumerMember
from .consumer_messages import JOIN, ConsumerAnswer, ConsumerHeartbeat
from .consumer_targets import ConsumerTargets
from .group_context import GroupContext
from .group_errors import GroupError, GroupRefused
from .group_records import Record
from .topic_patterns import compile_pattern

__all__ = ["ConsumerRequests"]

_logger = get_logger(__name__)


class ConsumerRequests:
    """One group's requests. Not thread-safe. Raises GroupRefused where the answer is an error.

    What the log refuses (DiskFull ...) is raised on, with the group in a state that was not
    stored: the caller forgets it and loads it anew.
    """

    def __init__(self, group: ConsumerGroup, context: GroupContext) -> None:
        self.group = group
        self._context = context
        self._targets = ConsumerTargets(group, context)

    # Heartbeat

    def heartbeat(self, request: ConsumerHeartbeat) -> ConsumerAnswer:
        """Joins, stays, confirms; the answer says what the member shall have."""
        group = self.group
        if request.member_id not in group.members and self._is_full(request):
            raise GroupRefused(
                GroupError.GROUP_MAX_SIZE_REACHED,
                "The consumer group has reached its maximum size.",
            )
        if request.regex:
            compile_pattern(request.regex)  # refused before anything is changed
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
        after = member.reconciled(
            group.target_epoch,
            group.target_of(member.member_id),
            group.owners,
            request.owned,
        )
        if after != before or not is_known:
            records.append(group.current_record(after))
        group.put(after)
        if records:
            self._context.write(group.group, records)
        self._expect(after)
        if (after.state, after.epoch) != (before.state, before.epoch):
            self._watch(after)
        told = request.is_full or after.assigned != before.assigned
        return ConsumerAnswer(
            after.member_id,
            after.epoch,
            self._context.settings.consumer_heartbeat_interval_ms,
            after.assigned if told else None,
        )

    def _is_full(self, request: ConsumerHeartbeat) -> bool:
        if request.instance_id is not None and request.instance_id in self.group.static:
            return False
        return len(self.group.members) >= self._context.settings.consumer_max_size

    def _member(self, request: ConsumerHeartbeat, records: list[Record]) -> ConsumerMember:
        """The member as it was: known, new, or the successor of a static one."""
        group = self.group
        if request.instance_id is not None:
            known = group.static.get(request.instance_id)
            if known is None and request.epoch != JOIN:
                raise GroupRefused(
                    GroupError.UNKNOWN_MEMBER_ID, f"Instance id {request.instance_id} is unknown."
                )
            if known is not None and known != request.member_id:
                return self._succeed(group.members[known], request, records)
        member = group.members.get(request.member_id)
        if member is None:
            if request.epoch != JOIN:
                raise GroupRefused(
                    GroupError.UNKNOWN_MEMBER_ID,
                    f"Member {request.member_id} is not a member of group {group.group}.",
                )
            _logger.info("group member joins", group=group.group, member=request.member_id)
            return ConsumerMember(request.member_id, request.new_metadata())
        if request.epoch == JOIN:
            return member.rejoined()
        self._check_epoch(member, request)
        return member

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

    def _check_epoch(self, member: ConsumerMember, request: ConsumerHeartbeat) -> None:
        if request.epoch == member.epoch:
            return
        # The answer that told the new epoch may have been lost, if the member has nothing else.
        is_previous = request.epoch == member.previous_epoch and request.epoch < member.epoch
        if is_previous and request.owned is not None and request.owned <= member.assigned:
            return
        than = "greater" if request.epoch > member.epoch else "smaller"
        raise GroupRefused(
            GroupError.FENCED_MEMBER_EPOCH,
            f"The consumer group member has a {than} member epoch ({request.epoch}) than the one known"
            f" by the group coordinator ({member.epoch})."
            " The member must abandon all its partitions and rejoin.",
        )

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
        member = group.members.get(member_id)
        if member is None:
            raise GroupRefused(
                GroupError.UNKNOWN_MEMBER_ID,
                f"Member {member_id} is not a member of group {group.group}.",
            )
        if request.epoch == LEFT_FOR_NOW:
            away = member.left_for_now()
            self._context.write(group.group, [group.current_record(away)])
            group.put(away)
            self._context.timers.cancel(self._key("rebalance", member_id))
        else:
            self.remove(member_id)
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
        timeout_ms = self._context.settings.consumer_session_timeout_ms
        self._context.after(
            timeout_ms, self._key("session", member_id), lambda: self._expire(member_id)
        )

    def _watch(self, member: ConsumerMember) -> None:
        """Have the member give up what it must within the time that it said it needs."""
        member_id, epoch = member.member_id, member.epoch
        key = self._key("rebalance", member_id)
        if member.state == UNREVOKED:
            timeout_ms = member.metadata.rebalance_timeout_ms
            self._context.after(timeout_ms, key, lambda: self._overdue(member_id, epoch))
        else:
            self._context.timers.cancel(key)

    def expect_all(self) -> None:
        """After loading: everybody has its times anew."""
        for member in self.group.members.values():
            self._expect(member)
            self._watch(member)

    def stop_timers(self) -> None:
        """For a group that is deleted, or becomes one of the other kind."""
        for member_id in self.group.members:
            self._stop_timers(member_id)

    def _stop_timers(self, member_id: str) -> None:
        self._context.timers.cancel(self._key("session", member_id))
        self._context.timers.cancel(self._key("rebalance", member_id))

    def _expire(self, member_id: str) -> None:
        if member_id in self.group.members:
            _logger.info("group member timed out", group=self.group.group, member=member_id)
            self.remove(member_id)

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
            raise GroupRefused(
                GroupError.UNKNOWN_MEMBER_ID,
                f"Member {member_id} is not a member of group {self.group.group}.",
            )
        if member.epoch != epoch:
            raise GroupRefused(
                GroupError.STALE_MEMBER_EPOCH,
                f"The received member epoch {epoch} does not match the expected member epoch {member.epoch}.",
            )
        return member


def _wishes(member: ConsumerMember) -> tuple[object, ...]:
    return (member.metadata.topics, member.metadata.regex, member.metadata.assignor)
