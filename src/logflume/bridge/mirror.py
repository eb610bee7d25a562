"""Continuous copies of topics."""

from __future__ import annotations

import threading

from logflume.bridge.following_groups import FollowingGroups
from logflume.bridge.offset_map import OffsetMap
from logflume.bridge.partition_copy import open_copy
from logflume.bridge.producers import keep_producer_ids_apart
from logflume.bridge.report import MirrorReport
from logflume.bridge.topics import copied_topics, make_topic, settle
from logflume.errors import UnsupportedByEngine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from logflume.bridge.archive import Archive
    from logflume.bridge.partition_copy import PartitionCopy
    from logflume.client.log import Log

    OnProgress = Callable[[int, int], None]

__all__ = ["mirror"]

_PAUSE_S = 0.5


def mirror(
    source: Log | Archive,
    target: Log | Archive,
    topics: Iterable[str] | None = None,
    *,
    follow: bool = False,
    until: int | None = None,
    keep: bool = False,
    new_offsets: bool = False,
    groups: bool = False,
    stop: threading.Event | None = None,
    on_progress: OnProgress | None = None,
) -> list[MirrorReport]:
    """Copy topics (default: all) from one place to another, at the same offsets; go on where an earlier copy ended.

    Topics that are missing are made with the same partitions and settings. Between directories and archives batches
    are copied byte for byte, and so are transactions; from a cluster come the committed records. A cluster gives
    offsets itself: they are the same as long as the original has no gaps (deleted records at its start, compaction,
    transactions), else OffsetGap is raised. Nobody else may write to the copy: that is noticed (CopyDiffers).

    Parameters: `follow`, go on with what comes, and with new topics, until `stop` is set; `until` (ms since 1970),
    from an archive: what was there at that time, see `restore`; `keep`, into an archive: what the source deletes stays
    there, see `fill`; `new_offsets`, into a cluster: records behind a gap get the offsets that come, which are noted in
    the cluster's topic `logflume.mirror.offsets` (see OffsetMap); `groups`, from a log to another: what groups commit
    goes along every few seconds and at the end, in the copy's offsets, never back, and not for a group with members in
    the copy (archives take it along anyway); `on_progress`, called with the records and bytes of each step. Raises
    UnknownTopicOrPartition, InvalidPartitions when a topic of the copy has more partitions, CopyDiffers, OffsetGap,
    UnsupportedByEngine, and what reading and appending raise.
    """
    from logflume.bridge.archive import Archive, fill, restore, restore_into_cluster

    if until is not None and not isinstance(source, Archive):
        raise UnsupportedByEngine(what="until", instead="an archive as the source")
    if keep and not isinstance(target, Archive):
        raise UnsupportedByEngine(what="keep", instead="an archive as the target")
    if new_offsets and (isinstance(target, Archive) or not target.engine.is_remote):
        raise UnsupportedByEngine(what="new_offsets", instead="nothing: offsets are kept there")
    if isinstance(target, Archive):
        return fill(
            source, target, topics, until=until, follow=follow, keep=keep, stop=stop,
            on_progress=on_progress,
        )  # fmt: skip
    if isinstance(source, Archive):
        if target.engine.is_remote:
            return restore_into_cluster(
                source, target, topics, until=until, new_offsets=new_offsets, follow=follow,
                stop=stop, on_progress=on_progress,
            )  # fmt: skip
        return restore(
            source, target, topics, until=until, follow=follow, stop=stop, on_progress=on_progress
        )
    wanted = None if topics is None else list(topics)
    offsets = OffsetMap(target) if new_offsets else None
    following = FollowingGroups(source, target, offsets) if groups else None
    return _between_logs(
        source, target, wanted, offsets, following, follow, stop or threading.Event(), on_progress
    )


def _between_logs(
    source: Log,
    target: Log,
    wanted: list[str] | None,
    offsets: OffsetMap | None,
    groups: FollowingGroups | None,
    follow: bool,
    ended: threading.Event,
    on_progress: OnProgress | None,
) -> list[MirrorReport]:
    copies: dict[tuple[str, int], PartitionCopy] = {}
    sums: dict[tuple[str, int], list[int]] = {}
    try:
        while True:
            _open_missing(source, target, wanted, copies, offsets)
            moved = False
            for where, copy in copies.items():
                while (step := copy.step()) is not None:
                    moved = True
                    total = sums.setdefault(where, [0, 0])
                    total[0] += step.records
                    total[1] += step.size
                    if on_progress is not None:
                        on_progress(step.records, step.size)
                    if ended.is_set():
                        break
            if moved and not target.engine.is_remote:
                keep_producer_ids_apart(target, copies)
            over = ended.is_set() or not follow
            if groups is not None and (over or groups.is_due()):
                groups.step({name for name, _ in copies})
            if over:
                break
            if not moved:
                ended.wait(_PAUSE_S)
        for copy in copies.values():
            copy.target.sync()
        return [
            MirrorReport(*where, *_sum(sums, where), int(copy.target.end_offset))
            for where, copy in sorted(copies.items())
        ]
    finally:
        for copy in copies.values():
            copy.close()


def _sum(sums: dict[tuple[str, int], list[int]], where: tuple[str, int]) -> tuple[int, int]:
    records, size = sums.get(where, (0, 0))
    return records, size


def _open_missing(
    source: Log,
    target: Log,
    wanted: list[str] | None,
    copies: dict[tuple[str, int], PartitionCopy],
    offsets: OffsetMap | None,
) -> None:
    """Begin to copy topics and partitions that are not copied yet."""
    names = copied_topics(source) if wanted is None else wanted
    for name in names:
        count = len(source[name])
        if (name, count - 1) in copies:
            continue
        make_topic(source, target, name, count)
        settle(target, name)
        for number in range(count):
            if (name, number) not in copies:
                copies[name, number] = open_copy(source, target, name, number, offsets)
