"""OffsetFetch: v1-10. Where groups stand, by partition or in all they committed.

v2: all partitions (null), an error for the whole. v5: leader epochs. v7: `require_stable`: error 88
(UNSTABLE_OFFSET_COMMIT) where an open transaction may be about to change it. v8: several groups. v9: the member that
asks. v10: topics by id. A partition without commit has the offset -1.
"""

from __future__ import annotations

from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import handles
from logflume.broker.groups import GroupService
from logflume.broker.refusals import TopicForbidden
from logflume.broker.security.acl import Operation
from logflume.coordinator.group_errors import GroupError, GroupRefused
from logflume.log.ids import NO_ID, encode_id
from logflume.types import OffsetAndMetadata, TopicPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer

__all__ = ["offset_fetch"]

UNKNOWN_TOPIC_ID = 100
UNSTABLE_OFFSET_COMMIT = 88
NO_OFFSET = -1


@handles(ApiKey.OFFSET_FETCH, versions="1-10")
async def offset_fetch(call: Call, request: Any) -> Answer:
    """Tell where groups stand."""
    if call.version >= 8:
        stable = request.require_stable
        return {"groups": [await _group(call, group, stable=stable) for group in request.groups]}
    answer = await _group(call, request, stable=getattr(request, "require_stable", False))
    if call.version < 2 and answer["error_code"]:
        # Version 1 has errors of partitions only.
        answer["topics"] = [_refused(topic, answer["error_code"]) for topic in request.topics]
    return answer


async def _group(call: Call, asked: Any, *, stable: bool) -> dict[str, Any]:
    groups = call.broker.service(GroupService)
    member_id = getattr(asked, "member_id", None)
    named = (
        None if asked.topics is None else [(_name(call, topic), topic) for topic in asked.topics]
    )
    wanted = None
    if named is not None:
        wanted = [TopicPartition(name, n) for name, t in named if name for n in t.partition_indexes]
    try:
        call.check_group(Operation.DESCRIBE, asked.group_id)
        found = await groups.ask(
            asked.group_id,
            groups.offsets,
            asked.group_id,
            member_id,
            getattr(asked, "member_epoch", -1),
            wanted,
        )
        undecided: set[TopicPartition] = set()
        if stable:
            places = found if wanted is None else wanted
            undecided = await groups.ask(asked.group_id, groups.undecided, asked.group_id, places)
    except GroupRefused as refused:
        return {"group_id": asked.group_id, "error_code": refused.error, "topics": []}
    if named is None:
        topics = _everything(call, found, undecided)
    else:
        topics = [_topic(call, name, topic, found, undecided) for name, topic in named]
    return {"group_id": asked.group_id, "error_code": GroupError.NONE, "topics": topics}


def _everything(
    call: Call,
    found: dict[TopicPartition, OffsetAndMetadata],
    undecided: set[TopicPartition],
) -> list[dict[str, Any]]:
    by_topic: dict[str, list[dict[str, Any]]] = {}
    for where in found:
        by_topic.setdefault(where.topic, []).append(_found(where, found, undecided))
    answer = []
    for name, partitions in by_topic.items():
        if not call.may_topic(Operation.DESCRIBE, name):
            continue
        topic_id = call.broker.topics.id_of(name)
        if call.version < 10 or topic_id != NO_ID:
            answer.append({"name": name, "topic_id": topic_id, "partitions": partitions})
    return answer


def _name(call: Call, topic: Any) -> str | None:
    if call.version < 10:
        name: str = topic.name
        return name
    return None if topic.topic_id is None else call.broker.topics.name_of(topic.topic_id.bytes)


def _topic(
    call: Call,
    name: str | None,
    topic: Any,
    found: dict[TopicPartition, OffsetAndMetadata],
    undecided: set[TopicPartition],
) -> dict[str, Any]:
    topic_id = getattr(topic, "topic_id", None)
    forbidden = name is not None and not call.may_topic(Operation.DESCRIBE, name)
    return {
        "name": name or "",
        "topic_id": NO_ID if topic_id is None else encode_id(topic_id.bytes),
        "partitions": [
            _partition(number, None, TopicForbidden.code if forbidden else UNKNOWN_TOPIC_ID)
            if name is None or forbidden
            else _found(TopicPartition(name, number), found, undecided)
            for number in topic.partition_indexes
        ],
    }


def _found(
    where: TopicPartition,
    found: dict[TopicPartition, OffsetAndMetadata],
    undecided: set[TopicPartition],
) -> dict[str, Any]:
    if where in undecided:
        return _partition(where.partition, None, UNSTABLE_OFFSET_COMMIT)
    return _partition(where.partition, found.get(where))


def _partition(
    number: int, entry: OffsetAndMetadata | None, error: int = GroupError.NONE
) -> dict[str, Any]:
    epoch = None if entry is None else entry.leader_epoch
    return {
        "partition_index": number,
        "committed_offset": NO_OFFSET if entry is None else entry.offset,
        "committed_leader_epoch": -1 if epoch is None else epoch,
        "metadata": "" if entry is None else entry.metadata,
        "error_code": error,
    }


def _refused(topic: Any, error: int) -> dict[str, Any]:
    partitions = [_partition(number, None, error) for number in topic.partition_indexes]
    return {"name": topic.name, "partitions": partitions}
