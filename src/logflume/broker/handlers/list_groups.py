"""ListGroups: v0-5. All groups of the directory: of clients, of embedded members, and those that left offsets.

v4: states, also as a filter. v5: types (classic, consumer, share), also as a filter. Filters do not mind case.
"""

from __future__ import annotations

from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import handles
from logflume.broker.groups import GroupService
from logflume.broker.security.acl import Operation, Resource
from logflume.broker.share_admin import ShareAdmin
from logflume.coordinator.group_errors import GroupError, GroupRefused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer

__all__ = ["list_groups"]


@handles(ApiKey.LIST_GROUPS, versions="0-5")
async def list_groups(call: Call, request: Any) -> Answer:
    """Which groups there are."""
    states = {state.lower() for state in getattr(request, "states_filter", ())}
    kinds = {kind.lower() for kind in getattr(request, "types_filter", ())}
    try:
        shared = await call.broker.service(ShareAdmin).with_state()
        found = await call.broker.service(GroupService).all_groups(shared)
    except GroupRefused as refused:
        return {"error_code": refused.error, "groups": []}
    if not call.may_cluster(Operation.DESCRIBE):
        found = [one for one in found if call.may(Operation.DESCRIBE, Resource.GROUP, one.group)]
    return {
        "error_code": GroupError.NONE,
        "groups": [
            {
                "group_id": group.group,
                "protocol_type": group.protocol_type,
                "group_state": group.state,
                "group_type": group.kind,
            }
            for group in found
            if not states or group.state.lower() in states
            if not kinds or group.kind in kinds
        ],
    }
