"""DeleteRecords: v0-2. v2: flexible. -1 deletes up to the end."""

from __future__ import annotations

from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import handles
from logflume.broker.security.acl import Operation
from logflume.config.names import INTERNAL_TOPICS
from logflume.errors import InvalidTopicName, LogflumeError, OffsetOutOfRange

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer
    from logflume.log.directory import LogDirectory

__all__ = ["delete_records"]


@handles(ApiKey.DELETE_RECORDS, versions="0-2")
async def delete_records(call: Call, request: Any) -> Answer:
    """Make each offset its partition's first."""
    return {
        "topics": [
            {
                "name": topic.name,
                "partitions": [
                    await _delete(call, topic.name, asked) for asked in topic.partitions
                ],
            }
            for topic in request.topics
        ]
    }


async def _delete(call: Call, topic: str, asked: Any) -> dict[str, Any]:
    number = asked.partition_index
    try:
        call.check_topic(Operation.DELETE, topic)
        start = await call.in_thread(_do, call.directory, topic, number, asked.offset)
    except LogflumeError as error:
        return {"partition_index": number, "low_watermark": -1, "error_code": error.code}
    return {"partition_index": number, "low_watermark": start, "error_code": 0}


def _do(directory: LogDirectory, topic: str, number: int, offset: int) -> int:
    if topic in INTERNAL_TOPICS:
        raise InvalidTopicName(topic=topic, reason="its records are deleted by compaction only")
    if offset < -1:
        log = directory.partition(topic, number)
        raise OffsetOutOfRange(
            topic=topic,
            partition=number,
            offset=offset,
            start_offset=log.start_offset,
            end_offset=log.end_offset,
        )
    return directory.delete_records(topic, number, offset)
