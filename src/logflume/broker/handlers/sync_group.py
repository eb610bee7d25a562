"""SyncGroup: v0-5. The leader brings everybody's part, the others wait for it.

v3: static members. v5: protocol type and name, which must be the group's.
"""

from __future__ import annotations

from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import handles
from logflume.broker.groups import GroupService
from logflume.broker.security.acl import Operation
from logflume.coordinator.classic_member import SyncAnswer
from logflume.coordinator.classic_requests import SyncRequest
from logflume.coordinator.group_errors import GroupRefused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer

__all__ = ["sync_group"]


@handles(ApiKey.SYNC_GROUP, versions="0-5", cancellable=True)
async def sync_group(call: Call, request: Any) -> Answer:
    """A member's part of the assignment."""
    groups = call.broker.service(GroupService)
    sync = SyncRequest(
        group=request.group_id,
        member_id=request.member_id,
        instance_id=getattr(request, "group_instance_id", None),
        generation=request.generation_id,
        protocol_type=getattr(request, "protocol_type", None),
        protocol=getattr(request, "protocol_name", None),
        assignments={a.member_id: bytes(a.assignment) for a in request.assignments},
    )
    try:
        call.check_group(Operation.READ, sync.group)
        answer = await groups.answer(sync.group, groups.coordinator.sync, sync)
    except GroupRefused as refused:
        answer = SyncAnswer(refused.error)
    return {
        "error_code": answer.error,
        "protocol_type": answer.protocol_type,
        "protocol_name": answer.protocol,
        "assignment": answer.assignment,
    }
