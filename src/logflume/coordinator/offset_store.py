"""Committed offsets of the groups that share one partition of `__consumer_offsets`.

Commits are records of that partition, so a commit by any process is seen by all: the store keeps what the
records say in memory and reads on from where it stopped before each answer.
"""

from __future__ import annotations

import time

from logflume.coordinator.offsets_schema import (
    OffsetCommitKey,
    OffsetCommitValue,
    decode_key,
    decode_value,
    encode_key,
    encode_value,
)
from logflume.errors import OffsetOutOfRange
from logflume.types import OffsetAndMetadata, TopicPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from logflume._native.partition import Partition

__all__ = ["OffsetStore"]

_READ_RECORDS = 10_000
_READ_BYTES = 4 << 20


class OffsetStore:
    """Not thread-safe. `log` is the partition of `__consumer_offsets` that the groups belong to."""

    def __init__(self, log: Partition) -> None:
        self._log = log
        self._next = int(log.start_offset)
        self._groups: dict[str, dict[TopicPartition, OffsetAndMetadata]] = {}

    def commit(
        self,
        group: str,
        offsets: Mapping[TopicPartition, OffsetAndMetadata],
        *,
        durable: bool = True,
    ) -> None:
        """Store a group's offsets as one batch. On disk when it returns if `durable`, else published.

        Raises DiskFull, SyncFailed, Closed.
        """
        if not offsets:
            return
        now = time.time_ns() // 1_000_000
        self._log.append_many(
            [
                encode_value(
                    OffsetCommitValue(
                        offset=entry.offset,
                        leader_epoch=-1 if entry.leader_epoch is None else entry.leader_epoch,
                        metadata=entry.metadata,
                        commit_timestamp=now,
                    )
                )
                for entry in offsets.values()
            ],
            keys=[encode_key(group, where.topic, where.partition) for where in offsets],
        )
        if durable:
            self._log.sync()

    def committed(self, group: str, where: TopicPartition) -> OffsetAndMetadata | None:
        """What the group committed last for a partition, by whatever process."""
        self._read_on()
        return self._groups.get(group, {}).get(where)

    def offsets(self, group: str) -> dict[TopicPartition, OffsetAndMetadata]:
        """All of a group's committed offsets."""
        self._read_on()
        return dict(self._groups.get(group, {}))

    def groups(self) -> list[str]:
        """Groups that have committed offsets, sorted."""
        self._read_on()
        return sorted(name for name, offsets in self._groups.items() if offsets)

    def delete(self, group: str, wheres: Iterable[TopicPartition] | None = None) -> int:
        """Forget a group's offsets (of `wheres` only, if given): tombstones, on disk. Returns how many."""
        known = self.offsets(group)
        gone = [where for where in (known if wheres is None else wheres) if where in known]
        if gone:
            self._log.append_many(
                [None] * len(gone), keys=[encode_key(group, w.topic, w.partition) for w in gone]
            )
            self._log.sync()
        return len(gone)

    def _read_on(self) -> None:
        """Takes in the records appended since the last look."""
        while self._next < self._log.end_offset:
            try:
                batch = self._log.read_batch(self._next, _READ_RECORDS, _READ_BYTES)
            except OffsetOutOfRange:
                # Retention went past: whatever is left below the start says nothing any more.
                self._next = max(self._next + 1, int(self._log.start_offset))
                continue
            if not len(batch):
                return
            for key, value in zip(batch.keys.tolist(), batch.values.tolist(), strict=True):
                self._apply(key, value)
            self._next = int(batch.offsets[-1]) + 1

    def _apply(self, key: bytes | None, value: bytes | None) -> None:
        what = None if key is None else decode_key(key)
        if not isinstance(what, OffsetCommitKey):
            return
        where = TopicPartition(what.topic, what.partition)
        offsets = self._groups.setdefault(what.group, {})
        if value is None:
            offsets.pop(where, None)
            return
        entry = decode_value(value)
        epoch = None if entry.leader_epoch < 0 else entry.leader_epoch
        offsets[where] = OffsetAndMetadata(entry.offset, entry.metadata, epoch)
