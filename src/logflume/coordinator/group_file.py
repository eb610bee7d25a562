"""A group's file: one table of bytes, replaced whole, and bytes that serve as locks.

    0     magic "LFGROUP" 0, version u32, 4 zero bytes
    16    generation u64: tells without a lock whether to look again
    64    slot A } sequence u64, generation u64, position u64, size u32, crc32c of the table u32,
    128   slot B } crc32c of the 32 bytes before u32
    4096  the tables, each where its slot's `position` says

Little-endian. The slot with the higher sequence and right checksums is the table. A writer puts
the new table where the old one is not, then fills the other slot, then the generation: killed
anywhere between, it leaves the old table or the new one. The file is not synced, because what it
says is true only while its members live, and those do not survive the machine.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from logflume._native.hashing import crc32c
from logflume.errors import Closed, CorruptRecord, LockTimeout, UnsupportedFormat
from logflume.log.filesystem import raise_typed
from logflume.observe import get_logger

from .byte_locks import TO_THE_END, is_locked_by_other, try_lock, unlock

__all__ = ["GroupFile", "StoredTable"]

MAGIC = b"LFGROUP\0"
VERSION = 1
HEADER_SIZE = 4096
GENERATION_AT = 16
SLOTS_AT = (64, 128)
TABLE_ALIGNMENT = 64
TABLE_SIZE_MAX = 64 << 20

# Bytes that are locked, none of which holds data. Apart by more than can ever be needed.
TABLE_BYTE = 1 << 40
BROKER_BYTE = TABLE_BYTE + 1
SLOT_BYTES = 1 << 41
PARTITION_BYTES = 1 << 42

_HEADER = struct.Struct("<8sI4x")
_SLOT = struct.Struct("<QQQII")
_CRC = struct.Struct("<I")
_GENERATION = struct.Struct("<Q")

_logger = get_logger(__name__)


class StoredTable(NamedTuple):
    """What a read gives: the generation it was written with, and the bytes (None: never written)."""

    generation: int
    data: bytes | None


class _Slot(NamedTuple):
    sequence: int
    generation: int
    position: int
    size: int
    crc: int


class GroupFile:
    """The open file. Not thread-safe. Owns its descriptor, and with it every lock taken through it.

    Closing it frees all locks, as does the death of the process. In a forked child it is closed
    before the child runs, and every use there raises Closed. Opening raises FileNotFoundError
    (without `create`), DiskFull, ReadOnlyDirectory, UnsupportedFormat, CorruptRecord.
    """

    # For `close`, should the constructor fail early.
    _fd = -1
    _map: mmap.mmap | None = None
    _words: memoryview | None = None
    _inherited = False

    def __init__(
        self,
        path: str,
        *,
        create: bool = False,
        read_only: bool = False,
        lock_timeout_s: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.path = path
        self._read_only = read_only
        self._lock_timeout_s = lock_timeout_s
        self._clock = clock
        self._sleep = sleep
        self._open(create)
        _open_files.add(self)

    def _open(self, create: bool) -> None:
        flags = os.O_CLOEXEC | os.O_NOFOLLOW
        flags |= os.O_RDONLY if self._read_only else os.O_RDWR
        try:
            self._fd = os.open(self.path, flags | (os.O_CREAT if create else 0), 0o644)
            with self.locked(shared=self._read_only):
                self._check_header()
        except OSError as error:
            self.close()
            raise_typed(error, self.path)
        except BaseException:
            self.close()
            raise
        if os.fstat(self._fd).st_size >= HEADER_SIZE:
            self._map = mmap.mmap(self._fd, HEADER_SIZE, prot=mmap.PROT_READ)
            self._words = memoryview(self._map).cast("Q")

    def _check_header(self) -> None:
        header = os.pread(self._fd, _HEADER.size, 0)
        if not self._read_only:
            # Allocated, so that the map never meets a full disk.
            os.posix_fallocate(self._fd, 0, HEADER_SIZE)
        if not any(header):  # new, or its maker died here
            if not self._read_only:
                self._write(_HEADER.pack(MAGIC, VERSION), 0)
            return
        if len(header) < _HEADER.size or header[:8] != MAGIC:
            raise CorruptRecord(path=self.path, position=0, reason="not a group file")
        version = _HEADER.unpack(header)[1]
        if version != VERSION:
            raise UnsupportedFormat(
                path=self.path, reason=f"group file of version {version}; this knows {VERSION}"
            )

    # Life

    @property
    def closed(self) -> bool:
        """True after `close`, and in a forked child."""
        return self._fd < 0

    def close(self) -> None:
        """Free every lock and the map. May be called again."""
        if self._words is not None:
            self._words.release()
            self._words = None
        if self._map is not None:
            self._map.close()
            self._map = None
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def close_inherited(self) -> None:
        """For a forked child: give up the parent's descriptor. Frees none of the parent's locks."""
        self._inherited = self._fd >= 0
        self.close()

    def __del__(self) -> None:
        # A forgotten object must not go on as a member: its locks end with its descriptor.
        self.close()

    def is_at_path(self) -> bool:
        """False once the file was deleted or replaced: what is locked here then binds nobody."""
        mine = os.fstat(self._descriptor())
        try:
            there = os.stat(self.path)
        except FileNotFoundError:
            return False
        return (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)

    def _descriptor(self) -> int:
        if self._fd < 0:
            why = ", inherited by a forked child," if self._inherited else ""
            raise Closed(what=f"group file {self.path}{why}")
        return self._fd

    # Locks

    @contextmanager
    def locked(self, *, shared: bool = False) -> Iterator[None]:
        """Hold the table: alone, or together with other readers. Raises LockTimeout."""
        fd = self._descriptor()
        self._wait_for_table(fd, shared)
        try:
            yield
        finally:
            if self._fd == fd:
                unlock(fd, TABLE_BYTE)

    def _wait_for_table(self, fd: int, shared: bool) -> None:
        if try_lock(fd, TABLE_BYTE, shared=shared):
            return
        deadline = self._clock() + self._lock_timeout_s
        pause = 0.0001
        while not try_lock(fd, TABLE_BYTE, shared=shared):
            if self._clock() > deadline:
                raise LockTimeout(what=f"group file {self.path}", seconds=self._lock_timeout_s)
            self._sleep(pause)
            pause = min(pause * 2, 0.002)

    def lock_for_broker(self) -> bool:
        """Become the broker whose clients are the group's members; False when another is."""
        return try_lock(self._descriptor(), BROKER_BYTE)

    @property
    def is_brokers(self) -> bool:
        """Whether (another) broker's clients are the group's members."""
        return is_locked_by_other(self._descriptor(), BROKER_BYTE)

    def lock_slot(self, slot: int) -> bool:
        """Become the living holder of a member's slot; False when another is."""
        return try_lock(self._descriptor(), SLOT_BYTES + slot)

    def is_slot_alive(self, slot: int) -> bool:
        """Whether another member lives in the slot."""
        return is_locked_by_other(self._descriptor(), SLOT_BYTES + slot)

    def lock_partition(self, number: int) -> bool:
        """Own the partition with this number; False while another does."""
        return try_lock(self._descriptor(), PARTITION_BYTES + number)

    def unlock_partition(self, number: int) -> None:
        """Let the next owner have it."""
        unlock(self._descriptor(), PARTITION_BYTES + number)

    def are_partitions_owned(self, first: int, count: int) -> bool:
        """Whether another member owns any of `count` numbers from `first` on."""
        return count > 0 and is_locked_by_other(self._descriptor(), PARTITION_BYTES + first, count)

    def is_anyone_else_alive(self) -> bool:
        """Whether another descriptor holds any slot or partition."""
        return is_locked_by_other(self._descriptor(), SLOT_BYTES, TO_THE_END)

    # The table

    @property
    def generation(self) -> int:
        """Generation of the last table written, read without a lock or a system call."""
        words = self._words
        if words is None:
            self._descriptor()
            return 0
        generation: int = words[GENERATION_AT // 8]
        return generation

    def read(self) -> StoredTable:
        """The table. The caller holds the lock. Raises CorruptRecord when no slot is whole."""
        current = self._current_slot()
        if current is not None:
            return StoredTable(current[0].generation, current[1])
        if any(os.pread(self._descriptor(), SLOTS_AT[1] + 64, SLOTS_AT[0])):
            raise CorruptRecord(
                path=self.path, position=SLOTS_AT[0], reason="neither of its two tables is whole"
            )
        return StoredTable(0, None)

    def read_or_restart(self) -> StoredTable:
        """As `read`, but a table that nobody lives by any more and that is no good counts as empty.

        For one who joins. A power cut can tear both tables; then all their members are gone too.
        """
        try:
            return self.read()
        except CorruptRecord as error:
            if self.is_anyone_else_alive():
                raise
            _logger.warning("group table unreadable, started anew", path=self.path, why=str(error))
            return StoredTable(self.generation, None)

    def write(self, data: bytes, generation: int) -> None:
        """Replace the table. The caller holds the lock alone. Raises DiskFull; then the old stays."""
        assert len(data) <= TABLE_SIZE_MAX
        current = self._current_slot()
        if current is None:
            sequence, position = 1, HEADER_SIZE
        else:
            old = current[0]
            sequence = old.sequence + 1
            fits_before = HEADER_SIZE + len(data) <= old.position
            position = HEADER_SIZE if fits_before else _aligned(old.position + old.size)
        slot = _SLOT.pack(sequence, generation, position, len(data), crc32c(data))
        try:
            self._write(data, position)
            self._write(slot + _CRC.pack(crc32c(slot)), SLOTS_AT[sequence % 2])
            self._write(_GENERATION.pack(generation), GENERATION_AT)
        except OSError as error:
            raise_typed(error, self.path)

    def _current_slot(self) -> tuple[_Slot, bytes] | None:
        """The newest slot whose checksums hold, with its table."""
        found = [pair for at in SLOTS_AT if (pair := self._slot(at)) is not None]
        return max(found, key=lambda pair: pair[0].sequence, default=None)

    def _slot(self, at: int) -> tuple[_Slot, bytes] | None:
        raw = os.pread(self._descriptor(), _SLOT.size + _CRC.size, at)
        if len(raw) < _SLOT.size + _CRC.size:
            return None
        if _CRC.unpack_from(raw, _SLOT.size)[0] != crc32c(raw[: _SLOT.size]):
            return None
        slot = _Slot(*_SLOT.unpack_from(raw))
        if slot.sequence == 0 or slot.size > TABLE_SIZE_MAX:
            return None
        data = os.pread(self._fd, slot.size, slot.position)
        if len(data) != slot.size or crc32c(data) != slot.crc:
            return None
        return slot, data

    def _write(self, data: bytes, position: int) -> None:
        rest = memoryview(data)
        while rest:
            done = os.pwrite(self._descriptor(), rest, position)
            rest, position = rest[done:], position + done


def _aligned(position: int) -> int:
    return -(-position // TABLE_ALIGNMENT) * TABLE_ALIGNMENT


_open_files: weakref.WeakSet[GroupFile] = weakref.WeakSet()


def _close_all_inherited() -> None:
    for file in list(_open_files):
        file.close_inherited()


os.register_at_fork(after_in_child=_close_all_inherited)
