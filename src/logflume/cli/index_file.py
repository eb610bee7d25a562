"""Entries of `.index` and `.timeindex` files (docs/FORMAT.md, "Indexes")."""

from __future__ import annotations

import os
import struct

from logflume.errors import CorruptRecord
from logflume.log import layout
from logflume.types import NamedTuple

__all__ = ["OffsetEntry", "TimeEntry", "read_offset_index", "read_time_index"]

_OFFSET = struct.Struct(">ii")
_TIME = struct.Struct(">qi")


class OffsetEntry(NamedTuple):
    """`offset`: the last one of the batch at `position`. `at`: where the entry is in its file."""

    offset: int
    position: int
    at: int


class TimeEntry(NamedTuple):
    """`timestamp`: the largest in the segment up to `offset`. `at`: where the entry is in its file."""

    timestamp: int
    offset: int
    at: int


def read_offset_index(path: str) -> list[OffsetEntry]:
    """All entries before the zero tail. Raises CorruptRecord when they do not rise or end in a part of one."""
    base, data = _load(path, _OFFSET.size)
    entries: list[OffsetEntry] = []
    for relative, position in _OFFSET.iter_unpack(data):
        at = len(entries) * _OFFSET.size
        if entries and relative == 0:
            break  # Kafka's preallocated tail
        entry = OffsetEntry(base + relative, position, at)
        before = entries[-1] if entries else OffsetEntry(base - 1, -1, 0)
        if entry.offset <= before.offset or entry.position <= before.position:
            if not any(data[at:]):
                break
            raise CorruptRecord(path=path, position=at, reason="the entries do not rise")
        entries.append(entry)
    return entries


def read_time_index(path: str) -> list[TimeEntry]:
    """All entries before the zero tail. Raises CorruptRecord when they do not rise or end in a part of one."""
    base, data = _load(path, _TIME.size)
    entries: list[TimeEntry] = []
    for timestamp, relative in _TIME.iter_unpack(data):
        at = len(entries) * _TIME.size
        if not any(data[at : at + _TIME.size]):
            break
        entry = TimeEntry(timestamp, base + relative, at)
        before = entries[-1] if entries else TimeEntry(-(1 << 63), base - 1, 0)
        # Equal: Kafka closes a segment with its largest timestamp, whether or not it was there before.
        if entry.timestamp < before.timestamp or entry.offset < before.offset:
            raise CorruptRecord(path=path, position=at, reason="the entries do not rise")
        entries.append(entry)
    return entries


def _load(path: str, entry_size: int) -> tuple[int, bytes]:
    """(first offset of the segment, whole entries)."""
    named = layout.parse_segment_file(os.path.basename(path))
    with open(path, "rb") as file:
        data = file.read()
    rest = len(data) % entry_size
    if rest and any(data[len(data) - rest :]):
        raise CorruptRecord(path=path, position=len(data) - rest, reason="ends inside an entry")
    return named.base_offset if named else 0, data[: len(data) - rest]
