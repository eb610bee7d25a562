"""Changes of topics as clients ask for them. Run off the event loop: they write and sync."""

from __future__ import annotations

from logflume.broker.refusals import InvalidReplicaAssignment, InvalidReplicationFactor
from logflume.config import check_partitions, check_topic, parse, update
from logflume.config.names import INTERNAL_TOPICS, OFFSETS_TOPIC
from logflume.config.topic import TopicConfig
from logflume.coordinator.offset_store import OffsetStore
from logflume.errors import (
    InvalidPartitions,
    InvalidTopicName,
    TopicExists,
    UnknownTopicOrPartition,
)
from logflume.log.topic_store import TopicEntry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from logflume.log.directory import LogDirectory

__all__ = [
    "add_partitions",
    "alter_settings",
    "check_assignment",
    "check_assignments",
    "check_replication",
    "create_topic",
    "delete_topic",
]


def check_replication(factor: int) -> None:
    """Raise InvalidReplicationFactor unless it is 1, or -1 for the default, which is 1."""
    if factor not in (-1, 1):
        raise InvalidReplicationFactor(factor=factor)


def check_assignments(assigned: Sequence[Sequence[int]], node_id: int) -> None:
    """Raise InvalidReplicaAssignment unless each partition has this broker and no other."""
    for number, brokers in enumerate(assigned):
        check_assignment(number, brokers, node_id)


def check_assignment(number: int, brokers: Sequence[int], node_id: int) -> None:
    """Raise InvalidReplicaAssignment unless the partition has this broker and no other."""
    if list(brokers) != [node_id]:
        raise InvalidReplicaAssignment(
            reason=f"partition {number} goes to brokers {list(brokers)}, and there is only {node_id}"
        )


def create_topic(
    directory: LogDirectory,
    name: str,
    partitions: int | None,
    config: Mapping[str, object],
    *,
    validate_only: bool = False,
) -> TopicEntry:
    """Make a topic, or only see whether it could be made. Raises as LogDirectory.create_topic."""
    if name in INTERNAL_TOPICS:
        raise InvalidTopicName(topic=name, reason="internal topics are made by logflume only")
    if not validate_only:
        return directory.create_topic(name, partitions=partitions, config=config)
    entries = directory.entries()
    if name in entries:
        raise TopicExists(topic=name)
    check_topic(name, existing=entries)
    count = directory.config.num_partitions if partitions is None else partitions
    return TopicEntry(name, None, check_partitions(name, count), parse(TopicConfig, config))


def add_partitions(
    directory: LogDirectory, name: str, count: int, *, validate_only: bool = False
) -> None:
    """Give a topic `count` partitions in all. Raises UnknownTopicOrPartition, InvalidPartitions."""
    entry = directory.topic(name)
    if count <= entry.partitions:
        raise InvalidPartitions(
            topic=name, partitions=count, reason=f"it has {entry.partitions} already"
        )
    check_partitions(name, count)
    if not validate_only:
        directory.alter_topic(name, partitions=count)


def alter_settings(
    directory: LogDirectory,
    name: str,
    changes: Mapping[str, object],
    *,
    validate_only: bool = False,
) -> None:
    """Change settings; None sets one back to its default. Raises UnknownTopicOrPartition, InvalidConfig."""
    if validate_only:
        update(directory.topic(name).config, changes)
    else:
        directory.alter_topic(name, config=changes)


def delete_topic(directory: LogDirectory, name: str) -> None:
    """Delete a topic, and what groups committed for it. Raises UnknownTopicOrPartition, InvalidTopicName."""
    if name in INTERNAL_TOPICS:
        raise InvalidTopicName(topic=name, reason="internal topics are deleted by nobody")
    directory.delete_topic(name)
    try:
        offsets = directory.partitions(OFFSETS_TOPIC)
    except UnknownTopicOrPartition:
        return
    for partition in offsets:
        OffsetStore(partition).delete_topic(name)
