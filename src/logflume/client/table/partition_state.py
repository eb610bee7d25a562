"""What a table knows of one partition: the last value of each key, and up to which offset that holds."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy

from logflume.client.table.checkpoint_file import Checkpoint, Entries
from logflume.errors import OffsetOutOfRange, RecoveryFailed

if TYPE_CHECKING:
    from logflume._native.columns import RecordBatch
    from logflume._native.partition import Partition
    from logflume._native.partition_reader import PartitionReader

__all__ = ["Announce", "Held", "PartitionState"]

Held = bytes | int
"""A value, or the offset of the record that has it."""
Announce = Callable[[bytes, bytes | None, bytes | None], None]
"""Told of each change, in the order of the log: the key, the value before, the value now."""

_READ_RECORDS = 100_000
_READ_BYTES = 1 << 20
_REBUILDS_MAX = 10


class PartitionState:
    """Folds a partition's records into a dict. The table's lock guards all that changes it; `find` needs none.

    `inline_bytes_max`: longer values are held as the offset of their record.
    """

    def __init__(
        self,
        log: Partition,
        *,
        inline_bytes_max: int,
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self.log = log
        self.entries: Entries = {}
        self.position = -1
        """Offset of the next record to fold; -1 before the first."""
        self.pending: dict[bytes, tuple[bytes | None]] = {}
        """Own writes that were not yet read back; each in a tuple of its own, to be told from a later one."""
        self.applied = 0
        """Records folded since the last checkpoint."""
        self._inline_bytes_max = inline_bytes_max
        self._clock_ms = clock_ms
        self._start_offset = -1
        self._current_at_ms = 0
        self._anchor = (-1, -1)
        self._reader: PartitionReader | None = None

    def find(self, key: bytes) -> Held | None:
        """What is held for a key, own writes included; None when it is absent."""
        if self.pending:
            own = self.pending.get(key)
            if own is not None:
                return own[0]
        return self.entries.get(key)

    def snapshot(self) -> Entries:
        """A copy of all there is, own writes included."""
        entries = self.entries.copy()
        for key, (value,) in self.pending.items():
            if value is None:
                entries.pop(key, None)
            else:
                entries[key] = value
        return entries

    def count(self) -> int:
        """Number of keys, own writes included."""
        changed = sum(
            (value is not None) - (key in self.entries) for key, (value,) in self.pending.items()
        )
        return len(self.entries) + changed

    def value_at(self, offset: int) -> bytes | None:
        """The value of the record at an offset; None when the log has it no more."""
        try:
            record = self.log.read(offset)
        except OffsetOutOfRange:
            return None
        return record.value if record.offset == offset else None

    def _value_of(self, held: Held | None) -> bytes | None:
        return self.value_at(held) if isinstance(held, int) else held

    # ---- following the log

    def catch_up(self, announce: Announce | None, tombstone_ms: int) -> int:
        """Fold all that is published and committed by now; returns how many records.

        `tombstone_ms`: how long compaction keeps a tombstone (`delete.retention.ms`). Raises CorruptRecord, and
        whatever `announce` raises: the record it was told of is folded then, and the next call goes on behind it.
        """
        log = self.log
        if log.start_offset != self._start_offset:
            # Records went from the front, and with them, perhaps, the last value of some keys.
            return self._rebuild(announce, tombstone_ms)
        now, end = self._clock_ms(), log.last_stable_offset
        if self._reader is None:
            self._reader = log.reader(self.position, read_committed=True)
        reader = self._reader
        reader.seek(self.position)
        # Compaction leaves gaps. A tombstone may have been in one only if it was there for longer than
        # compaction keeps them, that is if this state is that old.
        suspicious = now - self._current_at_ms >= tombstone_ms
        count = 0
        while self.position < end:
            try:
                batch = reader.read(_READ_RECORDS, _READ_BYTES)
            except OffsetOutOfRange:
                return count + self._rebuild(announce, tombstone_ms)
            if suspicious and _has_gap(batch, self.position, reader.position):
                return count + self._rebuild(announce, tombstone_ms)
            if not len(batch) and reader.position == self.position:
                break
            self._fold(batch, reader.position, announce)
            count += len(batch)
        if self.position >= end:
            self._current_at_ms = now
        return count

    def _fold(self, batch: RecordBatch, position: int, announce: Announce | None) -> None:
        if len(batch):
            if announce is None:
                _fold_into(self.entries, batch, self._inline_bytes_max)
                self.applied += len(batch)
            else:
                self._fold_each(batch, announce)
            self._anchor = int(batch.offsets[-1]), int(batch.timestamps[-1])
        self.position = position

    def _fold_each(self, batch: RecordBatch, announce: Announce) -> None:
        entries = self.entries
        rows = zip(
            batch.offsets.tolist(), batch.keys.tolist(), _held_values(batch, self._inline_bytes_max)
        )
        for offset, key, value in rows:
            self.position = offset + 1
            self.applied += 1
            if key is None:
                continue
            old = entries.get(key)
            if value is not None:
                entries[key] = value
            elif old is None:
                continue
            else:
                del entries[key]
            announce(key, self._value_of(old), self._value_of(value))

    def _rebuild(self, announce: Announce | None, tombstone_ms: int) -> int:
        """Fold the whole log anew, then announce what differs; returns how many records it has."""
        for _ in range(_REBUILDS_MAX):
            began, sealed = self._clock_ms(), self._sealed()
            try:
                fresh, count = self._read_all()
            except OffsetOutOfRange:
                continue  # its front was deleted meanwhile
            # A tombstone that compaction took before we came to it would leave its key alive. It takes only old
            # ones, so unless they are not kept for as long as this reading took, there was none.
            if self._clock_ms() - began < tombstone_ms or self._sealed()[: len(sealed)] == sealed:
                break
        else:
            raise RecoveryFailed(
                path=self.log.path,
                reason=f"the log was compacted during each of {_REBUILDS_MAX} readings in a row",
            )
        old, self.entries = self.entries, fresh
        self._current_at_ms = began
        self.applied += count
        if announce is not None:
            self._announce_difference(old, fresh, announce)
        return count

    def _read_all(self) -> tuple[Entries, int]:
        fresh: Entries = {}
        start, end = self.log.start_offset, self.log.last_stable_offset
        reader = self.log.reader(start, read_committed=True)
        anchor, count = (-1, -1), 0
        while reader.position < end:
            before = reader.position
            batch = reader.read(_READ_RECORDS, _READ_BYTES)
            if len(batch):
                _fold_into(fresh, batch, self._inline_bytes_max)
                anchor = int(batch.offsets[-1]), int(batch.timestamps[-1])
                count += len(batch)
            elif reader.position == before:
                break
        self._reader, self.position = reader, reader.position
        self._start_offset, self._anchor = start, anchor
        return fresh, count

    def forget(self) -> None:
        """Have the next catch_up fold the whole log anew."""
        self._start_offset = -1

    def _sealed(self) -> list[tuple[int, int]]:
        return [(s.base_offset, s.size) for s in self.log.segments() if s.sealed]

    def replay(self, announce: Announce) -> None:
        """Announce every key that is there, own writes left out."""
        for key, held in self.entries.copy().items():
            announce(key, None, self._value_of(held))

    def _announce_difference(self, old: Entries, new: Entries, announce: Announce) -> None:
        """All are told, whatever an earlier call raises; the first failure is raised at the end."""
        failure: Exception | None = None
        changes = [(k, old.get(k), v) for k, v in new.items() if old.get(k) != v]
        gone = [(k, v, None) for k, v in old.items() if k not in new]
        for key, before, after in [*changes, *gone]:
            try:
                announce(key, self._value_of(before), self._value_of(after))
            except Exception as error:
                failure = failure or error
        if failure is not None:
            raise failure

    # ---- checkpoints

    def take(self, topic_id: bytes) -> Checkpoint:
        """What is held now, own unread writes left out, as a checkpoint."""
        return Checkpoint(
            topic_id,
            self.log.partition,
            self.position,
            self._start_offset,
            self._current_at_ms,
            *self._anchor,
            self.entries.copy(),
        )

    def restore(self, checkpoint: Checkpoint, topic_id: bytes) -> str | None:
        """Begin with a checkpoint's entries; the reason why not, when it is not one of this log's."""
        log = self.log
        if (checkpoint.topic_id, checkpoint.partition) != (topic_id, log.partition):
            return "is of another topic"
        if checkpoint.start_offset != log.start_offset:
            return "is older than the log's start"
        if not log.start_offset <= checkpoint.position <= log.end_offset:
            return "is ahead of the log"
        anchor = checkpoint.anchor_offset
        found = self._timestamp_at(anchor) if anchor >= 0 else None
        if found is not None and found != checkpoint.anchor_timestamp:
            return "is of another log: its last record is not in this one"
        self.entries = checkpoint.entries
        self.position = checkpoint.position
        self._start_offset = checkpoint.start_offset
        self._current_at_ms = checkpoint.taken_at_ms
        self._anchor = anchor, checkpoint.anchor_timestamp
        self.applied = 0
        return None

    def _timestamp_at(self, offset: int) -> int | None:
        """Of the record at an offset; None when compaction took it."""
        try:
            record = self.log.read(offset)
        except OffsetOutOfRange:
            return None
        return record.timestamp if record.offset == offset else None


def _has_gap(batch: RecordBatch, position: int, after: int) -> bool:
    """Whether offsets are missing between `position` and `after`, where `batch` is all there was."""
    return after - position != len(batch)


def _held_values(batch: RecordBatch, inline_bytes_max: int) -> list[bytes | int | None]:
    """Each row's value, or its offset where the value is longer than `inline_bytes_max`."""
    lengths = batch.value_lengths
    values: list[bytes | int | None]
    if int(lengths.max()) <= inline_bytes_max:
        values = batch.values.tolist()  # type: ignore[assignment]  # a fresh list, nobody else's
        return values
    values = batch.offsets.tolist()
    views = batch.values
    for row in numpy.flatnonzero(lengths <= inline_bytes_max).tolist():
        view = views[row]
        values[row] = None if view is None else bytes(view)
    return values


def _fold_into(entries: Entries, batch: RecordBatch, inline_bytes_max: int) -> None:
    """Apply a batch that is not empty: later rows win, tombstones delete, rows without key are left out."""
    keys = batch.keys.tolist()
    # Tombstones go in as None, so that the order among a key's rows decides, and are taken out after.
    entries.update(zip(keys, _held_values(batch, inline_bytes_max)))  # type: ignore[arg-type]
    loose: dict[bytes | None, bytes | int | None] = entries  # type: ignore[assignment]  # for a moment
    lengths = batch.value_lengths
    if int(lengths.min()) < 0:
        for row in numpy.flatnonzero(lengths < 0).tolist():
            if loose.get(keys[row], 0) is None:
                del loose[keys[row]]
    loose.pop(None, None)
