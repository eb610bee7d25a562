"""ConsumerGroupDescribe: v0-1 (KIP-848). Members, what each has and should have.

v1: whether a member speaks the classic protocol (none does). A classic group is not one (69, GROUP_ID_NOT_FOUND).
"""

from __future__ import annotations

from logflume.broker.api_keys import ApiKey
from logflume.broker.described_groups import DescribedGroup, describe_groups
from logflume.broker.dispatch import handles
from logflume.broker.groups import GroupService
from logflume.broker.handlers.consumer_group_heartbeat import topic_partitions
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
    return await describe_groups(call, request, _describe)


async def _describe(call: Call, name: str) -> DescribedGroup:
    groups = call.broker.service(GroupService)
    group = await groups.ask(name, groups.overview.describe_consumer, name)
    members = [_member(call, group, member) for member in group.members.values()]
    assignor = group.assignor(groups.coordinator.context.settings.consumer_assignors[0])
    return DescribedGroup(
        group.state, group.epoch, group.target_epoch, assignor, members, _topics(members)
    )


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
