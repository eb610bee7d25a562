"""How far each partition has been compacted, in Kafka's `cleaner-offset-checkpoint`."""

from __future__ import annotations

import os

from logflume.log import layout
from logflume.log.checkpoints import read_offsets, write_offsets
from logflume.types import TopicPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume.log.locks import DirectoryLock

__all__ = ["CleanerOffsets"]


class CleanerOffsets:
    """One file for the whole directory, so it is changed under the directory's change lock.

    Not thread-safe: the directory's owner locks.
    """

    def __init__(self, directory: str, lock: DirectoryLock) -> None:
        self._path = os.path.join(directory, layout.CLEANER_OFFSETS_FILE)
        self._lock = lock

    def get(self, topic: str, partition: int) -> int | None:
        """First offset that no pass has compared with those before it; None when there was no pass."""
        return read_offsets(self._path).get(TopicPartition(topic, partition))

    def record(self, topic: str, partition: int, offset: int) -> None:
        """Put a partition's offset on disk, after what it says is true."""
        where = TopicPartition(topic, partition)
        with self._lock.changing():
            known = read_offsets(self._path)
            if known.get(where) != offset:
                write_offsets(self._path, {**known, where: offset})

    def forget(self, topic: str) -> None:
        """Take a deleted topic out: a later one of its name begins anew. The caller holds the change lock."""
        known = read_offsets(self._path)
        left = {where: offset for where, offset in known.items() if where.topic != topic}
        if left != known:
            write_offsets(self._path, left)
