"""ShareGroupDescribe: v1 (KIP-932). Members, and what each reads.

Differs from Kafka: queues of processes that use the directory directly take records, too;
`logflume group describe` shows them, this does not.
"""

from __future__ import annotations

from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import handles
from logflume.broker.groups import GroupService
from logflume.broker.handlers.consumer_group_describe import named_partitions
from logflume.broker.permissions import NO_OPERATIONS
from logflume.broker.security.acl import Operation, Resource
from logflume.coordinator.group_errors import GroupError, GroupRefused
from logflume.coordinator.share_targets import SHARE_ASSIGNOR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer
    from logflume.coordinator.consumer_member import ConsumerMember

__all__ = ["share_group_describe"]


@handles(ApiKey.SHARE_GROUP_DESCRIBE, versions="1")
async def share_group_describe(call: Call, request: Any) -> Answer:
    """What share groups are doing."""
    asked = request.include_authorized_operations
    return {
        "groups": [await _describe(call, group, operations=asked) for group in request.group_ids]
    }


async def _describe(call: Call, name: str, *, operations: bool) -> dict[str, Any]:
    groups = call.broker.service(GroupService)
    try:
        call.check_group(Operation.DESCRIBE, name)
        group = await groups.ask(name, groups.overview.describe_share, name)
        members = [_member(call, member) for member in group.members.values()]
        topics = (t for member in members for t in member["assignment"]["topic_partitions"])
        if not all(call.may_topic(Operation.DESCRIBE, topic["topic_name"]) for topic in topics):
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
    return {
        "error_code": GroupError.NONE,
        "error_message": None,
        "group_id": name,
        "group_state": group.state,
        "group_epoch": group.epoch,
        "assignment_epoch": group.target_epoch,
        "assignor_name": SHARE_ASSIGNOR,
        "members": members,
        "authorized_operations": call.operations(Resource.GROUP, name)
        if operations
        else NO_OPERATIONS,
    }


def _member(call: Call, member: ConsumerMember) -> dict[str, Any]:
    said = member.metadata
    return {
        "member_id": member.member_id,
        "rack_id": said.rack_id,
        "member_epoch": member.epoch,
        "client_id": said.client_id,
        "client_host": said.client_host,
        "subscribed_topic_names": said.topics,
        "assignment": named_partitions(call, member.assigned),
    }
