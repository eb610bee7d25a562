"""ListOffsets: v1-11. The offset for a time, or for one of Kafka's special times.

v2: isolation level. v4: leader epochs. v6: flexible. v7: -3, the record with the latest time. v8: -4, the earliest
on this machine. v9: -5, the latest in a remote tier, of which there is none. v10: a time-out. v11: -6, the earliest
that waits to be copied to a tier: none.
"""

from __future__ import annotations

from logflume._native.partition_reader import PartitionReader
from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import handles
from logflume.broker.partitions import Served, epoch_error
from logflume.broker.refusals import TopicForbidden
from logflume.broker.security.acl import Operation
from logflume.errors import LogflumeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume._native.partition import Partition
    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer

__all__ = ["list_offsets"]

LATEST, EARLIEST, MAX_TIMESTAMP, EARLIEST_LOCAL, LATEST_TIERED, EARLIEST_PENDING_UPLOAD = range(
    -1, -7, -1
)
# Each special time, and the version that brought it.
SINCE = {MAX_TIMESTAMP: 7, EARLIEST_LOCAL: 8, LATEST_TIERED: 9, EARLIEST_PENDING_UPLOAD: 11}
READ_COMMITTED = 1
UNSUPPORTED_VERSION = 35


@handles(ApiKey.LIST_OFFSETS, versions="1-11")
async def list_offsets(call: Call, request: Any) -> Answer:
    """An offset for each partition that is asked for."""
    committed = getattr(request, "isolation_level", 0) == READ_COMMITTED
    return {
        "topics": [
            {
                "name": topic.name,
                "partitions": [
                    {
                        "partition_index": asked.partition_index,
                        **await _one(call, topic.name, asked, committed=committed),
                    }
                    for asked in topic.partitions
                ],
            }
            for topic in request.topics
        ]
    }


async def _one(call: Call, topic: str, asked: Any, *, committed: bool) -> dict[str, Any]:
    if not call.may_topic(Operation.DESCRIBE, topic):
        return {"error_code": TopicForbidden.code}
    served = await call.broker.partitions.find(topic, asked.partition_index)
    if not isinstance(served, Served):
        return {"error_code": served}
    error = epoch_error(getattr(asked, "current_leader_epoch", -1), served.leader_epoch)
    if error:
        return {"error_code": error}
    if asked.timestamp < 0 and call.version < SINCE.get(asked.timestamp, 0):
        return {"error_code": UNSUPPORTED_VERSION}
    try:
        found = await _look(call, served.log, asked.timestamp, committed=committed)
    except LogflumeError as failure:
        return {"error_code": failure.code}
    if found is None:
        return {"error_code": 0}  # offset and time -1: there is no such record
    offset, timestamp = found
    return {
        "error_code": 0,
        "offset": offset,
        "timestamp": timestamp,
        "leader_epoch": served.leader_epoch,
    }


async def _look(
    call: Call, log: Partition, timestamp: int, *, committed: bool
) -> tuple[int, int] | None:
    """(offset, its time or -1) for a time; None when there is none."""
    if timestamp == LATEST:
        return (log.last_stable_offset if committed else log.end_offset), -1
    if timestamp in (EARLIEST, EARLIEST_LOCAL):
        return log.start_offset, -1
    if timestamp in (LATEST_TIERED, EARLIEST_PENDING_UPLOAD):
        return None
    found = await call.in_thread(_search, log, timestamp)
    if found is not None and committed and found[0] >= log.last_stable_offset:
        return None
    return found


def _search(log: Partition, timestamp: int) -> tuple[int, int] | None:
    if timestamp == MAX_TIMESTAMP:
        timestamp = max((segment.max_timestamp for segment in log.segments()), default=-1)
        if timestamp < 0:
            return None
    if timestamp < 0:
        return None
    return PartitionReader(log, log.start_offset).seek_to_time(timestamp)
