"""Kafka's checkpoint files: a version, a count, and one entry a line.

Offsets by partition (`recovery-point-offset-checkpoint`, `log-start-offset-checkpoint`)::

    0
    2
    clicks 0 1500
    clicks 1 1320

and the leader epochs of one partition (`leader-epoch-checkpoint`), each with its first
offset::

    0
    1
    0 0

A checkpoint may be older than the log, never newer: readers use it to skip work.
"""

from __future__ import annotations

from itertools import pairwise

from logflume.errors import UnsupportedFormat
from logflume.log.small_file import write_atomic
from logflume.log.text_file import corrupt_line, read_lines, whole_number
from logflume.types import NamedTuple, TopicPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["EpochStart", "read_epochs", "read_offsets", "write_epochs", "write_offsets"]

VERSION = 0
_INT_MAX = (1 << 31) - 1
_LONG_MAX = (1 << 63) - 1


class EpochStart(NamedTuple):
    """A leader epoch and the first offset that was written in it."""

    epoch: int
    start_offset: int


def read_offsets(path: str) -> dict[TopicPartition, int]:
    """Offsets by partition; none when there is no such file or it is empty.

    Raises CorruptRecord (its position is the line) or UnsupportedFormat.
    """
    offsets: dict[TopicPartition, int] = {}
    for line, fields in _read_entries(path, "topic partition offset"):
        partition = whole_number(fields[1], maximum=_INT_MAX)
        offset = whole_number(fields[2], maximum=_LONG_MAX)
        if partition is None or offset is None:
            corrupt_line(path, line, "has no partition and offset")
        key = TopicPartition(fields[0], partition)
        if key in offsets:
            corrupt_line(path, line, f"repeats {key}")
        offsets[key] = offset
    return offsets


def write_offsets(path: str, offsets: Mapping[TopicPartition, int]) -> None:
    """Replace an offset checkpoint, whole and on disk; errors as of `write_atomic`."""
    for (topic, partition), offset in offsets.items():
        if not topic or topic.split() != [topic] or partition < 0 or not 0 <= offset <= _LONG_MAX:
            raise ValueError(f"no checkpoint entry: {topic!r} {partition} {offset}")
    _write_entries(path, (f"{t} {p} {offset}" for (t, p), offset in sorted(offsets.items())))


def read_epochs(path: str) -> list[EpochStart]:
    """Leader epochs in order; none when there is no such file or it is empty.

    Raises CorruptRecord (its position is the line) or UnsupportedFormat.
    """
    epochs: list[EpochStart] = []
    for line, fields in _read_entries(path, "epoch offset"):
        epoch = whole_number(fields[0], maximum=_INT_MAX)
        offset = whole_number(fields[1], maximum=_LONG_MAX)
        if epoch is None or offset is None:
            corrupt_line(path, line, "has no epoch and offset")
        if epochs and not (epochs[-1].epoch < epoch and epochs[-1].start_offset <= offset):
            corrupt_line(path, line, "is not after the line before")
        epochs.append(EpochStart(epoch, offset))
    return epochs


def write_epochs(path: str, epochs: Iterable[EpochStart], *, sync: bool = True) -> None:
    """Replace a leader epoch checkpoint; durability and errors as of `write_atomic`."""
    entries = list(epochs)
    for (epoch, start), (later, later_start) in pairwise(entries):
        if not (epoch < later and start <= later_start):
            raise ValueError(f"epochs are not in order: {entries}")
    if any(epoch < 0 or start < 0 for epoch, start in entries):
        raise ValueError(f"epochs and offsets are not negative: {entries}")
    _write_entries(path, (f"{epoch} {start}" for epoch, start in entries), sync=sync)


def _read_entries(path: str, names: str) -> list[tuple[int, list[str]]]:
    """The entries with their line numbers, each with as many fields as there are names."""
    lines = read_lines(path)
    if not lines:  # Kafka makes its checkpoints empty first
        return []
    version = whole_number(lines[0].strip(), maximum=_INT_MAX)
    if version is None:
        corrupt_line(path, 1, "has no version")
    if version != VERSION:
        raise UnsupportedFormat(path=path, reason=f"version {version} of a checkpoint file")
    count = whole_number(lines[1].strip(), maximum=_INT_MAX) if len(lines) > 1 else None
    if count is None:
        corrupt_line(path, 2, "has no count of entries")
    entries = [(number, line.split()) for number, line in enumerate(lines[2:], start=3)]
    for number, fields in entries:
        if len(fields) != len(names.split()):
            corrupt_line(path, number, f"is not of the form '{names}'")
    if len(entries) != count:
        corrupt_line(path, 2, f"promises {count} entries, there are {len(entries)}")
    return entries


def _write_entries(path: str, entries: Iterable[str], *, sync: bool = True) -> None:
    lines = list(entries)
    write_atomic(path, "\n".join([str(VERSION), str(len(lines)), *lines, ""]).encode(), sync=sync)
