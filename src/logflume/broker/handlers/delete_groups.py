"""DeleteGroups: v0-2. Groups without members, and their offsets; those that embedded members left too."""

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
    try:
        call.check_group(Operation.DELETE, group)
        await groups.ask(group, groups.coordinator.delete, group)
    except GroupRefused as refused:
        return refused.error
    return GroupError.NONE
