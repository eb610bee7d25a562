"""The internal topic of share groups' state: made when first needed; which of its partitions has what."""

from __future__ import annotations

import os
from uuid import UUID

from logflume.config.names import SHARE_STATE_TOPIC
from logflume.errors import TopicExists, UnknownTopicOrPartition, UnsupportedFormat
from logflume.log import layout
from logflume.log.layout import partition_directory_name, safe_file_name
from logflume.log.properties import read_topic_id

from .state_log import ShareStateLog
from .state_schema import ShareKey, state_partition_for, topic_uuid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume.log.directory import LogDirectory

__all__ = ["open_state_log", "state_partitions", "topic_id_of", "working_file_path"]

WORKING_SUFFIX = ".share"


def state_partitions(directory: LogDirectory, *, create: bool = True) -> int:
    """How many partitions the topic has; without `create` 0 when there is no such topic."""
    try:
        return directory.topic(SHARE_STATE_TOPIC).partitions
    except UnknownTopicOrPartition:
        if not create:
            return 0
    config = directory.config
    try:
        directory.create_topic(
            SHARE_STATE_TOPIC,
            partitions=config.share_coordinator_state_topic_num_partitions,
            config={
                # Not compacted: updates lie on top of a snapshot. What is past is deleted by its writers.
                "cleanup.policy": "delete",
                "retention.ms": -1,
                "segment.bytes": config.share_coordinator_state_topic_segment_bytes,
            },
        )
    except TopicExists:
        pass  # another process was first
    return directory.topic(SHARE_STATE_TOPIC).partitions


def open_state_log(directory: LogDirectory, number: int) -> ShareStateLog:
    """The state in one partition of the topic."""
    log = directory.partition(SHARE_STATE_TOPIC, number)
    segment_bytes = directory.topic(SHARE_STATE_TOPIC).config.segment_bytes
    base = {"at": int(log.start_offset)}

    def forget(before: int) -> None:
        # Moving the start costs syncs of its own: once a segment's worth is past. A record has some fifty bytes.
        if (before - base["at"]) * 50 > segment_bytes:
            base["at"] = directory.delete_records(SHARE_STATE_TOPIC, number, before)

    return ShareStateLog(log, forget)


def working_file_path(directory: LogDirectory, key: ShareKey, partition_count: int) -> str:
    """Where the members of a group meet for a share partition: beside its state."""
    folder = partition_directory_name(SHARE_STATE_TOPIC, state_partition_for(key, partition_count))
    name = safe_file_name(f"{key.group}.{key.topic_id.hex}.{key.partition}") + WORKING_SUFFIX
    return os.path.join(directory.path, folder, name)


def topic_id_of(directory: LogDirectory, topic: str) -> UUID:
    """A topic's id, also of one that a Kafka left. Raises UnknownTopicOrPartition, UnsupportedFormat (it has none)."""
    entry = directory.topic(topic)
    if entry.topic_id is not None:
        return topic_uuid(entry.topic_id)
    path = os.path.join(directory.partition_path(topic, 0), layout.PARTITION_METADATA_FILE)
    found = read_topic_id(path)
    if found is None:
        raise UnsupportedFormat(path=path, reason="share groups need topics with ids (Kafka 2.8)")
    return topic_uuid(found)
