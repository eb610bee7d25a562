"""LeaveGroup: v0-5. Members go; an operator may take out several, static ones by their instance id.

v3: several members at a time. v5: a reason. As in Kafka, an operator may name members of a consumer group too.
"""

from __future__ import annotations

from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import handles
from logflume.broker.groups import GroupService
from logflume.broker.security.acl import Operation
from logflume.coordinator.classic_requests import Leaver
from logflume.coordinator.group_errors import GroupError, GroupRefused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer

__all__ = ["leave_group"]


@handles(ApiKey.LEAVE_GROUP, versions="0-5")
async def leave_group(call: Call, request: Any) -> Answer:
    """Members leave."""
    groups = call.broker.service(GroupService)
    several = call.version >= 3
    leavers = (
        [Leaver(m.member_id, m.group_instance_id) for m in request.members]
        if several
        else [Leaver(request.member_id, None)]
    )
    try:
        call.check_group(Operation.READ, request.group_id)
        errors = await groups.ask(
            request.group_id, groups.coordinator.leave, request.group_id, leavers
        )
    except GroupRefused as refused:
        return {"error_code": refused.error, "members": []}
    return {
        "error_code": GroupError.NONE if several else errors[0],
        "members": [
            {
                "member_id": leaver.member_id,
                "group_instance_id": leaver.instance_id,
                "error_code": error,
            }
            for leaver, error in zip(leavers, errors)
        ],
    }
