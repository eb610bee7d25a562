"""Printing records of some partitions: up to an end, or on and on."""

from __future__ import annotations

import errno
import os
import select
import sys
import time

from logflume._native.waiting import wait_any
from logflume.cli.merge import Feed, merged
from logflume.errors import OffsetOutOfRange
from logflume.types import TopicPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import BinaryIO

    from logflume._native.columns import RecordBatch
    from logflume._native.partition import Partition
    from logflume._native.partition_log import PartitionLog
    from logflume.client.log import Log

    Formatter = Callable[[RecordBatch], list[bytes]]
    Note = Callable[[str], None]

__all__ = ["Selection", "print_records"]

_LOOK_S = 0.5  # how often partitions that were added, and a reader that left, are looked for


class Selection:
    """Which records: partitions, from where, to where, at most how many."""

    def __init__(
        self,
        partitions: list[Partition],
        begins: Mapping[TopicPartition, int],
        ends: Mapping[TopicPartition, int],
        count_max: int | None,
    ) -> None:
        self.partitions = partitions
        self.begins = begins
        self.ends = ends
        self.count_max = count_max
        self.log: Log | None = None
        self.new_partitions = False

    def follow(self, log: Log, *, new_partitions: bool) -> None:
        """Do not stop at the ends; with `new_partitions`, take in those that are added meanwhile."""
        self.log = log
        self.new_partitions = new_partitions


def print_records(selection: Selection, form: Formatter, *, note: Note) -> None:
    """Write the records to standard output, each with a newline behind it."""
    printer = _Printer(sys.stdout.buffer, selection.count_max)
    feeds = []
    for partition in selection.partitions:
        where = TopicPartition(partition.topic, partition.partition)
        begin, end = selection.begins[where], selection.ends[where]
        feeds.append(Feed(partition.reader(begin), end, form))
        feeds[-1].done = begin >= end
    for lines in merged(feeds):
        if not printer.put(lines):
            return
    printer.flush()
    if selection.log is not None:
        _Follower(selection, feeds, form, note).run(printer)


class _Printer:
    """Counts; writes whole lists of lines at once."""

    def __init__(self, out: BinaryIO, count_max: int | None) -> None:
        self._out = out
        self._left = count_max

    def put(self, lines: list[bytes]) -> bool:
        """False when nothing more is wanted."""
        if self._left is not None:
            lines = lines[: self._left]
            self._left -= len(lines)
        if lines:
            self._out.write(b"\n".join(lines) + b"\n")
        if self._left == 0:
            self._out.flush()
            return False
        return True

    def flush(self) -> None:
        """What was put is on its way to whoever reads."""
        self._out.flush()

    def check_reader(self) -> None:
        """BrokenPipeError when whoever reads has gone: waiting for the next record to find out may take for ever."""
        try:
            number = self._out.fileno()
        except (OSError, ValueError):
            return  # not a file: a test's buffer
        watch = select.poll()
        watch.register(number, 0)  # POLLERR and POLLHUP are always reported
        if any(event & (select.POLLERR | select.POLLHUP) for _, event in watch.poll(0)):
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


class _Follower:
    """Waits for new records and prints them as they come."""

    def __init__(
        self, selection: Selection, feeds: Iterable[Feed], form: Formatter, note: Note
    ) -> None:
        assert selection.log is not None
        self._log = selection.log
        self._selection = selection
        self._partitions = list(selection.partitions)
        self._readers = [feed.reader for feed in feeds]
        self._form = form
        self._note = note
        self._looked = time.monotonic()
        for reader, partition in zip(self._readers, self._partitions):
            where = TopicPartition(partition.topic, partition.partition)
            reader.seek(max(selection.begins[where], selection.ends[where]))

    def run(self, printer: _Printer) -> None:
        """Until enough is printed, or somebody interrupts."""
        while True:
            feeds = [Feed(reader, None, self._form) for reader in self._readers]
            try:
                for lines in merged(feeds):
                    if not printer.put(lines):
                        return
            except OffsetOutOfRange as error:
                self._skip(error)
                continue
            printer.flush()
            printer.check_reader()
            self._look()
            positions: list[tuple[PartitionLog, int]] = [
                (partition, reader.position)
                for partition, reader in zip(self._partitions, self._readers)
            ]
            wait_any(positions, _LOOK_S)

    def _skip(self, error: OffsetOutOfRange) -> None:
        """Records were deleted before they were printed."""
        self._note(f"{error}; going on at {error.start_offset}")
        for partition, reader in zip(self._partitions, self._readers):
            if partition.partition == error.partition:
                reader.seek(error.start_offset)

    def _look(self) -> None:
        """Partitions that were added, every now and then."""
        if not self._selection.new_partitions or time.monotonic() - self._looked < _LOOK_S:
            return
        self._looked = time.monotonic()
        topic = self._partitions[0].topic
        self._log.directory.refresh()
        for number in range(len(self._partitions), self._log.describe_topic(topic).partitions):
            partition = self._log.partition(topic, number)
            self._partitions.append(partition)
            self._readers.append(partition.reader())
