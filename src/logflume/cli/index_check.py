"""Holds index files against the batches of their segment, as they go by."""

from __future__ import annotations

from logflume.cli.index_file import read_offset_index, read_time_index
from logflume.errors import CorruptRecord

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from logflume._native.batches import Batch

    E = TypeVar("E")
    Findings = list[tuple[int, str]]

__all__ = ["OffsetIndexCheck", "TimeIndexCheck"]


def _read(read: Callable[[str], list[E]], path: str) -> tuple[list[E], Findings]:
    """The entries, and what is wrong where they cannot be read."""
    try:
        return read(path), []
    except FileNotFoundError:
        return [], []
    except CorruptRecord as error:
        return [], [(error.position, error.reason)]


class OffsetIndexCheck:
    """Every entry names the last offset of the batch at its position. A missing file is no fault: it is rebuilt."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._entries, self._wrong = _read(read_offset_index, path)
        self._next = 0

    def see(self, batch: Batch) -> None:
        """The batches come in the order of their positions."""
        while self._next < len(self._entries):
            entry = self._entries[self._next]
            if entry.position > batch.position:
                return
            self._next += 1
            if entry.position < batch.position:
                self._wrong.append((entry.at, f"points at {entry.position}, where no batch begins"))
            elif entry.offset != batch.last_offset:
                self._wrong.append(
                    (
                        entry.at,
                        f"says {entry.offset} for the batch at {entry.position},"
                        f" whose last offset is {batch.last_offset}",
                    )
                )

    def findings(self, *, settled: bool) -> Findings:
        """(position, reason) of what is wrong. Not `settled`: entries behind the end may be of a cut-off tail."""
        left = self._entries[self._next :] if settled else []
        behind = [
            (entry.at, f"points behind the last batch, at {entry.position}") for entry in left
        ]
        return self._wrong + behind


class TimeIndexCheck:
    """Every entry has the largest timestamp up to its offset."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._entries, self._wrong = _read(read_time_index, path)
        self._next = 0
        self._largest = -1

    def see(self, batch: Batch) -> None:
        """The batches come in the order of their offsets."""
        self._largest = max(self._largest, batch.max_timestamp)
        while self._next < len(self._entries):
            entry = self._entries[self._next]
            if entry.offset > batch.last_offset:
                return
            self._next += 1
            if entry.timestamp != self._largest and batch.count:
                self._wrong.append(
                    (
                        entry.at,
                        f"says {entry.timestamp} up to offset {entry.offset}, where it is {self._largest}",
                    )
                )

    def findings(self, *, settled: bool) -> Findings:
        """(position, reason) of what is wrong. Not `settled`: entries behind the end may be of a cut-off tail."""
        left = self._entries[self._next :] if settled else []
        behind = [(entry.at, f"names offset {entry.offset}, behind the last one") for entry in left]
        return self._wrong + behind
