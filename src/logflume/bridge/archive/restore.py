"""Copying an archive's topics back into a directory, as they are or as they were at a time."""

from __future__ import annotations

import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor

from logflume.bridge.archive.cuts import cuts_at, parts_of
from logflume.bridge.archive.filler import filler_batch
from logflume.bridge.groups import commit_groups, committed_offsets
from logflume.bridge.partition_copy import PartitionCopy, Step
from logflume.bridge.producers import keep_producer_ids_apart
from logflume.bridge.report import MirrorReport
from logflume.bridge.topics import make_topic
from logflume.client.log import open_log
from logflume.config.names import OFFSETS_TOPIC
from logflume.errors import UnsupportedByEngine
from logflume.types import TopicPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from logflume.bridge.archive.archive import Archive
    from logflume.bridge.archive.snapshot import Groups
    from logflume.client.log import Log

    OnProgress = Callable[[int, int], None]

__all__ = ["restore"]

_AT_ONCE = 4


def restore(
    archive: Archive,
    target: Log,
    topics: Iterable[str] | None = None,
    *,
    until: int | None = None,
    follow: bool = False,
    interval_s: float = 1.0,
    stop: threading.Event | None = None,
    on_progress: OnProgress | None = None,
) -> list[MirrorReport]:
    """Copy topics (default: all) and groups' committed offsets from an archive into a directory, at the same offsets.

    Goes on where an earlier one ended. Each partition is as it was at the archive's last commit, or with `until` (ms
    since 1970) up to its first record at or after that time, and what groups committed before it; a transaction is
    there whole, or stays without an end and is aborted by who meets it. `follow`, go on with what the archive gets,
    until `stop` is set. Raises CorruptRecord for damage, naming the object, CopyDiffers, UnsupportedByEngine when the
    target is a cluster, and what the store and appending raise.
    """
    if target.engine.is_remote:
        raise UnsupportedByEngine(
            what="a copy from an archive into a cluster",
            instead="a directory, and hand that over with promote",
        )
    wanted = None if topics is None else list(topics)
    ended = stop or threading.Event()
    sums: dict[TopicPartition, list[int]] = {}
    while True:
        archive.refresh()
        names = archive.topics() if wanted is None else wanted
        _restore_once(archive, target, names, until, on_progress, sums)
        if not follow or ended.is_set():
            break
        ended.wait(interval_s)
    return [
        MirrorReport(*where, total[0], total[1], int(target.partition(*where).end_offset))
        for where, total in sorted(sums.items())
    ]


def _restore_once(
    archive: Archive,
    target: Log,
    names: list[str],
    until: int | None,
    on_progress: OnProgress | None,
    sums: dict[TopicPartition, list[int]],
) -> None:
    for name in names:
        make_topic(archive, target, name, len(archive[name]))
    wheres = [TopicPartition(n, p) for n in names for p in range(len(archive[n]))]
    offsets = range(len(archive[OFFSETS_TOPIC])) if OFFSETS_TOPIC in archive else range(0)
    every = [*wheres, *(TopicPartition(OFFSETS_TOPIC, p) for p in offsets)]
    cuts = {} if until is None else cuts_at(archive, every, until)
    mutex = threading.Lock()

    def one(where: TopicPartition) -> None:
        copy = _Restoring(archive, target, where, cuts.get(where))
        total = sums.setdefault(where, [0, 0])
        while (step := copy.step()) is not None:
            total[0] += step.records
            total[1] += step.size
            if on_progress is not None:
                with mutex:
                    on_progress(step.records, step.size)
        copy.finish()

    with ThreadPoolExecutor(_AT_ONCE, "logflume-restore") as workers:
        for done in [workers.submit(one, where) for where in wheres]:
            done.result()
    keep_producer_ids_apart(target, wheres)
    groups = _groups(archive, names, cuts)
    ends = {where: int(target.partition(*where).end_offset) for where in wheres}
    commit_groups(target, groups, ends)


class _Restoring(PartitionCopy):
    """One partition on its way back."""

    def __init__(
        self, archive: Archive, target: Log, where: TopicPartition, cut: int | None
    ) -> None:
        super().__init__(archive, target, *where)
        self._cut = cut
        at = self.check()
        self._reader = self.source.batches(at)

    def check(self) -> int:
        """As PartitionCopy; a copy that stands behind the cut is one of a later time."""
        at = super().check()
        if self._cut is not None and at > self._cut:
            self._differ(self._cut, "the copy has records of a later time")
        return at

    def step(self) -> Step | None:
        raw = self._reader.read()
        if raw is None or (self._cut is not None and raw.base_offset >= self._cut):
            return None
        start = int(self.target.end_offset)
        stop = raw.end_offset if self._cut is None else min(raw.end_offset, self._cut)
        if raw.base_offset >= start and raw.end_offset == stop:
            self.target.append_at(raw.view, raw.base_offset)
            return Step(raw.record_count, raw.size, stop)
        # The end that is wanted, or the one that is there, lies inside of a batch.
        records = 0
        for part in parts_of(raw.view, start, stop):
            self.target.append_at(part.data, part.base_offset)
            records += part.records
        return Step(records, raw.size, stop)

    def finish(self) -> None:
        """The log begins where the original does, also where nothing is left of it, and is on the disk."""
        start = int(self.source.start_offset)
        if self._cut is not None:
            start = min(start, self._cut)
        if self.target.end_offset < start:
            self.target.append_at(filler_batch(start - 1), start - 1)
        if self.target.start_offset < start:
            self.target.set_start_offset(start)
        self.target.sync()


def _groups(archive: Archive, names: list[str], cuts: dict[TopicPartition, int]) -> Groups:
    """What groups had committed, at the same moment as the partitions are of."""
    if OFFSETS_TOPIC not in archive:
        return {
            group: [row for row in rows if row[0] in names]
            for group, rows in archive.groups().items()
        }
    count = len(archive[OFFSETS_TOPIC])
    with tempfile.TemporaryDirectory(prefix="logflume-") as path, open_log(path) as log:
        engine: Any = log.engine
        engine.create_topic(OFFSETS_TOPIC, partitions=count)
        for number in range(count):
            where = TopicPartition(OFFSETS_TOPIC, number)
            copy = _Restoring(archive, log, where, cuts.get(where))
            while copy.step() is not None:
                pass
        return committed_offsets(log, names)
