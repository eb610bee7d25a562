"""The internal topic of commits: made when first needed, and the store of each of its partitions."""

from __future__ import annotations

from logflume.config.names import OFFSETS_TOPIC
from logflume.errors import TopicExists, UnknownTopicOrPartition

from .offset_store import OffsetStore
from .offsets_schema import partition_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume._native.partition import Partition
    from logflume.log.directory import LogDirectory

__all__ = ["offsets_partition", "offsets_partitions", "open_offsets"]


def offsets_partitions(directory: LogDirectory) -> int:
    """How many partitions the internal topic of commits has; makes the topic if there is none."""
    try:
        return directory.topic(OFFSETS_TOPIC).partitions
    except UnknownTopicOrPartition:
        config = directory.config
        try:
            directory.create_topic(
                OFFSETS_TOPIC,
                partitions=config.offsets_topic_num_partitions,
                config={
                    "cleanup.policy": "compact",
                    "segment.bytes": config.offsets_topic_segment_bytes,
                },
            )
        except TopicExists:
            pass  # another process was first
        return directory.topic(OFFSETS_TOPIC).partitions


def offsets_partition(directory: LogDirectory, group: str) -> Partition:
    """The partition that holds this group's committed offsets."""
    number = partition_for(group, offsets_partitions(directory))
    # Opening makes the partition's directory where the topic's maker, another process, has not come to it yet.
    return directory.partition(OFFSETS_TOPIC, number)


def open_offsets(directory: LogDirectory, group: str) -> OffsetStore:
    """The store of committed offsets that holds this group's."""
    return OffsetStore(offsets_partition(directory, group))
