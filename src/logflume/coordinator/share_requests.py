"""ShareGroupHeartbeat (KIP-932): as that of consumer groups, but nobody has to give up what others get, too."""

from __future__ import annotations

from dataclasses import replace

from .consumer_member import ConsumerMember
from .consumer_messages import ConsumerHeartbeat
from .epoch_requests import EpochRequests
from .group_context import GroupContext
from .group_errors import GroupError
from .share_group import ShareGroup
from .share_targets import ShareTargets

__all__ = ["ShareRequests"]


class ShareRequests(EpochRequests):
    """One share group's."""

    group: ShareGroup

    def __init__(self, group: ShareGroup, context: GroupContext) -> None:
        self.group = group
        self._context = context
        self._targets = ShareTargets(group, context)

    @property
    def _size_max(self) -> int:
        return self._context.settings.share_max_size

    @property
    def _session_timeout_ms(self) -> int:
        return self._context.setting_ms(self.group.group, "share_session_timeout_ms")

    @property
    def _heartbeat_interval_ms(self) -> int:
        return self._context.setting_ms(self.group.group, "share_heartbeat_interval_ms")

    def _step(self, member: ConsumerMember, request: ConsumerHeartbeat) -> ConsumerMember:
        epoch, target = self.group.target_epoch, self.group.target_of(member.member_id)
        previous = member.previous_epoch if epoch == member.epoch else member.epoch
        return replace(member, epoch=epoch, previous_epoch=previous, assigned=target)

    def _check_previous(self, member: ConsumerMember, request: ConsumerHeartbeat) -> bool:
        return True

    def expel(self, member_id: str) -> GroupError:
        """An operator takes a member out."""
        if member_id not in self.group.members:
            return GroupError.UNKNOWN_MEMBER_ID
        self.remove(member_id)
        return GroupError.NONE
