"""ShareGroupDescribe: v1 (KIP-932). Members, and what each reads.

Differs from Kafka: queues of processes that use the directory directly are members, too, with "/pid N" for their host
and epoch 0; a group that only they are in has the epochs 0.
"""

from __future__ import annotations

from logflume.broker.api_keys import ApiKey
from logflume.broker.described_groups import DescribedGroup, describe_groups
from logflume.broker.dispatch import handles
from logflume.broker.groups import GroupService
from logflume.broker.handlers.consumer_group_describe import named_partitions
from logflume.broker.share_admin import ShareAdmin
from logflume.coordinator.group_description import EMPTY, STABLE
from logflume.coordinator.share_targets import SHARE_ASSIGNOR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer
    from logflume.coordinator.consumer_member import ConsumerMember
    from logflume.coordinator.share import SharingMember

__all__ = ["share_group_describe"]


@handles(ApiKey.SHARE_GROUP_DESCRIBE, versions="1")
async def share_group_describe(call: Call, request: Any) -> Answer:
    """What share groups are doing."""
    return await describe_groups(call, request, _describe)


async def _describe(call: Call, name: str) -> DescribedGroup:
    groups, admin = call.broker.service(GroupService), call.broker.service(ShareAdmin)
    group = await groups.ask(name, groups.coordinator.share_group, name)
    queues = [_queue(call, one) for one in await admin.queues(name)]
    if group is None and name not in await admin.with_state():
        group = await groups.ask(name, groups.overview.describe_share, name)  # which says why not
    members = queues
    epoch = target_epoch = 0
    if group is not None:
        members = [_member(call, member) for member in group.members.values()] + queues
        epoch, target_epoch = group.epoch, group.target_epoch
    topics = {
        topic["topic_name"] for one in members for topic in one["assignment"]["topic_partitions"]
    }
    state = STABLE if members else EMPTY
    return DescribedGroup(state, epoch, target_epoch, SHARE_ASSIGNOR, members, topics)


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


def _queue(call: Call, member: SharingMember) -> dict[str, Any]:
    topics: dict[str, list[int]] = {}
    for where in member.partitions:
        topics.setdefault(where.topic, []).append(where.partition)
    return {
        "member_id": member.member_id,
        "rack_id": None,
        "member_epoch": 0,
        "client_id": member.client_id,
        "client_host": f"/pid {member.pid}",
        "subscribed_topic_names": list(topics),
        "assignment": {
            "topic_partitions": [
                {
                    "topic_id": call.broker.topics.id_of(name),
                    "topic_name": name,
                    "partitions": numbers,
                }
                for name, numbers in topics.items()
            ]
        },
    }
