"""ConsumerGroupHeartbeat: v0-1 (KIP-848). Joins, stays, learns, confirms and leaves, in one request.

v1: member ids of the client's making, regular expressions (RE2). Differs from Kafka: a group with classic members
is refused (69, GROUP_ID_NOT_FOUND) until they are gone: there is no conversion while members live, as in a Kafka
with group.consumer.migration.policy=disabled. Racks are kept and told, but assign nothing: there is one broker.
"""

from __future__ import annotations

from functools import partial
from uuid import UUID

from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import handles
from logflume.broker.groups import GroupService
from logflume.broker.messages import milliseconds
from logflume.broker.security.acl import Operation
from logflume.coordinator.consumer_messages import ConsumerHeartbeat
from logflume.coordinator.group_errors import GroupError, GroupRefused
from logflume.log.ids import encode_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer
    from logflume.coordinator.consumer_messages import ConsumerAnswer
    from logflume.coordinator.group_records import IdPartition

__all__ = [
    "consumer_group_heartbeat",
    "heartbeat_answer",
    "heartbeat_refusal",
    "topic_partitions",
]


@handles(ApiKey.CONSUMER_GROUP_HEARTBEAT, versions="0-1")
async def consumer_group_heartbeat(call: Call, request: Any) -> Answer:
    """A member says what it wants and has, and is told what it shall have."""
    groups = call.broker.service(GroupService)
    beat = ConsumerHeartbeat(
        group=request.group_id,
        # Version 0 leaves the making of an id to the coordinator.
        member_id=request.member_id or (_new_id(groups) if call.version == 0 else ""),
        epoch=request.member_epoch,
        client_id=call.client_id or "",
        client_host=call.client_host,
        instance_id=request.instance_id,
        rack_id=request.rack_id,
        rebalance_timeout_ms=milliseconds(request.rebalance_timeout),
        topics=request.subscribed_topic_names,
        regex=getattr(request, "subscribed_topic_regex", None),
        assignor=request.server_assignor,
        owned=_owned(request.topic_partitions),
        visible=partial(call.may_topic, Operation.DESCRIBE),
    )
    try:
        call.check_group(Operation.READ, beat.group)
        if not all(call.may_topic(Operation.DESCRIBE, topic) for topic in beat.topics or ()):
            raise GroupRefused(GroupError.TOPIC_AUTHORIZATION_FAILED)
        answer = await groups.ask(beat.group, groups.coordinator.consumer_heartbeat, beat)
    except GroupRefused as refused:
        return heartbeat_refusal(refused)
    return heartbeat_answer(answer)


def heartbeat_refusal(refused: GroupRefused) -> Answer:
    """The answer to a heartbeat that is not taken."""
    return {
        "error_code": refused.error,
        "error_message": refused.message or None,
        "member_id": None,
        "member_epoch": 0,
        "heartbeat_interval": 0,
        "assignment": None,
    }


def heartbeat_answer(answer: ConsumerAnswer) -> Answer:
    """The answer to one that is."""
    told = answer.assignment
    return {
        "error_code": GroupError.NONE,
        "error_message": None,
        "member_id": answer.member_id,
        "member_epoch": answer.epoch,
        "heartbeat_interval": answer.heartbeat_interval_ms,
        "assignment": None if told is None else {"topic_partitions": topic_partitions(told)},
    }


def _new_id(groups: GroupService) -> str:
    return groups.coordinator.context.new_id()


def _owned(topics: Any) -> frozenset[IdPartition] | None:
    if topics is None:
        return None
    return frozenset(
        (topic.topic_id or UUID(int=0), number) for topic in topics for number in topic.partitions
    )


def topic_partitions(partitions: Iterable[IdPartition]) -> list[dict[str, Any]]:
    """Partitions by topic, as the protocol has them."""
    by_topic: dict[UUID, list[int]] = {}
    for topic_id, number in sorted(partitions):
        by_topic.setdefault(topic_id, []).append(number)
    return [
        {"topic_id": encode_id(topic_id.bytes), "partitions": numbers}
        for topic_id, numbers in by_topic.items()
    ]
