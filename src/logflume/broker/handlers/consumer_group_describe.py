"""ConsumerGroupDescribe: v0-1 (KIP-848). Members, what each has and should have.

v1: whether a member speaks the classic protocol (none does). A classic group is not one (69, GROUP_ID_NOT_FOUND).
"""

from __future__ import annotations

from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import handles
from logflume.broker.groups import GroupService
from logflume.broker.handlers.consumer_group_heartbeat import topic_partitions
from logflume.broker.permissions import NO_OPERATIONS
from logflume.broker.security.acl import Operation, Resource
from logflume.coordinator.group_errors import GroupError, GroupRefused
from logflume.log.ids import decode_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer
    from logflume.coordinator.consumer_group import ConsumerGroup
    from logflume.coordinator.consumer_member import ConsumerMember
    from logflume.coordinator.group_records import IdPartition

__all__ = ["consumer_group_describe", "named_partitions"]

CONSUMER_MEMBER = 1


@handles(ApiKey.CONSUMER_GROUP_DESCRIBE, versions="0-1")
async def consumer_group_describe(call: Call, request: Any) -> Answer:
    """What groups of the consumer protocol are doing."""
    asked = request.include_authorized_operations
    return {
        "groups": [await _describe(call, group, operations=asked) for group in request.group_ids]
    }


async def _describe(call: Call, name: str, *, operations: bool) -> dict[str, Any]:
    groups = call.broker.service(GroupService)
    try:
        call.check_group(Operation.DESCRIBE, name)
        group = await groups.ask(name, groups.overview.describe_consumer, name)
        members = [_member(call, group, member) for member in group.members.values()]
        if not all(call.may_topic(Operation.DESCRIBE, topic) for topic in _topics(members)):
            raise GroupRefused(
                GroupError.TOPIC_AUTHORIZATION_FAILED, "it reads topics that may not be described"
            )
    except GroupRefused as refused:
        return {
            "error_code": refused.error,
            "error_message": refused.message or None,
            "group_id": name,
            "group_state": "",
            "group_epoch": 0,
            "assignment_epoch": 0,
            "assignor_name": "",
            "members": [],
            "authorized_operations": NO_OPERATIONS,
        }
    default = groups.coordinator.context.settings.consumer_assignors[0]
    return {
        "error_code": GroupError.NONE,
        "error_message": None,
        "group_id": name,
        "group_state": group.state,
        "group_epoch": group.epoch,
        "assignment_epoch": group.target_epoch,
        "assignor_name": group.assignor(default),
        "members": members,
        "authorized_operations": call.operations(Resource.GROUP, name)
        if operations
        else NO_OPERATIONS,
    }


def _topics(members: list[dict[str, Any]]) -> set[str]:
    """All that the members name or have."""
    found = {topic for member in members for topic in member["subscribed_topic_names"]}
    for member in members:
        for part in ("assignment", "target_assignment"):
            found.update(item["topic_name"] for item in member[part]["topic_partitions"])
    return found


def _member(call: Call, group: ConsumerGroup, member: ConsumerMember) -> dict[str, Any]:
    said = member.metadata
    return {
        "member_id": member.member_id,
        "instance_id": said.instance_id,
        "rack_id": said.rack_id,
        "member_epoch": member.epoch,
        "client_id": said.client_id,
        "client_host": said.client_host,
        "subscribed_topic_names": said.topics,
        "subscribed_topic_regex": said.regex,
        "assignment": named_partitions(call, member.assigned),
        "target_assignment": named_partitions(call, group.target_of(member.member_id)),
        "member_type": CONSUMER_MEMBER,
    }


def named_partitions(call: Call, partitions: Iterable[IdPartition]) -> dict[str, Any]:
    """Partitions by topic, for people; those of topics that are deleted are left out."""
    found = []
    for topic in topic_partitions(partitions):
        name = call.broker.topics.name_of(decode_id(topic["topic_id"]))
        if name is not None:
            found.append({**topic, "topic_name": name})
    return {"topic_partitions": found}
