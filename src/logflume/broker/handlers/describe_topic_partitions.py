"""DescribeTopicPartitions: v0. Metadata in pages (KIP-966); here no replica was ever lost."""

from __future__ import annotations

from logflume.broker.api_keys import ApiKey
from logflume.broker.described_topics import described_topic, missing_topic
from logflume.broker.dispatch import handles
from logflume.broker.refusals import TopicForbidden
from logflume.broker.security.acl import Operation, Resource
from logflume.errors import UnknownTopicOrPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume.broker.call import Call
    from logflume.broker.dispatch import Answer
    from logflume.log.topic_store import TopicEntry

__all__ = ["describe_topic_partitions"]

LIMIT_MAX = 2000  # Kafka's max.request.partition.size.limit


@handles(ApiKey.DESCRIBE_TOPIC_PARTITIONS, versions="0")
def describe_topic_partitions(call: Call, request: Any) -> Answer:
    """Partitions of the topics asked for (all, when none is named), in order, from the cursor on."""
    left = max(1, min(request.response_partition_limit, LIMIT_MAX))
    start = (
        (request.cursor.topic_name, request.cursor.partition_index) if request.cursor else ("", 0)
    )
    entries = call.broker.topics.entries()
    names = sorted({t.name for t in request.topics} or entries)
    topics: list[dict[str, Any]] = []
    following = None
    for name in names:
        if name < start[0]:
            continue
        if not call.may_topic(Operation.DESCRIBE, name):
            if request.topics:
                topics.append(missing_topic(name, TopicForbidden.code))
            continue
        entry = entries.get(name)
        if entry is None or entry.deleting:
            if request.topics:
                topics.append(missing_topic(name, UnknownTopicOrPartition.code))
            continue
        first = max(0, start[1]) if name == start[0] else 0
        if left == 0:
            following = {"topic_name": name, "partition_index": first}
            break
        stop = min(entry.partitions, first + left)
        topics.append(_describe(call, entry, first, stop))
        left -= max(0, stop - first)
        if stop < entry.partitions:
            following = {"topic_name": name, "partition_index": stop}
            break
    return {"topics": topics, "next_cursor": following}


def _describe(call: Call, entry: TopicEntry, first: int, stop: int) -> dict[str, Any]:
    topic = described_topic(call, entry, range(first, stop))
    nothing_lost: dict[str, Any] = {"eligible_leader_replicas": [], "last_known_elr": []}
    return {
        **topic,
        "partitions": [{**partition, **nothing_lost} for partition in topic["partitions"]],
        "topic_authorized_operations": call.operations(Resource.TOPIC, entry.name),
    }
