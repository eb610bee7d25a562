"""ListOffsets: where partitions begin and end, and what was there at a time."""

from __future__ import annotations

import time

from logflume.client.cluster.failures import RETRIABLE, failure
from logflume.errors import RetriableClusterError
from logflume.types import TopicPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from logflume._native.rdkafka import Handle

__all__ = ["END", "START", "list_offsets", "offset_at"]

START, END = -2, -1
"""Stand for times."""
_PAUSE_S = 0.05


def list_offsets(
    handle: Handle, times: Mapping[TopicPartition, int], timeout_ms: int
) -> dict[TopicPartition, int]:
    """Offsets for times (ms, START or END); -1 where there is nothing at or after the time.

    While a partition has no leader, or its leader does not know of it yet, it is asked again. Raises Timeout,
    UnknownTopicOrPartition, ClusterError.
    """
    asked = [(where.topic, where.partition, at) for where, at in times.items()]
    deadline = time.monotonic() + timeout_ms / 1000
    while asked:
        try:
            rows = handle.offsets_for_times(asked, timeout_ms)
        except RetriableClusterError:
            if time.monotonic() > deadline:
                raise
        else:
            wrong = next((row for row in rows if row[3]), None)
            if wrong is None:
                return {TopicPartition(row[0], row[1]): int(row[2]) for row in rows}
            if wrong[3] not in RETRIABLE or wrong[3] == 3 or time.monotonic() > deadline:
                raise failure(wrong[3], "ListOffsets", topic=wrong[0], partition=wrong[1])
        time.sleep(_PAUSE_S)
    return {}


def offset_at(handle: Handle, topic: str, number: int, timestamp: int) -> int:
    """Of one partition."""
    where = TopicPartition(topic, number)
    return list_offsets(handle, {where: timestamp}, 60_000)[where]
