"""Heartbeat: v0-4. A sign of life of a member of a classic group; error 27 tells it to join again.

v3: static members.
"""

from __future__ import annotations

from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import handles
from logflume.broker.groups import GroupService
from logflume.broker.security.acl import Operation
from logflume.coordinator.group_errors import GroupError, GroupRefused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer

__all__ = ["heartbeat"]


@handles(ApiKey.HEARTBEAT, versions="0-4")
async def heartbeat(call: Call, request: Any) -> Answer:
    """A member lives."""
    groups = call.broker.service(GroupService)
    instance_id = getattr(request, "group_instance_id", None)
    try:
        call.check_group(Operation.READ, request.group_id)
        await groups.ask(
            request.group_id,
            groups.coordinator.heartbeat,
            request.group_id,
            request.member_id,
            instance_id,
            request.generation_id,
        )
    except GroupRefused as refused:
        return {"error_code": refused.error}
    return {"error_code": GroupError.NONE}
