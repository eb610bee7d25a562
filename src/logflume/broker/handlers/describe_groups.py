"""DescribeGroups: v0-6. Groups of the classic protocol, and those whose members are embedded in other processes.

v3: authorized operations. v4: instance ids. v6: a group that is not there is an error with a message; before, it
is one in the state Dead. Differs from Kafka: embedded members are shown with "/pid N" for their host.
"""

from __future__ import annotations

from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import handles
from logflume.broker.groups import GroupService
from logflume.broker.permissions import NO_OPERATIONS
from logflume.broker.security.acl import Operation, Resource
from logflume.coordinator.group_errors import GroupError, GroupRefused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer

__all__ = ["describe_groups"]

DEAD = "Dead"


@handles(ApiKey.DESCRIBE_GROUPS, versions="0-6")
async def describe_groups(call: Call, request: Any) -> Answer:
    """Members of groups and what each has."""
    asked = getattr(request, "include_authorized_operations", False)
    return {"groups": [await _describe(call, group, asked) for group in request.groups]}


async def _describe(call: Call, name: str, operations: bool) -> dict[str, Any]:
    groups = call.broker.service(GroupService)
    try:
        call.check_group(Operation.DESCRIBE, name)
        embedded = await groups.embedded(name)
        group = await groups.ask(name, groups.overview.describe, name, embedded)
    except GroupRefused as refused:
        gone = refused.error is GroupError.GROUP_ID_NOT_FOUND
        return {
            "error_code": GroupError.NONE if gone and call.version < 6 else refused.error,
            "error_message": refused.message or None,
            "group_id": name,
            "group_state": DEAD if gone else "",
            "protocol_type": "",
            "protocol_data": "",
            "members": [],
            "authorized_operations": NO_OPERATIONS,
        }
    return {
        "error_code": GroupError.NONE,
        "error_message": None,
        "group_id": name,
        "group_state": group.state,
        "protocol_type": group.protocol_type,
        "protocol_data": group.protocol,
        "members": [
            {
                "member_id": member.member_id,
                "group_instance_id": member.instance_id,
                "client_id": member.client_id,
                "client_host": member.client_host,
                "member_metadata": member.metadata,
                "member_assignment": member.assignment,
            }
            for member in group.members
        ],
        "authorized_operations": call.operations(Resource.GROUP, name)
        if operations
        else NO_OPERATIONS,
    }
