"""Copying an archive's topics back into a directory, as they are or as they were at a time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from logflume.bridge.archive.cuts import cuts_at
from logflume.bridge.archive.restoring import Restoring
from logflume.bridge.archive.stage import staged
from logflume.bridge.groups import commit_groups, committed_offsets
from logflume.bridge.producers import keep_producer_ids_apart
from logflume.bridge.report import MirrorReport
from logflume.bridge.topics import make_topic
from logflume.config.names import OFFSETS_TOPIC
from logflume.errors import UnsupportedByEngine
from logflume.types import TopicPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from logflume.bridge.archive.archive import Archive
    from logflume.bridge.archive.snapshot import Groups
    from logflume.client.log import Log

    OnProgress = Callable[[int, int], None]

__all__ = ["archived_groups", "cuts_of", "restore"]

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
        raise UnsupportedByEngine(what="restore", instead="mirror")
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
    cuts = cuts_of(archive, names, until)
    mutex = threading.Lock()

    def one(where: TopicPartition) -> None:
        copy = Restoring(archive, target, where, cuts.get(where))
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
    groups = archived_groups(archive, names, cuts)
    ends = {where: int(target.partition(*where).end_offset) for where in wheres}
    commit_groups(target, groups, ends)


def cuts_of(archive: Archive, names: list[str], until: int | None) -> dict[TopicPartition, int]:
    """Where partitions of these topics, and of groups' offsets, end at a time; none without one."""
    if until is None:
        return {}
    every = [*names, OFFSETS_TOPIC] if OFFSETS_TOPIC in archive else names
    wheres = [TopicPartition(n, p) for n in every for p in range(len(archive[n]))]
    return cuts_at(archive, wheres, until)


def archived_groups(archive: Archive, names: list[str], cuts: dict[TopicPartition, int]) -> Groups:
    """What groups had committed, at the same moment as the partitions are of."""
    if OFFSETS_TOPIC not in archive:
        return {
            group: [row for row in rows if row[0] in names]
            for group, rows in archive.groups().items()
        }
    starts = {TopicPartition(OFFSETS_TOPIC, p): 0 for p in range(len(archive[OFFSETS_TOPIC]))}
    with staged(archive, starts, cuts) as log:
        return committed_offsets(log, names)
