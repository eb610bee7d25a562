"""JoinGroup: v0-9. Answered when the rebalance is, which may be minutes later.

v1: a rebalance timeout. v4: a member without id is told one and comes back (KIP-394). v5: static members. v8: a
reason. v9: a leader that need not assign (KIP-814). Differs from Kafka: a group whose members speak the consumer
protocol, or are embedded, is refused (23, INCONSISTENT_GROUP_PROTOCOL) until they are gone.
"""

from __future__ import annotations

from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import handles
from logflume.broker.groups import GroupService
from logflume.broker.messages import milliseconds
from logflume.broker.security.acl import Operation
from logflume.coordinator.classic_member import JoinAnswer, JoinRequest
from logflume.coordinator.group_errors import GroupRefused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer

__all__ = ["join_group"]


@handles(ApiKey.JOIN_GROUP, versions="0-9", cancellable=True)
async def join_group(call: Call, request: Any) -> Answer:
    """A member takes part in a rebalance."""
    groups = call.broker.service(GroupService)
    session_ms = milliseconds(request.session_timeout)
    rebalance = getattr(request, "rebalance_timeout", None)
    join = JoinRequest(
        group=request.group_id,
        member_id=request.member_id,
        instance_id=getattr(request, "group_instance_id", None),
        client_id=call.client_id or "",
        client_host=call.client_host,
        session_timeout_ms=session_ms,
        rebalance_timeout_ms=session_ms if rebalance is None else milliseconds(rebalance),
        protocol_type=request.protocol_type,
        protocols=tuple((p.name, bytes(p.metadata)) for p in request.protocols),
        requires_id=call.version >= 4,
        may_skip_assignment=call.version >= 9,
    )
    try:
        call.check_group(Operation.READ, join.group)
        answer = await groups.answer(join.group, groups.coordinator.join, join)
    except GroupRefused as refused:
        answer = JoinAnswer(refused.error, member_id=refused.member_id)
    return {
        "error_code": answer.error,
        "generation_id": answer.generation,
        "protocol_type": answer.protocol_type,
        # Before version 7 there is no null.
        "protocol_name": answer.protocol if call.version >= 7 else answer.protocol or "",
        "leader": answer.leader,
        "skip_assignment": answer.skip_assignment,
        "member_id": answer.member_id,
        "members": [
            {
                "member_id": member.member_id,
                "group_instance_id": member.instance_id,
                "metadata": member.metadata,
            }
            for member in answer.members
        ],
    }
