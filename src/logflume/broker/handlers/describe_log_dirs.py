"""DescribeLogDirs: v1-5. The directory and the bytes in it.

v2: flexible. v3: an error for the whole. v4: space of the file system. v5: cordoned directories (there are none).
"""

from __future__ import annotations

import os

from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import handles
from logflume.broker.refusals import ClusterForbidden
from logflume.broker.security.acl import Operation
from logflume.errors import UnknownTopicOrPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer
    from logflume.log.directory import LogDirectory

__all__ = ["describe_log_dirs"]


@handles(ApiKey.DESCRIBE_LOG_DIRS, versions="1-5")
async def describe_log_dirs(call: Call, request: Any) -> Answer:
    """Sizes of the partitions asked for; of all, when none is named."""
    if not call.may_cluster(Operation.DESCRIBE):
        return {"error_code": ClusterForbidden.code, "results": []}
    entries = call.broker.topics.entries()
    there = {
        name: set(range(entry.partitions)) for name, entry in entries.items() if not entry.deleting
    }
    if request.topics is not None:
        wanted = {topic.topic: set(topic.partitions) for topic in request.topics}
        there = {name: there[name] & wanted[name] for name in wanted if name in there}
    sizes = await call.in_thread(_measure, call.directory, there)
    space = os.statvfs(call.directory.path)
    return {
        "error_code": 0,
        "results": [
            {
                "error_code": 0,
                "log_dir": call.directory.path,
                "topics": sizes,
                "total_bytes": space.f_blocks * space.f_frsize,
                "usable_bytes": space.f_bavail * space.f_frsize,
            }
        ],
    }


def _measure(directory: LogDirectory, wanted: Mapping[str, set[int]]) -> list[dict[str, Any]]:
    found = []
    for name, numbers in sorted(wanted.items()):
        try:
            partitions = [_partition(directory, name, number) for number in sorted(numbers)]
        except UnknownTopicOrPartition:
            continue  # deleted meanwhile
        found.append({"name": name, "partitions": partitions})
    return found


def _partition(directory: LogDirectory, name: str, number: int) -> dict[str, Any]:
    return {
        "partition_index": number,
        "partition_size": sum(s.size for s in directory.partition(name, number).segments()),
        "offset_lag": 0,
        "is_future_key": False,
    }
