"""DeleteTopics: v1-6. v4: flexible. v5: messages. v6: topics by name or id."""

from __future__ import annotations

from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import handles
from logflume.broker.partitions import UNKNOWN_TOPIC_ID
from logflume.broker.refusals import TopicForbidden
from logflume.broker.security.acl import Operation
from logflume.broker.topic_changes import delete_topic
from logflume.errors import LogflumeError
from logflume.log.ids import encode_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer

__all__ = ["delete_topics"]

TOPIC_DELETION_DISABLED = 73


@handles(ApiKey.DELETE_TOPICS, versions="1-6")
async def delete_topics(call: Call, request: Any) -> Answer:
    """Delete each topic; what fails does not hold up the rest."""
    if call.version >= 6:
        asked = [(t.name, None if t.topic_id is None else t.topic_id.bytes) for t in request.topics]
    else:
        asked = [(name, None) for name in request.topic_names]
    return {"responses": [await _delete(call, name, topic_id) for name, topic_id in asked]}


async def _delete(call: Call, name: str | None, topic_id: bytes | None) -> dict[str, Any]:
    if name is None:
        name = call.broker.topics.name_of(topic_id or b"")
        if name is None or not call.may_topic(Operation.DESCRIBE, name):
            return {
                "name": None,
                "topic_id": encode_id(topic_id) if topic_id else None,
                "error_code": UNKNOWN_TOPIC_ID,
                "error_message": "no topic has this id",
            }
    if not call.may_topic(Operation.DELETE, name):
        code = TopicForbidden.code
        return {"name": name, "topic_id": None, "error_code": code, "error_message": "not allowed"}
    answer = {"name": name, "topic_id": call.broker.topics.id_of(name)}
    if not call.broker.config.delete_topic_enable:
        return {
            **answer,
            "error_code": TOPIC_DELETION_DISABLED,
            "error_message": "delete.topic.enable=false",
        }
    try:
        await call.in_thread(delete_topic, call.directory, name)
    except LogflumeError as error:
        return {**answer, "error_code": error.code, "error_message": str(error)}
    return {**answer, "error_code": 0, "error_message": None}
