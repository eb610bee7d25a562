"""Where each partition's log starts after `delete_records`, in Kafka's checkpoint file."""

from __future__ import annotations

import os

from logflume.log import layout
from logflume.log.checkpoints import read_offsets, write_offsets
from logflume.types import TopicPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume.log.locks import DirectoryLock

__all__ = ["StartOffsets"]


class StartOffsets:
    """One file for the whole directory, so it is changed under the directory's change lock."""

    def __init__(self, directory: str, lock: DirectoryLock) -> None:
        self._path = os.path.join(directory, layout.LOG_START_FILE)
        self._lock = lock

    def record(self, topic: str, partition: int, offset: int) -> None:
        """Put a partition's start on disk. It never moves back."""
        where = TopicPartition(topic, partition)
        with self._lock.changing():
            known = read_offsets(self._path)
            if offset > known.get(where, -1):
                write_offsets(self._path, {**known, where: offset})

    def forget(self, topic: str) -> None:
        """Take a deleted topic out: a later one of its name begins at 0. The caller holds the change lock."""
        known = read_offsets(self._path)
        left = {where: offset for where, offset in known.items() if where.topic != topic}
        if left != known:
            write_offsets(self._path, left)
