"""An offset for each partition in one of Kafka's checkpoint files, of those that are changed while logs are open."""

from __future__ import annotations

from logflume.log.checkpoints import read_offsets, write_offsets
from logflume.types import TopicPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume.log.locks import DirectoryLock

__all__ = ["OffsetsFile"]


class OffsetsFile:
    """One file for the whole directory, so it is changed under the directory's change lock. Not thread-safe."""

    def __init__(self, path: str, lock: DirectoryLock) -> None:
        self._path = path
        self._lock = lock

    def get(self, topic: str, partition: int) -> int | None:
        """The partition's offset; None when none was recorded."""
        return read_offsets(self._path).get(TopicPartition(topic, partition))

    def record(self, topic: str, partition: int, offset: int, *, never_back: bool = False) -> None:
        """Put a partition's offset on disk, after what it says is true; `never_back`: unless it is there or beyond."""
        where = TopicPartition(topic, partition)
        with self._lock.changing():
            known = read_offsets(self._path)
            old = known.get(where)
            if old is None or (offset > old if never_back else offset != old):
                write_offsets(self._path, {**known, where: offset})

    def forget(self, topic: str) -> None:
        """Take a deleted topic out: a later one of its name begins anew. The caller holds the change lock."""
        known = read_offsets(self._path)
        left = {where: offset for where, offset in known.items() if where.topic != topic}
        if left != known:
            write_offsets(self._path, left)
