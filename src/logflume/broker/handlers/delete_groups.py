"""DeleteGroups: v0-2. Groups of all kinds without members, and where they stand; those of embedded members, too."""

from __future__ import annotations

from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import handles
from logflume.broker.groups import GroupService
from logflume.broker.security.acl import Operation
from logflume.broker.share_admin import ShareAdmin
from logflume.coordinator.group_errors import GroupError, GroupRefused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer

__all__ = ["delete_groups"]


@handles(ApiKey.DELETE_GROUPS, versions="0-2")
async def delete_groups(call: Call, request: Any) -> Answer:
    """Forget groups."""
    return {
        "results": [
            {"group_id": group, "error_code": await _delete(call, group)}
            for group in request.groups_names
        ]
    }


async def _delete(call: Call, group: str) -> GroupError:
    groups = call.broker.service(GroupService)
    was_shared = False
    try:
        call.check_group(Operation.DELETE, group)
        was_shared = await call.broker.service(ShareAdmin).delete(group)
        await groups.ask(group, groups.coordinator.delete, group)
    except GroupRefused as refused:
        if refused.error is GroupError.GROUP_ID_NOT_FOUND and was_shared:
            return GroupError.NONE  # one of embedded queues only
        return refused.error
    return GroupError.NONE
