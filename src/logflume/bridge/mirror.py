"""Continuous copies of topics."""

from __future__ import annotations

import threading
import time

from logflume.bridge.partition_copy import open_copy
from logflume.config.names import INTERNAL_TOPICS
from logflume.errors import InvalidPartitions, UnknownTopicOrPartition
from logflume.types import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from logflume.bridge.partition_copy import PartitionCopy
    from logflume.client.log import Log

    OnProgress = Callable[[int, int], None]

__all__ = ["MirrorReport", "mirror"]

_PAUSE_S = 0.5
_SETTLE_S = 0.5


class MirrorReport(NamedTuple):
    """What was copied of one partition, and where the copy ends (exclusive)."""

    topic: str
    partition: int
    records: int
    size: int
    end_offset: int


def mirror(
    source: Log,
    target: Log,
    topics: Iterable[str] | None = None,
    *,
    follow: bool = False,
    stop: threading.Event | None = None,
    on_progress: OnProgress | None = None,
) -> list[MirrorReport]:
    """Copy topics (default: all) from one log to another, at the same offsets; go on where an earlier copy ended.

    Topics that are missing are made with the same partitions and settings. Between directories batches are copied
    byte for byte, and so are transactions; from a cluster come the committed records. A cluster gives offsets itself:
    they are the same as long as the original has no gaps (deleted records at its start, compaction, transactions),
    else OffsetGap is raised. Nobody else may write to the copy: that is noticed, and raises CopyDiffers.

    Parameters: `follow`, go on with what comes, and with new topics, until `stop` is set; `on_progress`, called with
    the records and bytes of each step. Raises UnknownTopicOrPartition, InvalidPartitions when a topic of the copy has
    more partitions, CopyDiffers, OffsetGap, and what reading and appending raise.
    """
    wanted = None if topics is None else list(topics)
    copies: dict[tuple[str, int], PartitionCopy] = {}
    sums: dict[tuple[str, int], list[int]] = {}
    ended = stop or threading.Event()
    try:
        while True:
            _open_missing(source, target, wanted, copies)
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
            if ended.is_set() or not follow:
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


def _settle(target: Log, name: str) -> None:
    """Until nothing comes any more of what a killed copier had sent: its last requests may still be under way."""
    if not target.engine.is_remote:
        return
    ends = [partition.end_offset for partition in target[name]]
    while any(ends):
        time.sleep(_SETTLE_S)
        before, ends = ends, [partition.end_offset for partition in target[name]]
        if before == ends:
            return


def _open_missing(
    source: Log,
    target: Log,
    wanted: list[str] | None,
    copies: dict[tuple[str, int], PartitionCopy],
) -> None:
    """Begin to copy topics and partitions that are not copied yet."""
    names = [n for n in source.topics() if n not in INTERNAL_TOPICS] if wanted is None else wanted
    for name in names:
        count = len(source[name])
        if (name, count - 1) in copies:
            continue
        _make(source, target, name, count)
        _settle(target, name)
        for number in range(count):
            if (name, number) not in copies:
                copies[name, number] = open_copy(source, target, name, number)


def _make(source: Log, target: Log, name: str, count: int) -> None:
    try:
        have = len(target[name])
    except UnknownTopicOrPartition:
        config = source.describe_topic(name).config.explicit()
        target.create_topic(name, partitions=count, config=config)
        return
    if have < count:
        target.alter_topic(name, partitions=count)
    elif have > count:
        raise InvalidPartitions(
            topic=name, partitions=count, reason=f"the copy has {have}, and keys would part ways"
        )
