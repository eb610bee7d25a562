"""AlterPartitionReassignments: v0-1. To where a partition is already it may go; there is nowhere else.

v1: whether the number of copies may change.
"""

from __future__ import annotations

from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import handles
from logflume.broker.refusals import ClusterForbidden, NoReassignmentInProgress
from logflume.broker.security.acl import Operation
from logflume.broker.topic_changes import check_assignment
from logflume.errors import LogflumeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer

__all__ = ["alter_partition_reassignments"]


@handles(ApiKey.ALTER_PARTITION_REASSIGNMENTS, versions="0-1")
def alter_partition_reassignments(call: Call, request: Any) -> Answer:
    """Done at once where it is a move to this broker alone."""
    answer: dict[str, Any] = {
        "error_code": 0,
        "error_message": None,
        "responses": [],
        "allow_replication_factor_change": getattr(
            request, "allow_replication_factor_change", True
        ),
    }
    if not call.may_cluster(Operation.ALTER):
        return {**answer, "error_code": ClusterForbidden.code, "error_message": "not allowed"}
    answer["responses"] = [
        {
            "name": topic.name,
            "partitions": [_move(call, topic.name, one) for one in topic.partitions],
        }
        for topic in request.topics
    ]
    return answer


def _move(call: Call, topic: str, asked: Any) -> dict[str, Any]:
    code, message = 0, None
    try:
        call.broker.topics.with_partition(topic, asked.partition_index)
        if asked.replicas is None:
            raise NoReassignmentInProgress
        check_assignment(asked.partition_index, asked.replicas, call.broker.node_id)
    except LogflumeError as error:
        code, message = error.code, str(error)
    return {
        "partition_index": asked.partition_index,
        "error_code": code,
        "error_message": message,
    }
