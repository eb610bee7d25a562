"""DeleteShareGroupOffsets: v0 (KIP-932). Forgets where a share group without members stands in topics."""

from __future__ import annotations

from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import handles
from logflume.broker.refusals import TopicForbidden
from logflume.broker.security.acl import Operation
from logflume.broker.share_admin import ShareAdmin
from logflume.coordinator.group_errors import GroupError, GroupRefused
from logflume.errors import UnknownTopicOrPartition
from logflume.log.ids import NO_ID

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer

__all__ = ["delete_share_group_offsets"]


@handles(ApiKey.DELETE_SHARE_GROUP_OFFSETS, versions="0")
async def delete_share_group_offsets(call: Call, request: Any) -> Answer:
    """Forget offsets; the group begins anew with these topics."""
    admin = call.broker.service(ShareAdmin)
    names = [topic.topic_name for topic in request.topics]
    try:
        call.check_group(Operation.DELETE, request.group_id)
        read = {where.topic for where in await admin.stands(request.group_id)}
        read |= (await admin.begun(request.group_id)).keys()
        codes = {name: _code(call, name, read) for name in names}
        gone = [name for name, code in codes.items() if not code]
        await admin.delete_offsets(request.group_id, gone)
    except GroupRefused as refused:
        message = refused.message or None
        return {"error_code": refused.error, "error_message": message, "responses": []}
    return {
        "error_code": GroupError.NONE,
        "error_message": None,
        "responses": [
            {
                "topic_name": name,
                "topic_id": NO_ID if code else call.broker.topics.id_of(name),
                "error_code": code,
                "error_message": None,
            }
            for name, code in codes.items()
        ],
    }


def _code(call: Call, name: str, read: set[str]) -> int:
    if not call.may_topic(Operation.READ, name):
        return TopicForbidden.code
    known = name in read and name in call.broker.topics.entries()
    return 0 if known else UnknownTopicOrPartition.code
