"""A partition's directory: made with the two small files that Kafka wants in it."""

from __future__ import annotations

import os

from logflume.log import layout
from logflume.log.checkpoints import EpochStart, write_epochs
from logflume.log.filesystem import has_content, raise_typed
from logflume.log.properties import write_topic_id

__all__ = ["make_partition_directory"]


def make_partition_directory(path: str, topic_id: str | None) -> None:
    """Make what is missing of it. Raises DiskFull, ReadOnlyDirectory.

    Not synced: both files can be made again from the list of topics, which is; a topic of many partitions would
    wait for the disk four times each.
    """
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise_typed(error, path)
    metadata = os.path.join(path, layout.PARTITION_METADATA_FILE)
    if topic_id is not None and not has_content(metadata):
        write_topic_id(metadata, topic_id, sync=False)
    epochs = os.path.join(path, layout.LEADER_EPOCH_FILE)
    if not has_content(epochs):
        write_epochs(epochs, [EpochStart(0, 0)], sync=False)
