"""AlterShareGroupOffsets: v0 (KIP-932). Has a share group without members begin elsewhere."""

from __future__ import annotations

from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import handles
from logflume.broker.refusals import TopicForbidden
from logflume.broker.security.acl import Operation
from logflume.broker.share_admin import ShareAdmin
from logflume.coordinator.group_errors import GroupError, GroupRefused
from logflume.errors import UnknownTopicOrPartition
from logflume.log.ids import NO_ID
from logflume.types import TopicPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer

__all__ = ["alter_share_group_offsets"]


@handles(ApiKey.ALTER_SHARE_GROUP_OFFSETS, versions="0")
async def alter_share_group_offsets(call: Call, request: Any) -> Answer:
    """Start offsets of a group's partitions."""
    responses, offsets = [], {}
    for topic in request.topics:
        entry = call.broker.topics.entries().get(topic.topic_name)
        forbidden = not call.may_topic(Operation.READ, topic.topic_name)
        partitions = []
        for part in topic.partitions:
            known = entry is not None and 0 <= part.partition_index < entry.partitions
            code = TopicForbidden.code if forbidden else 0
            if not known and not forbidden:
                code = UnknownTopicOrPartition.code
            if not code:
                where = TopicPartition(topic.topic_name, part.partition_index)
                offsets[where] = part.start_offset
            partitions.append(
                {
                    "partition_index": part.partition_index,
                    "error_code": code,
                    "error_message": None,
                }
            )
        shown = entry is not None and not forbidden
        responses.append(
            {
                "topic_name": topic.topic_name,
                "topic_id": call.broker.topics.id_of(topic.topic_name) if shown else NO_ID,
                "partitions": partitions,
            }
        )
    try:
        call.check_group(Operation.READ, request.group_id)
        await call.broker.service(ShareAdmin).alter(request.group_id, offsets)
    except GroupRefused as refused:
        message = refused.message or None
        return {"error_code": refused.error, "error_message": message, "responses": []}
    return {"error_code": GroupError.NONE, "error_message": None, "responses": responses}
