"""ShareGroupHeartbeat: v1 (KIP-932). Joins, stays, learns and leaves, in one request.

Differs from Kafka: the first answer has the assignment already. Racks are kept and told, but assign nothing.
"""

from __future__ import annotations

from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import handles
from logflume.broker.groups import GroupService
from logflume.broker.handlers.consumer_group_heartbeat import heartbeat_answer, heartbeat_refusal
from logflume.broker.security.acl import Operation
from logflume.coordinator.group_errors import GroupError, GroupRefused
from logflume.coordinator.share_messages import ShareHeartbeat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer

__all__ = ["share_group_heartbeat"]


@handles(ApiKey.SHARE_GROUP_HEARTBEAT, versions="1")
async def share_group_heartbeat(call: Call, request: Any) -> Answer:
    """A member says what it wants, and is told what it shall read."""
    groups = call.broker.service(GroupService)
    topics = request.subscribed_topic_names
    beat = ShareHeartbeat(
        group=request.group_id,
        member_id=request.member_id,
        epoch=request.member_epoch,
        client_id=call.client_id or "",
        client_host=call.client_host,
        rack_id=request.rack_id,
        topics=None if topics is None else tuple(topics),
    )
    try:
        call.check_group(Operation.READ, beat.group)
        if not all(call.may_topic(Operation.DESCRIBE, topic) for topic in beat.topics or ()):
            raise GroupRefused(GroupError.TOPIC_AUTHORIZATION_FAILED)
        answer = await groups.ask(beat.group, groups.coordinator.share_heartbeat, beat)
    except GroupRefused as refused:
        return heartbeat_refusal(refused)
    return heartbeat_answer(answer)
