"""A partition of `__share_group_state`: read as it grows, appended to, freed of what is past."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from logflume.errors import InvalidRecord, OffsetOutOfRange
from logflume.observe import get_logger

from .state_schema import (
    NO_COUNT,
    NO_EPOCH,
    NO_OFFSET,
    ShareKey,
    Snapshot,
    Update,
    decode_key,
    decode_snapshot,
    decode_update,
    encode_snapshot,
    encode_snapshot_key,
    encode_update,
    encode_update_key,
)
from .window import Window

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from logflume._native.partition import Partition
    from logflume._native.partition_reader import PartitionReader

__all__ = ["DurableState", "ShareStateLog"]

SNAPSHOT = b"\0\0"  # how a snapshot's key begins
READ_RECORDS_MAX = 100_000
READ_BYTES_MAX = 1 << 20

_logger = get_logger(__name__)


@dataclass(slots=True)
class DurableState:
    """What the log says of a share partition. `window` is None while its start is not chosen."""

    snapshot_epoch: int
    state_epoch: int
    leader_epoch: int
    create_ms: int
    window: Window | None


@dataclass(slots=True)
class _Records:
    """The newest snapshot of a key and the updates since, as bytes; offsets of the snapshot and of the last of them."""

    snapshot: bytes
    snapshot_offset: int
    last_offset: int
    updates: list[bytes] = field(default_factory=list)


class ShareStateLog:
    """Not thread-safe. Keeps what counts in memory, as bytes, and reads on before it answers.

    Who appends for a key holds that key's working file, so that nobody else does. `forget(before)` is called when
    nothing below an offset counts any more. Raises what reading and appending raise (CorruptRecord, DiskFull ...).
    """

    def __init__(self, log: Partition, forget: Callable[[int], object] = lambda _: None) -> None:
        self._log = log
        self._forget = forget
        self._reader: PartitionReader | None = None
        self._position = -1
        self._records: dict[ShareKey, _Records] = {}
        self._names: dict[ShareKey, bytes] = {}  # keys of updates, as bytes

    # Reading

    def refresh(self) -> None:
        """Read what was appended since the last time, by whomever."""
        end = self._log.end_offset
        if self._position == end:
            return
        if self._reader is None:
            self._reader = self._log.reader(self._log.start_offset)
        while (before := self._reader.position) < end:
            try:
                batch = self._reader.read(READ_RECORDS_MAX, READ_BYTES_MAX)
            except OffsetOutOfRange as error:
                # What was cut off is in memory, or past.
                self._reader.seek(max(error.start_offset, before))
                if self._reader.position == before:
                    raise
                continue
            offsets = batch.offsets.tolist()
            for offset, key, value in zip(
                offsets, batch.keys.tolist(), batch.values.tolist(), strict=True
            ):
                self._take(offset, key, value)
            if self._reader.position == before:
                break
        self._position = self._reader.position

    def _take(self, offset: int, key_bytes: bytes | None, value: bytes | None) -> None:
        try:
            found = decode_key(key_bytes) if key_bytes is not None else None
        except InvalidRecord as error:
            _logger.warning("unreadable state passed over", path=self._log.path, why=str(error))
            return
        if found is None:
            return
        self._keep(offset, *found, value)

    def _keep(self, offset: int, is_snapshot: bool, key: ShareKey, value: bytes | None) -> None:
        if value is None:
            self._records.pop(key, None)
        elif is_snapshot:
            self._records[key] = _Records(value, offset, offset)
        elif (records := self._records.get(key)) is not None:
            records.updates.append(value)
            records.last_offset = offset

    def share_keys(self) -> list[ShareKey]:
        """All share partitions with a state here."""
        self.refresh()
        return list(self._records)

    def last_offset(self, key: ShareKey) -> int:
        """Offset of the newest record of a key, -1 when it has no state."""
        self.refresh()
        records = self._records.get(key)
        return -1 if records is None else records.last_offset

    def state(self, key: ShareKey) -> DurableState | None:
        """What the log says of a key; None when nothing. Raises InvalidRecord."""
        self.refresh()
        records = self._records.get(key)
        if records is None:
            return None
        first = decode_snapshot(records.snapshot)
        state = DurableState(
            first.snapshot_epoch, first.state_epoch, first.leader_epoch, first.create_ms, None
        )
        if first.start_offset != NO_OFFSET:
            state.window = Window(first.start_offset)
            state.window.overlay(first.start_offset, first.batches)
        for data in records.updates:
            self._merge(state, decode_update(data))
        return state

    def _merge(self, state: DurableState, update: Update) -> None:
        if update.leader_epoch != NO_EPOCH:
            state.leader_epoch = update.leader_epoch
        if state.window is None:
            if update.start_offset == NO_OFFSET:
                return
            state.window = Window(update.start_offset)
        start = state.window.start if update.start_offset == NO_OFFSET else update.start_offset
        state.window.overlay(start, update.batches)

    def updates_since_snapshot(self, key: ShareKey) -> int:
        """How many updates there are on top of a key's snapshot; -1 when it has none."""
        records = self._records.get(key)
        return -1 if records is None else len(records.updates)

    # Writing

    def append_update(self, key: ShareKey, snapshot_epoch: int, window: Window) -> int:
        """Say what changed; the offset of the record."""
        value = Update(
            snapshot_epoch, NO_EPOCH, window.start, window.complete_count(), tuple(window.changes())
        )
        name = self._names.get(key)
        if name is None:
            name = self._names[key] = encode_update_key(key)
        return self._append(key, name, encode_update(value))

    def append_snapshot(self, key: ShareKey, state: DurableState) -> int:
        """Say all there is; the offset of the record. Frees what no key's newest snapshot needs."""
        window, now_ms = state.window, time.time_ns() // 1_000_000
        value = Snapshot(
            state.snapshot_epoch,
            state.state_epoch,
            state.leader_epoch,
            NO_OFFSET if window is None else window.start,
            NO_COUNT if window is None else window.complete_count(),
            state.create_ms,
            now_ms,
            () if window is None else tuple(window.batches()),
        )
        offset = self._append(key, encode_snapshot_key(key), encode_snapshot(value))
        self.refresh()
        self._forget(min(records.snapshot_offset for records in self._records.values()))
        return offset

    def append_tombstones(self, keys: Iterable[ShareKey]) -> int:
        """Take back the states of these; the offset of the last record."""
        names = [encode_snapshot_key(key) for key in keys]
        return self._log.append_many([None] * len(names), names) + len(names) - 1

    def _append(self, key: ShareKey, name: bytes, value: bytes) -> int:
        offset = self._log.append_many([value], [name])
        if self._reader is not None and self._position == offset:
            # Nobody else's lie between: what is known need not be read.
            self._keep(offset, name[:2] == SNAPSHOT, key, value)
            self._position = offset + 1
            self._reader.seek(self._position)
        return offset

    def sync(self, offset: int) -> None:
        """Have the record at `offset` on disk."""
        self._log.sync(offset + 1)
