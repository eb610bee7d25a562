"""Up to where the commits of a state log are on disk in their partitions, for sure."""

from __future__ import annotations

import os

from logflume.log import layout
from logflume.log.small_file import read_small, write_atomic

__all__ = ["RedoPoint"]


class RedoPoint:
    """A small file beside the state log's partition.

    It is written without a sync, and only after the partitions were synced: an older one, or none, costs the next
    opener a look at more commits and nothing else.
    """

    def __init__(self, partition_path: str) -> None:
        self._path = os.path.join(partition_path, layout.REDO_FILE)

    @property
    def offset(self) -> int:
        """Commits below it need not be redone; 0 when unknown."""
        text = (read_small(self._path) or b"").strip()
        return int(text) if text.isdigit() else 0

    def advance(self, offset: int) -> None:
        """All commits below are on disk in their partitions."""
        if offset > self.offset:
            write_atomic(self._path, b"%d\n" % offset, sync=False)
