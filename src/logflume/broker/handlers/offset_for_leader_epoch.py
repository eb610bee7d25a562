"""OffsetForLeaderEpoch: v2-4. Where a leader's records end: consumers find out whether theirs still hold.

v3: replica id. v4: flexible.
"""

from __future__ import annotations

import os

from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import handles
from logflume.broker.partitions import Served, epoch_error
from logflume.broker.refusals import TopicForbidden
from logflume.broker.security.acl import Operation
from logflume.log import layout
from logflume.log.checkpoints import read_epochs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume._native.partition import Partition
    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer

__all__ = ["offset_for_leader_epoch"]


@handles(ApiKey.OFFSET_FOR_LEADER_EPOCH, versions="2-4")
async def offset_for_leader_epoch(call: Call, request: Any) -> Answer:
    """The largest epoch up to the one asked for, and the offset behind its last record."""
    return {
        "topics": [
            {
                "topic": topic.topic,
                "partitions": [
                    {"partition": asked.partition, **await _one(call, topic.topic, asked)}
                    for asked in topic.partitions
                ],
            }
            for topic in request.topics
        ]
    }


async def _one(call: Call, topic: str, asked: Any) -> dict[str, Any]:
    if not call.may_topic(Operation.DESCRIBE, topic):
        return {"error_code": TopicForbidden.code}
    served = await call.broker.partitions.find(topic, asked.partition)
    if not isinstance(served, Served):
        return {"error_code": served}
    error = epoch_error(asked.current_leader_epoch, served.leader_epoch)
    if error:
        return {"error_code": error}
    epoch, end = _end_of(served.log, served.leader_epoch, asked.leader_epoch)
    return {"error_code": 0, "leader_epoch": epoch, "end_offset": end}


def _end_of(log: Partition, current: int, wanted: int) -> tuple[int, int]:
    if wanted == current:
        return current, log.end_offset
    if wanted < 0 or wanted > current:
        return -1, -1
    epochs = read_epochs(os.path.join(log.path, layout.LEADER_EPOCH_FILE))
    known = [item.epoch for item in epochs if item.epoch <= wanted]
    later = [item.start_offset for item in epochs if item.epoch > wanted]
    if not later:
        return -1, -1
    # Before the first epoch that is known lies nothing that could have been read.
    return (max(known) if known else wanted), min(later)
