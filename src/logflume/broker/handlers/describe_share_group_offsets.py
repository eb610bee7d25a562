"""DescribeShareGroupOffsets: v0-1 (KIP-932). Where share groups begin with each partition. v1: their lag.

As in Kafka an offset is -1 where nothing was read yet, and the groups of embedded queues are told of like others.
"""

from __future__ import annotations

from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import handles
from logflume.broker.refusals import TopicForbidden
from logflume.broker.security.acl import Operation
from logflume.broker.share_admin import ShareAdmin
from logflume.coordinator.group_errors import GroupError, GroupRefused
from logflume.log.ids import NO_ID
from logflume.types import TopicPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer
    from logflume.coordinator.share import SharePartitionInfo

__all__ = ["describe_share_group_offsets"]

NO_OFFSET = NO_LAG = -1


@handles(ApiKey.DESCRIBE_SHARE_GROUP_OFFSETS, versions="0-1")
async def describe_share_group_offsets(call: Call, request: Any) -> Answer:
    """How far share groups are."""
    return {"groups": [await _describe(call, group) for group in request.groups]}


async def _describe(call: Call, wanted: Any) -> dict[str, Any]:
    group = wanted.group_id
    answer = {
        "group_id": group,
        "topics": [],
        "error_code": GroupError.NONE,
        "error_message": None,
    }
    try:
        call.check_group(Operation.DESCRIBE, group)
        topics = await _partitions(call, wanted)
        stands = await call.broker.service(ShareAdmin).stands(group) if topics else {}
    except GroupRefused as refused:
        return {
            **answer,
            "error_code": refused.error,
            "error_message": refused.message or None,
        }
    named = wanted.topics is not None
    found = [
        _topic(call, name, numbers, stands)
        for name, numbers in topics.items()
        if named or call.may_topic(Operation.DESCRIBE, name)
    ]
    return {**answer, "topics": found}


async def _partitions(call: Call, wanted: Any) -> dict[str, list[int]]:
    if wanted.topics is not None:
        return {topic.topic_name: list(topic.partitions) for topic in wanted.topics}
    admin = call.broker.service(ShareAdmin)
    begun = await admin.begun(wanted.group_id)
    found = {name: set(numbers) for name, numbers in begun.items()}
    for where in await admin.stands(wanted.group_id):
        found.setdefault(where.topic, set()).add(where.partition)
    there = call.broker.topics.entries()
    return {name: sorted(numbers) for name, numbers in sorted(found.items()) if name in there}


def _topic(
    call: Call, name: str, numbers: list[int], stands: dict[TopicPartition, SharePartitionInfo]
) -> dict[str, Any]:
    allowed = call.may_topic(Operation.DESCRIBE, name)
    partitions = []
    for number in numbers:
        info = stands.get(TopicPartition(name, number)) if allowed else None
        partitions.append(
            {
                "partition_index": number,
                "start_offset": NO_OFFSET if info is None else info.start_offset,
                "leader_epoch": 0 if info is None else info.leader_epoch,
                "lag": NO_LAG if info is None else info.lag,
                "error_code": 0 if allowed else TopicForbidden.code,
                "error_message": None,
            }
        )
    known = allowed and name in call.broker.topics.entries()
    return {
        "topic_name": name,
        "topic_id": call.broker.topics.id_of(name) if known else NO_ID,
        "partitions": partitions,
    }
