"""CreatePartitions: v0-3. v2: flexible. v3: as v2, with a throttling error that is never given."""

from __future__ import annotations

from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import handles
from logflume.broker.refusals import InvalidReplicaAssignment
from logflume.broker.security.acl import Operation
from logflume.broker.topic_changes import add_partitions, check_assignments
from logflume.errors import LogflumeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer

__all__ = ["create_partitions"]


@handles(ApiKey.CREATE_PARTITIONS, versions="0-3")
async def create_partitions(call: Call, request: Any) -> Answer:
    """More partitions for each topic; their records stay where they are."""
    results = []
    for topic in request.topics:
        code, message = 0, None
        try:
            call.check_topic(Operation.ALTER, topic.name)
            await _grow(call, topic, validate_only=request.validate_only)
        except LogflumeError as error:
            code, message = error.code, str(error)
        results.append({"name": topic.name, "error_code": code, "error_message": message})
    return {"results": results}


async def _grow(call: Call, topic: Any, *, validate_only: bool) -> None:
    if topic.assignments is not None:
        more = topic.count - call.broker.topics.get(topic.name).partitions
        if len(topic.assignments) != more:
            raise InvalidReplicaAssignment(
                reason=f"{len(topic.assignments)} assignments for {more} new partitions"
            )
        check_assignments([item.broker_ids for item in topic.assignments], call.broker.node_id)
    await call.in_thread(
        add_partitions, call.directory, topic.name, topic.count, validate_only=validate_only
    )
