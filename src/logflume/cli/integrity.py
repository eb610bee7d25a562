"""Holds a partition's files against each other, without opening it: nothing is repaired, nothing is changed."""

from __future__ import annotations

import os

from logflume._native.batches import is_clean_state
from logflume.cli.index_check import OffsetIndexCheck, TimeIndexCheck
from logflume.cli.segment_scan import SegmentScan
from logflume.errors import CorruptRecord, LogflumeError, UnsupportedFormat
from logflume.log import layout
from logflume.types import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from logflume._native.batches import Batch

    Step = Callable[[int, int], None]

__all__ = ["Finding", "PartitionCheck", "check_partition"]


_CUT = ": an unfinished write, which opening the log will cut off"


class Finding(NamedTuple):
    """Something wrong, or (`damage` false) something to know that recovery puts right by itself."""

    path: str
    position: int
    reason: str
    damage: bool = True

    def __str__(self) -> str:
        return f"{self.path} at position {self.position}: {self.reason}"


class PartitionCheck:
    """What was found in one partition."""

    def __init__(self, topic: str, partition: int) -> None:
        self.topic = topic
        self.partition = partition
        self.segments = 0
        self.batches = 0
        self.records = 0
        self.bytes = 0
        self.findings: list[Finding] = []

    @property
    def damaged(self) -> bool:
        """True when a finding is damage."""
        return any(finding.damage for finding in self.findings)


def check_partition(
    directory: str,
    topic: str,
    partition: int,
    *,
    allow_gaps: bool,
    records: bool = False,
    step: Step = lambda size, count: None,
) -> PartitionCheck:
    """Check every batch of every segment, and the indexes. `step(bytes, records)` is called on the way.

    `allow_gaps`: offsets may be missing, as after compaction. `records`: unpack and decode every batch too.
    """
    check = PartitionCheck(topic, partition)
    names = (layout.parse_segment_file(name) for name in os.listdir(directory))
    bases = sorted(
        name.base_offset
        for name in names
        if name and name.suffix == layout.LOG_SUFFIX and not name.mark
    )
    clean = _is_clean(directory)
    expected: int | None = None
    for base in bases:
        last = base == bases[-1]
        walk = _SegmentWalk(check, directory, base, allow_gaps, records, step)
        try:
            expected = walk.run(expected, active=last, clean=clean)
        except FileNotFoundError:  # retention or compaction took it meanwhile
            expected = None
    return check


def _is_clean(directory: str) -> bool:
    try:
        with open(os.path.join(directory, layout.STATE_FILE), "rb") as file:
            return is_clean_state(file.read())
    except FileNotFoundError:
        return False


class _SegmentWalk:
    """One segment from its first batch to its last."""

    def __init__(
        self,
        check: PartitionCheck,
        directory: str,
        base: int,
        allow_gaps: bool,
        records: bool,
        step: Step,
    ) -> None:
        self._check = check
        self._base = base
        self._allow_gaps = allow_gaps
        self._records = records
        self._step = step
        path = os.path.join(directory, layout.segment_file_name(base))
        self._path = path
        stem = path.removesuffix(layout.LOG_SUFFIX)
        self._indexes = (
            OffsetIndexCheck(stem + layout.INDEX_SUFFIX),
            TimeIndexCheck(stem + layout.TIME_INDEX_SUFFIX),
        )
        self._broken = False
        self._torn = False  # the batch seen last

    def run(self, expected: int | None, *, active: bool, clean: bool) -> int | None:
        """Returns the offset that must follow; None when damage hides it."""
        self._check.segments += 1
        settled = clean or not active
        self._compare_beginning(expected)
        next_offset = self._walk(settled=settled)
        if self._torn and not settled:
            # The last batch fails its check and nothing follows: a write that did not end.
            torn = self._check.findings.pop()
            self._check.findings.append(torn._replace(reason=torn.reason + _CUT, damage=False))
        if self._broken:
            return None  # and over damage an index has nothing to agree with
        for index in self._indexes:
            self._check.findings += [
                Finding(index.path, position, reason)
                for position, reason in index.findings(settled=settled)
            ]
        return next_offset

    def _compare_beginning(self, expected: int | None) -> None:
        if expected is None or self._base == expected:
            return
        if self._base < expected:
            self._found(
                0,
                f"begins at {self._base}, but offsets up to {expected - 1} are in the segment before",
            )
        elif not self._allow_gaps:
            self._found(0, f"offsets {expected} to {self._base - 1} are missing before it")

    def _walk(self, *, settled: bool) -> int | None:
        """All batches, also those behind damage; the offset behind the last, None when damage hides it."""
        next_offset: int | None = self._base
        with SegmentScan(self._path) as scan:
            while True:
                try:
                    for batch in scan:
                        next_offset = self._batch(batch, next_offset)
                    return next_offset
                except (CorruptRecord, UnsupportedFormat) as error:
                    at = scan.position
                    self._torn = False
                    if not scan.resync(0 if next_offset is None else next_offset):
                        unfinished = not settled and isinstance(error, CorruptRecord)
                        self._tail(scan, at, _reason(error), unfinished=unfinished)
                        return next_offset
                    self._found(at, f"{_reason(error)}; readable again at position {scan.position}")
                    self._broken = True
                    next_offset = None

    def _batch(self, batch: Batch, expected: int | None) -> int:
        check = self._check
        check.batches += 1
        check.records += batch.count
        check.bytes += batch.size
        self._step(batch.size, batch.count)
        self._torn = not batch.crc_ok
        if self._torn:
            self._found(batch.position, f"crc mismatch in the batch of offsets {_span(batch)}")
        elif self._records:
            self._decode(batch)
        # The first batch of a segment that was compacted, or copied from a Kafka, may lie behind its name.
        off = expected is not None and batch.base_offset != expected
        if off and (not self._allow_gaps or batch.base_offset < (expected or 0)):
            reason = f"offset {batch.base_offset} where {expected} should follow"
            self._found(batch.position, reason)
        for index in self._indexes:
            index.see(batch)
        return batch.last_offset + 1

    def _decode(self, batch: Batch) -> None:
        try:
            batch.records()
        except CorruptRecord as error:
            self._found(batch.position, error.reason)
        except LogflumeError as error:
            self._found(batch.position, str(error))

    def _tail(self, scan: SegmentScan, at: int, reason: str, *, unfinished: bool) -> None:
        """Nothing right behind `at`. In a segment that nobody closed it may be a write that did not end."""
        size = scan.size - at
        if unfinished:
            self._found(at, f"{reason} ({size} bytes){_CUT}", damage=False)
            return
        self._broken = True
        self._found(at, f"{reason}; nothing readable in the {size} bytes from here on")

    def _found(self, position: int, reason: str, *, damage: bool = True) -> None:
        self._check.findings.append(Finding(self._path, position, reason, damage))


def _reason(error: CorruptRecord | UnsupportedFormat) -> str:
    return str(error.reason)


def _span(batch: Batch) -> str:
    return f"{batch.base_offset} to {batch.last_offset}"
