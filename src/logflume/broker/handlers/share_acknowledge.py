"""ShareAcknowledge: v1-2 (KIP-932). What a member says of records that it holds. v2: more time for some (KIP-1222)."""

from __future__ import annotations

from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import handles
from logflume.broker.security.acl import Operation
from logflume.broker.share_answers import acknowledge_all
from logflume.broker.share_groups import ShareService
from logflume.broker.share_sessions import (
    FINAL,
    INITIAL,
    INVALID_SHARE_SESSION_EPOCH,
    ShareRefused,
)
from logflume.coordinator.group_errors import GroupRefused
from logflume.log.ids import encode_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer

__all__ = ["share_acknowledge"]


@handles(ApiKey.SHARE_ACKNOWLEDGE, versions="1-2")
async def share_acknowledge(call: Call, request: Any) -> Answer:
    """Settle records; the last request of a session gives back what is not settled."""
    service = call.broker.service(ShareService)
    group_id, epoch = request.group_id or "", request.share_session_epoch
    try:
        call.check_group(Operation.READ, group_id)
        if epoch == INITIAL:
            raise ShareRefused(INVALID_SHARE_SESSION_EPOCH)
        session = service.sessions.go_on(group_id, request.member_id, epoch)
    except GroupRefused as refused:
        return _answer(refused.error, {}, 0)
    except ShareRefused as refusal:
        return _answer(refusal.code, {}, 0)
    group = service.group(group_id)
    renews = getattr(request, "is_renew_ack", False)
    codes = await acknowledge_all(call, group, session.member_id, request.topics, renews=renews)
    if epoch == FINAL:
        await service.end(session)
    return _answer(0, codes, group.settings.lock_duration_ms)


def _answer(error: int, codes: dict[tuple[bytes, int], int], lock_ms: int) -> Answer:
    topics: dict[bytes, list[dict[str, Any]]] = {}
    for (topic_id, index), code in codes.items():
        topics.setdefault(topic_id, []).append(
            {
                "partition_index": index,
                "error_code": code,
                "error_message": None,
                "current_leader": {"leader_id": 0, "leader_epoch": 0},
            }
        )
    return {
        "error_code": error,
        "error_message": None,
        "acquisition_lock_timeout": lock_ms,
        "responses": [
            {"topic_id": encode_id(topic_id), "partitions": parts}
            for topic_id, parts in topics.items()
        ],
        "node_endpoints": [],
    }
