"""ElectLeaders: v0-2. v1: kinds of elections. v2: flexible. The one broker leads every partition."""

from __future__ import annotations

from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import handles
from logflume.broker.refusals import ClusterForbidden, ElectionNotNeeded
from logflume.broker.security.acl import Operation
from logflume.errors import LogflumeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer

__all__ = ["elect_leaders"]


@handles(ApiKey.ELECT_LEADERS, versions="0-2")
def elect_leaders(call: Call, request: Any) -> Answer:
    """Partitions that are named need none; of all, as in Kafka, only those are told of that need one."""
    if not call.may_cluster(Operation.ALTER):
        return {"error_code": ClusterForbidden.code, "replica_election_results": []}
    results = [
        {
            "topic": topic.topic,
            "partition_result": [_refused(call, topic.topic, one) for one in topic.partitions],
        }
        for topic in request.topic_partitions or ()
    ]
    return {"error_code": 0, "replica_election_results": results}


def _refused(call: Call, topic: str, partition: int) -> dict[str, Any]:
    try:
        call.broker.topics.with_partition(topic, partition)
        raise ElectionNotNeeded
    except LogflumeError as error:
        return {"partition_id": partition, "error_code": error.code, "error_message": str(error)}
