"""What Metadata and DescribeTopicPartitions say in the same way: a topic, or that there is none."""

from __future__ import annotations

from logflume.config.names import INTERNAL_TOPICS
from logflume.log.ids import NO_ID

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from logflume.broker.call import Call
    from logflume.log.topic_store import TopicEntry

__all__ = ["described_topic", "missing_topic"]


def described_topic(call: Call, entry: TopicEntry, numbers: Iterable[int]) -> dict[str, Any]:
    """A topic and these of its partitions: this broker leads them, and nobody else has them."""
    node = call.broker.node_id
    epochs = call.broker.topics.leader_epochs(entry)
    return {
        "error_code": 0,
        "name": entry.name,
        "topic_id": call.broker.topics.id_of(entry.name),
        "is_internal": entry.name in INTERNAL_TOPICS,
        "partitions": [
            {
                "error_code": 0,
                "partition_index": number,
                "leader_id": node,
                "leader_epoch": epochs[number],
                "replica_nodes": [node],
                "isr_nodes": [node],
                "offline_replicas": [],
            }
            for number in numbers
        ],
    }


def missing_topic(name: str | None, code: int, topic_id: str = NO_ID) -> dict[str, Any]:
    """A topic that is not there, or not for this client."""
    return {
        "error_code": code,
        "name": name,
        "topic_id": topic_id,
        "is_internal": False,
        "partitions": [],
    }
