"""OffsetDelete: v0. Committed offsets of topics that no member of the group reads (else error 86)."""

from __future__ import annotations

from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import handles
from logflume.broker.groups import GroupService
from logflume.broker.security.acl import Operation
from logflume.coordinator.group_errors import GroupError, GroupRefused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any

    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer

__all__ = ["offset_delete"]


@handles(ApiKey.OFFSET_DELETE, versions="0")
async def offset_delete(call: Call, request: Any) -> Answer:
    """Forget where a group stands in some partitions."""
    groups = call.broker.service(GroupService)
    named = {t.name: [p.partition_index for p in t.partitions] for t in request.topics}
    wanted = {name: n for name, n in named.items() if call.may_topic(Operation.READ, name)}
    try:
        call.check_group(Operation.DELETE, request.group_id)
        in_use = await groups.ask(request.group_id, groups.delete_offsets, request.group_id, wanted)
    except GroupRefused as refused:
        return {"error_code": refused.error, "topics": []}
    return {
        "error_code": GroupError.NONE,
        "topics": [
            {
                "name": topic,
                "partitions": [
                    {
                        "partition_index": number,
                        "error_code": _error(topic, wanted, in_use),
                    }
                    for number in numbers
                ],
            }
            for topic, numbers in named.items()
        ],
    }


def _error(topic: str, allowed: Collection[str], in_use: Collection[str]) -> GroupError:
    if topic not in allowed:
        return GroupError.TOPIC_AUTHORIZATION_FAILED
    return GroupError.GROUP_SUBSCRIBED_TO_TOPIC if topic in in_use else GroupError.NONE
