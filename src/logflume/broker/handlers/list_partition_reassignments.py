"""ListPartitionReassignments: v0. There is nowhere to move to, so nothing ever moves."""

from __future__ import annotations

from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import handles
from logflume.broker.refusals import ClusterForbidden
from logflume.broker.security.acl import Operation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer

__all__ = ["list_partition_reassignments"]


@handles(ApiKey.LIST_PARTITION_REASSIGNMENTS, versions="0")
def list_partition_reassignments(call: Call, request: Any) -> Answer:
    """None."""
    if not call.may_cluster(Operation.DESCRIBE):
        return {"error_code": ClusterForbidden.code, "error_message": "not allowed", "topics": []}
    return {"error_code": 0, "error_message": None, "topics": []}
