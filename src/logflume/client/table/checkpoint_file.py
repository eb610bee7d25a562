"""A partition's part of a table as a file, so that a restart reads only what came after it.

Written whole beside the old one and renamed; read with every size and sum checked. All numbers are
little-endian. ::

    header   magic "LFTABLE\\0"  8 | version 4 | topic id 16 | partition 4 | position 8 | start offset 8
             | taken at (ms) 8 | anchor offset 8 | anchor timestamp 8 | number of keys 8 | CRC-32C of these 4
    chunk    number of keys 4 | bytes of keys 8 | bytes of values 8 | CRC-32C of these and of the rest 4
             | length of each key, 4 each | length of each value, 4 each | keys | values

as many chunks as it takes. A value's length of -1 says that its 8 bytes are the offset of the record that
holds it. The anchor is the last record that was read: when the log has another one there, the checkpoint is
of another log.
"""

from __future__ import annotations

import fcntl
import io
import os
import struct
from itertools import islice
from typing import BinaryIO, NamedTuple

import numpy

from logflume._native.hashing import crc32c
from logflume.errors import CorruptRecord, UnsupportedFormat
from logflume.log.filesystem import raise_typed, sync_directory
from logflume.log.small_file import TEMPORARY_SUFFIX

__all__ = ["Checkpoint", "Entries", "read_checkpoint", "write_checkpoint"]

Entries = dict[bytes, bytes | int]
"""Values by key: the bytes, or the offset of the record that has them."""

_MAGIC = b"LFTABLE\0"
_VERSION = 1
_HEADER = struct.Struct("<8sI16sIqqqqqQ")
_CHUNK = struct.Struct("<IQQ")
_SUM = struct.Struct("<I")
_OFFSET = struct.Struct("<q")
_AT_OFFSET = -1
_CHUNK_KEYS = 1 << 14


class Checkpoint(NamedTuple):
    """What the file says. The entries are those of all records below `position` (an offset)."""

    topic_id: bytes
    partition: int
    position: int
    start_offset: int
    """The log's start offset when it was taken."""
    taken_at_ms: int
    """When the table was known to have all records up to the end of the log."""
    anchor_offset: int
    """Offset of the last record read, -1 when there was none."""
    anchor_timestamp: int
    entries: Entries


def write_checkpoint(path: str, checkpoint: Checkpoint) -> None:
    """Replace the file, on disk when this returns. Several processes may do so; the last one stays.

    Raises DiskFull, ReadOnlyDirectory, SyncFailed; the old file is still there then.
    """
    # One name for all, kept by a lock: what a killed process leaves is used again, not left to pile up.
    temporary = path + TEMPORARY_SUFFIX
    try:
        while not _write_owned(temporary, path, checkpoint):
            pass
    except OSError as error:
        raise_typed(error, path)
    sync_directory(os.path.dirname(path) or ".")


def _write_owned(temporary: str, path: str, checkpoint: Checkpoint) -> bool:
    """False when somebody renamed the temporary file while we waited for its lock."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(temporary, flags, 0o644), "r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            if not os.path.samestat(os.fstat(file.fileno()), os.stat(temporary)):
                return False
        except FileNotFoundError:
            return False
        file.truncate(0)
        _write(file, checkpoint)
        file.flush()
        try:
            os.fsync(file.fileno())
        except OSError as error:
            raise_typed(error, path, syncing=True)
        os.replace(temporary, path)
    return True


def _write(file: BinaryIO, it: Checkpoint) -> None:
    header = _HEADER.pack(
        _MAGIC,
        _VERSION,
        it.topic_id,
        it.partition,
        it.position,
        it.start_offset,
        it.taken_at_ms,
        it.anchor_offset,
        it.anchor_timestamp,
        len(it.entries),
    )
    file.write(header + _SUM.pack(crc32c(header)))
    pairs = iter(it.entries.items())
    while chunk := list(islice(pairs, _CHUNK_KEYS)):
        _write_chunk(file, chunk)


def _write_chunk(file: BinaryIO, pairs: list[tuple[bytes, bytes | int]]) -> None:
    keys = [key for key, _ in pairs]
    lengths = [_AT_OFFSET if isinstance(value, int) else len(value) for _, value in pairs]
    values = b"".join(
        [_OFFSET.pack(value) if isinstance(value, int) else value for _, value in pairs]
    )
    body = b"".join(
        [
            numpy.fromiter(map(len, keys), "<i4", len(keys)).tobytes(),
            numpy.array(lengths, "<i4").tobytes(),
            *keys,
            values,
        ]
    )
    head = _CHUNK.pack(len(pairs), len(body) - 8 * len(pairs) - len(values), len(values))
    file.write(head + _SUM.pack(crc32c(body, crc32c(head))))
    file.write(body)


def read_checkpoint(path: str) -> Checkpoint | None:
    """What the file says; None when there is none. Raises CorruptRecord, UnsupportedFormat."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    with open(descriptor, "rb") as file:
        reader = _Reader(path, file)
        fields, count = reader.header()
        entries: Entries = {}
        left = count
        while left:
            left -= reader.chunk(entries, left)
        reader.end()
    if len(entries) != count:
        reader.corrupt("a key is there twice")
    return Checkpoint(*fields, entries)


class _Reader:
    """Reads from front to back; every size is held against what is left of the file before it is used."""

    def __init__(self, path: str, file: BinaryIO) -> None:
        self._path = path
        self._file = file
        self._left = os.fstat(file.fileno()).st_size

    def corrupt(self, reason: str) -> None:
        raise CorruptRecord(path=self._path, position=self._file.tell(), reason=reason)

    def take(self, size: int) -> bytes:
        if size > self._left:
            self.corrupt(f"ends {size - self._left} bytes early")
        data = self._file.read(size)
        if len(data) != size:
            self.corrupt("ends early")
        self._left -= size
        return data

    def header(self) -> tuple[tuple[bytes, int, int, int, int, int, int], int]:
        data = self.take(_HEADER.size)
        magic, version, *rest = _HEADER.unpack(data)
        if magic != _MAGIC:
            self.corrupt("is no checkpoint of a table")
        if version != _VERSION:
            raise UnsupportedFormat(
                path=self._path, reason=f"version {version} of a table's checkpoint"
            )
        if self.take(_SUM.size) != _SUM.pack(crc32c(data)):
            self.corrupt("crc mismatch")
        topic_id, partition, position, start, taken, anchor, stamp, count = rest
        return (topic_id, partition, position, start, taken, anchor, stamp), count

    def chunk(self, entries: Entries, count_max: int) -> int:
        """Adds a chunk's entries; returns how many it has."""
        head = self.take(_CHUNK.size)
        count, key_bytes, value_bytes = _CHUNK.unpack(head)
        sum_of_all = self.take(_SUM.size)
        if not 0 < count <= count_max:
            self.corrupt(f"a chunk of {count} keys where {count_max} are to come")
        body = self.take(8 * count + key_bytes + value_bytes)
        if sum_of_all != _SUM.pack(crc32c(body, crc32c(head))):
            self.corrupt("crc mismatch")
        lengths = numpy.frombuffer(body, "<i4", 2 * count)
        key_lengths, value_lengths = lengths[:count], lengths[count:]
        at_offsets = value_lengths == _AT_OFFSET
        sizes = numpy.where(at_offsets, _OFFSET.size, value_lengths)
        fits = int(key_lengths.sum(dtype="i8")) == key_bytes
        fits = fits and int(sizes.sum(dtype="i8")) == value_bytes
        if not fits or int(key_lengths.min()) < 0 or int(sizes.min()) < 0:
            self.corrupt("lengths do not add up")
        # BytesIO.read cuts bytes out faster than slicing: no slice object for each.
        rest = io.BytesIO(body)
        rest.seek(8 * count)
        keys = list(map(rest.read, key_lengths.tolist()))
        values: list[bytes | int] = list(map(rest.read, sizes.tolist()))
        for row in numpy.flatnonzero(at_offsets).tolist():
            value = values[row]
            assert isinstance(value, bytes)
            values[row] = _OFFSET.unpack(value)[0]
        entries.update(zip(keys, values))
        return int(count)

    def end(self) -> None:
        if self._left:
            self.corrupt(f"{self._left} bytes too many")
