"""OffsetCommit: v2-10. Where a group stands, into `__consumer_offsets`.

v6: leader epochs. v7: static members. v9: members of consumer groups, whose generation is their epoch. v10: topics by
id. Retention times of v2-4 are passed over: offsets stay until their group is deleted. The answer is given when the
commit survives the death of the broker, as in Kafka; a power cut can take it back.
"""

from __future__ import annotations

from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import handles
from logflume.broker.groups import GroupService
from logflume.broker.refusals import TopicForbidden
from logflume.broker.security.acl import Operation, Resource
from logflume.coordinator.group_context import CommitRequest
from logflume.coordinator.group_errors import GroupError, GroupRefused
from logflume.errors import code_of
from logflume.log.ids import NO_ID, encode_id
from logflume.types import OffsetAndMetadata, TopicPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer

__all__ = ["commit_entry", "commit_error", "offset_commit"]

UNKNOWN_TOPIC = code_of("UnknownTopicOrPartition")
UNKNOWN_TOPIC_ID = 100
NO_EPOCH = -1


@handles(ApiKey.OFFSET_COMMIT, versions="2-10")
async def offset_commit(call: Call, request: Any) -> Answer:
    """Store where a group stands."""
    groups = call.broker.service(GroupService)
    asked = CommitRequest(
        group=request.group_id,
        member_id=request.member_id,
        epoch=request.generation_id_or_member_epoch,
        instance_id=getattr(request, "group_instance_id", None),
        knows_epochs=call.version >= 9,
    )
    limit = groups.coordinator.context.settings.offset_metadata_max_bytes
    good: dict[TopicPartition, OffsetAndMetadata] = {}
    answer: list[tuple[Any, str | None, list[tuple[int, int]]]] = []
    allowed = call.may(Operation.READ, Resource.GROUP, asked.group)
    for topic in request.topics:
        name = _name(call, topic)
        entry = None if name is None else call.broker.topics.find(name)
        count = 0 if entry is None else entry.partitions
        results: list[tuple[int, int]] = []
        answer.append((topic, name, results))
        for partition in topic.partitions:
            error = commit_error(partition, count, limit)
            if not allowed:
                error = GroupError.GROUP_AUTHORIZATION_FAILED
            elif name is None:
                error = UNKNOWN_TOPIC_ID
            elif not call.may_topic(Operation.READ, name):
                error = TopicForbidden.code
            elif not error:
                good[TopicPartition(name, partition.partition_index)] = commit_entry(partition)
            results.append((partition.partition_index, error))
    refused: int = GroupError.NONE
    try:
        if allowed:
            await groups.ask(asked.group, groups.coordinator.commit, asked, good)
    except GroupRefused as refusal:
        refused = refusal.error
    return {
        "topics": [
            {
                "name": name or "",
                "topic_id": _topic_id(topic),
                "partitions": [
                    {"partition_index": number, "error_code": error or refused}
                    for number, error in results
                ],
            }
            for topic, name, results in answer
        ]
    }


def _name(call: Call, topic: Any) -> str | None:
    if call.version < 10:
        name: str = topic.name
        return name
    return None if topic.topic_id is None else call.broker.topics.name_of(topic.topic_id.bytes)


def _topic_id(topic: Any) -> str:
    topic_id = getattr(topic, "topic_id", None)
    return NO_ID if topic_id is None else encode_id(topic_id.bytes)


def commit_error(partition: Any, count: int, metadata_bytes_max: int) -> int:
    """Why a partition's offset cannot be committed, 0 when it can."""
    if not 0 <= partition.partition_index < count:
        return UNKNOWN_TOPIC
    if partition.committed_offset < 0:
        return GroupError.INVALID_REQUEST
    if len((partition.committed_metadata or "").encode("utf-8", "replace")) > metadata_bytes_max:
        return GroupError.OFFSET_METADATA_TOO_LARGE
    return GroupError.NONE


def commit_entry(partition: Any) -> OffsetAndMetadata:
    """A partition of OffsetCommit or TxnOffsetCommit as it is stored."""
    epoch = getattr(partition, "committed_leader_epoch", NO_EPOCH)
    return OffsetAndMetadata(
        partition.committed_offset,
        partition.committed_metadata or "",
        None if epoch == NO_EPOCH else epoch,
    )
