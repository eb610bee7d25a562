"""The lowest timestamp in each stretch of a partition: what a window of times may leave out behind its end.

The index finds the first record at or after a time, but nothing in Kafka's format says that no older one comes
behind it. So that is looked up once: each stretch of about 1 MiB is read, and its lowest time noted, in the process
and, as far as the partition is durable, in a small file beside the segments. What is noted stays true: what is
durable is never written anew, and compaction can only raise it. docs/FORMAT.md, "Files".
"""

from __future__ import annotations

import contextlib
import os
import struct
import threading
import zlib

from logflume.errors import LogflumeError
from logflume.log import layout
from logflume.log.small_file import write_atomic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from logflume._native.partition import Partition

    # First offset, the one behind the last, lowest time in ms, 1: the log ended before a MiB was full
    Stretch = tuple[int, int, int, int]

__all__ = ["LowTimes", "forget", "low_times"]

_STRETCH_BYTES = 1 << 20
# A log that is asked again and again as it grows would have a stretch for each question.
_MERGED_OFFSETS = 1024
_NEVER = 2**63 - 1  # no record of the stretch has a time
_HEADER = struct.Struct("<8sI")  # magic, CRC-32 of the stretches
_STRETCH = struct.Struct("<qqqq")
_MAGIC = b"LFLOWS\x00\x01"
_KEPT_MAX = 4096

_kept: dict[tuple[str, tuple[int, int]], LowTimes] = {}
_kept_lock = threading.Lock()


def low_times(partition: Partition) -> LowTimes:
    """What is known of a partition in this process; read from its file at first."""
    key = partition.path, _identity(partition.path)
    with _kept_lock:
        if key not in _kept:
            if len(_kept) >= _KEPT_MAX:
                _kept.clear()
            _kept[key] = LowTimes(partition)
        return _kept[key]


def forget() -> None:
    """Drops what this process knows; the files stay."""
    with _kept_lock:
        _kept.clear()


def _identity(path: str) -> tuple[int, int]:
    """Of a topic that is made again, another: the file that holds its id is another one, made at another time."""
    try:
        found = os.stat(os.path.join(path, layout.PARTITION_METADATA_FILE))
    except FileNotFoundError:
        found = os.stat(path)
        return found.st_ino, 0
    return found.st_ino, found.st_mtime_ns


class LowTimes:
    """Thread-safe. Holds numbers only, not the partition."""

    def __init__(self, partition: Partition) -> None:
        self._lock = threading.Lock()
        self._path = os.path.join(partition.path, layout.LOW_TIMES_FILE)
        self._stretches = _load(self._path, partition.end_offset)  # by offset, none over another
        self._stored = len(self._stretches)

    def below(self, partition: Partition, first: int, stop: int, end_ms: int) -> list[range]:
        """Where in [first, stop) records with a time below `end_ms` may lie, in order. Reads what was not read before.

        Raises CorruptRecord where that cannot be read, OffsetOutOfRange when retention was faster.
        """
        with self._lock:
            self._look(partition, first, stop)
            out: list[range] = []
            for low_first, low_stop, low, _ in self._stretches:
                begin, end = max(low_first, first), min(low_stop, stop)
                if low >= end_ms or begin >= end:
                    continue
                if out and out[-1].stop == begin:
                    out[-1] = range(out[-1].start, end)
                else:
                    out.append(range(begin, end))
            return out

    def _look(self, partition: Partition, first: int, stop: int) -> None:
        at = first
        found: list[Stretch] = []
        for begin, end, _, _ in self._stretches:
            if end <= at or begin >= stop:
                continue
            if begin > at:
                found += _read(partition, at, begin)
            at = end
        if at < stop:
            found += _read(partition, at, stop)
        if found:
            self._stretches = list(_merged(sorted(self._stretches + found)))
            self._store(partition)

    def _store(self, partition: Partition) -> None:
        durable = partition.durable_offset
        kept = [each for each in self._stretches if each[1] <= durable]
        if len(kept) == self._stored:
            return
        self._stored = len(kept)
        data = b"".join(_STRETCH.pack(*each) for each in kept)
        # Only time is lost without it; the directory may be one that may not be written.
        with contextlib.suppress(LogflumeError, OSError):
            write_atomic(self._path, _HEADER.pack(_MAGIC, zlib.crc32(data)) + data, sync=False)


def _read(partition: Partition, first: int, stop: int) -> Iterator[Stretch]:
    reader = partition.reader(first)
    while first < stop:
        batch = reader.read(1 << 17, _STRETCH_BYTES)
        if not len(batch):  # what is left was compacted away
            yield first, stop, _NEVER, 0
            return
        times = batch.timestamps[batch.offsets < stop]
        times = times[times >= 0]
        end = min(reader.position, stop)
        yield first, end, int(times.min()) if len(times) else _NEVER, int(end == stop)
        first = end


def _merged(stretches: list[Stretch]) -> Iterator[Stretch]:
    """What is read as a log grows becomes one, as long as it is short."""
    held: Stretch | None = None
    for each in stretches:
        if held is None:
            held = each
        elif held[1] == each[0] and held[3] and each[3] and each[1] - held[0] <= _MERGED_OFFSETS:
            held = held[0], each[1], min(held[2], each[2]), 1
        else:
            yield held
            held = each
    if held is not None:
        yield held


def _load(path: str, end_offset: int) -> list[Stretch]:
    """The stretches of a file; none when there is no good one."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError:
        return []
    body = data[_HEADER.size :]
    if len(data) < _HEADER.size or len(body) % _STRETCH.size:
        return []
    if _HEADER.unpack_from(data) != (_MAGIC, zlib.crc32(body)):
        return []
    found: list[Stretch] = list(_STRETCH.iter_unpack(body))
    return [each for each in found if each[0] < each[1] <= end_offset]
