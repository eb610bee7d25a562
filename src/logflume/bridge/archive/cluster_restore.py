"""Copying an archive's topics into a cluster: committed records, which get their offsets there."""

from __future__ import annotations

import threading

from logflume.bridge.archive.restore import archived_groups, cuts_of
from logflume.bridge.archive.stage import staged
from logflume.bridge.groups import commit_groups, translated
from logflume.bridge.offset_map import OffsetMap
from logflume.bridge.partition_copy import open_copy
from logflume.bridge.report import MirrorReport
from logflume.bridge.topics import make_topic, settle
from logflume.types import TopicPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from logflume.bridge.archive.archive import Archive
    from logflume.client.log import Log

    OnProgress = Callable[[int, int], None]

__all__ = ["restore_into_cluster"]


def restore_into_cluster(
    archive: Archive,
    target: Log,
    topics: Iterable[str] | None = None,
    *,
    until: int | None = None,
    new_offsets: bool = False,
    follow: bool = False,
    interval_s: float = 1.0,
    stop: threading.Event | None = None,
    on_progress: OnProgress | None = None,
) -> list[MirrorReport]:
    """Copy topics (default: all) and groups' committed offsets from an archive into a cluster; as `restore`.

    Each partition up to its first transaction that has no end in the archive. What the cluster lacks of a topic lies in
    a temporary directory meanwhile. `new_offsets`: as `mirror`. Raises as `restore`, OffsetGap.
    """
    wanted = None if topics is None else list(topics)
    ended = stop or threading.Event()
    offsets = OffsetMap(target) if new_offsets else None
    copying = _Copying(archive, target, offsets, on_progress)
    seen = -1
    while True:
        archive.refresh()
        if archive.snapshot.number != seen:
            copying.cycle(archive.topics() if wanted is None else wanted, until)
            seen = archive.snapshot.number
        if not follow or ended.is_set():
            return copying.report()
        ended.wait(interval_s)


class _Copying:
    """A restore_into_cluster() under way. Not thread-safe."""

    def __init__(
        self,
        archive: Archive,
        target: Log,
        offsets: OffsetMap | None,
        on_progress: OnProgress | None,
    ) -> None:
        self._archive = archive
        self._target = target
        self._offsets = offsets
        self._on_progress = on_progress
        self._settled: set[str] = set()
        self._sums: dict[TopicPartition, tuple[int, int]] = {}

    def cycle(self, names: list[str], until: int | None) -> None:
        """Copy what the cluster lacks of the archive's state, and what groups had committed then."""
        archive, target = self._archive, self._target
        for name in names:
            make_topic(archive, target, name, len(archive[name]))
            if name not in self._settled:
                settle(target, name)
                self._settled.add(name)
        cuts = cuts_of(archive, names, until)
        for name in names:
            wheres = [TopicPartition(name, number) for number in range(len(archive[name]))]
            with staged(archive, {where: self._start(where) for where in wheres}, cuts) as log:
                for where in wheres:
                    self._copy(log, where)
        groups = archived_groups(archive, names, cuts)
        if self._offsets is not None:
            groups = translated(groups, self._offsets.translate)
        commit_groups(target, groups, self._ends())

    def _start(self, where: TopicPartition) -> int:
        """The offset in the archive of the copy's last record, with which the copier compares its own."""
        end = int(self._target.partition(*where).end_offset)
        if self._offsets is not None and self._offsets.has(where):
            self._offsets.cut(where, end)
            end = self._offsets.end(where)[0]
        partition = self._archive.partition(*where)
        return max(partition.start_offset, min(end, partition.end_offset) - 1, 0)

    def _copy(self, log: Log, where: TopicPartition) -> None:
        copy = open_copy(log, self._target, *where, self._offsets)
        try:
            records, size = self._sums.get(where, (0, 0))
            while (step := copy.step()) is not None:
                records, size = records + step.records, size + step.size
                if self._on_progress is not None:
                    self._on_progress(step.records, step.size)
            self._sums[where] = records, size
        finally:
            copy.close()

    def _ends(self) -> dict[TopicPartition, int]:
        return {where: int(self._target.partition(*where).end_offset) for where in self._sums}

    def report(self) -> list[MirrorReport]:
        """What was copied since the start."""
        ends = self._ends()
        return [MirrorReport(*where, *self._sums[where], ends[where]) for where in sorted(ends)]
