"""Where a table's checkpoints are, and when they are written and believed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from logflume.client.table.checkpoint_file import read_checkpoint, write_checkpoint
from logflume.errors import CorruptRecord, UnsupportedFormat
from logflume.log import layout
from logflume.log.filesystem import raise_typed
from logflume.log.ids import NO_ID, decode_id
from logflume.observe import get_logger

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from logflume.client.table.partition_state import PartitionState

__all__ = ["CheckpointStore"]

_logger = get_logger(__name__)


class CheckpointStore:
    """Saves and restores the states of a topic's partitions.

    `state_dir`: a directory for the files, made when missing; without one each lies beside its partition's
    segments. `topic_id`: None for a topic that has none.
    """

    def __init__(self, topic_id: str | None, state_dir: str | os.PathLike[str] | None) -> None:
        self._topic_id = decode_id(topic_id or NO_ID)
        self._state_dir = None if state_dir is None else os.fspath(state_dir)
        self._saved: dict[int, int] = {}
        if self._state_dir is not None:
            try:
                os.makedirs(self._state_dir, exist_ok=True)
            except OSError as error:
                raise_typed(error, self._state_dir)

    def path(self, state: PartitionState) -> str:
        """The file of a partition's checkpoint."""
        if self._state_dir is None:
            return os.path.join(os.fsdecode(state.log.path), layout.TABLE_FILE)
        return os.path.join(self._state_dir, f"{state.log.topic}-{state.log.partition}.table")

    def restore(self, state: PartitionState) -> None:
        """Begin with the partition's checkpoint; when it cannot be used, say so in the log and begin empty."""
        path = self.path(state)
        try:
            found = read_checkpoint(path)
        except (CorruptRecord, UnsupportedFormat) as error:
            _logger.warning(
                "table checkpoint ignored, the table is rebuilt", path=path, error=error
            )
            return
        if found is None:
            return
        reason = state.restore(found, self._topic_id)
        if reason is None:
            self._saved[state.log.partition] = state.position
        else:
            _logger.info("table checkpoint ignored, the table is rebuilt", path=path, reason=reason)

    def worth_saving(self, state: PartitionState) -> bool:
        """Whether a restart would read much without a new one: a quarter as many records as there are keys."""
        saved = self._saved.get(state.log.partition, -1)
        return state.position > saved and 4 * state.applied >= len(state.entries)

    def save(self, state: PartitionState, lock: AbstractContextManager[object]) -> None:
        """Write the partition's checkpoint; `lock` holds the table still while the state is copied.

        Raises DiskFull, ReadOnlyDirectory, SyncFailed.
        """
        with lock:
            checkpoint = state.take(self._topic_id)
            applied, state.applied = state.applied, 0
        try:
            # The log first: after a power loss it must not end before the checkpoint does, or new records
            # would get offsets that the checkpoint claims to know.
            if state.log.durable_offset < checkpoint.position:
                state.log.sync(checkpoint.position)
            write_checkpoint(self.path(state), checkpoint)
        except BaseException:
            state.applied += applied
            raise
        self._saved[state.log.partition] = checkpoint.position
