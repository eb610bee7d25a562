"""Whether a copy is one."""

from __future__ import annotations

from logflume.errors import CopyDiffers
from logflume.types import TopicPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from logflume.bridge.archive import Archive
    from logflume.bridge.offset_map import OffsetMap
    from logflume.client.log import Log

    Row = tuple[int, int, bytes | None, bytes | None, list[tuple[str, bytes | None]]]

__all__ = ["compare"]


def compare(
    source: Log | Archive,
    target: Log | Archive,
    topic: str,
    *,
    offsets: OffsetMap | None = None,
) -> int:
    """Read a topic on both sides and compare offsets, times, keys, values and headers; returns how many records.

    Goes from the later start to the end that the copy has now. Where one side is a cluster, committed records are
    compared: others are not copied. `offsets`: the copy's are others than the original's. Raises CopyDiffers naming
    the first that differs.
    """
    from logflume.bridge.archive import Archive
    from logflume.bridge.archive.stage import staged

    if isinstance(source, Archive) and target.engine.is_remote:
        with staged(
            source,
            {TopicPartition(topic, n): p.start_offset for n, p in enumerate(source[topic])},
            {},
        ) as log:
            return compare(log, target, topic, offsets=offsets)
    committed = source.engine.is_remote or target.engine.is_remote
    count = 0
    for number in range(len(source[topic])):
        where = TopicPartition(topic, number)
        left: Any = source.partition(topic, number)
        right: Any = target.partition(topic, number)
        first, end = max(left.start_offset, right.start_offset), int(right.end_offset)
        # What an archive has of a cluster is committed.
        ours, theirs = (committed and not isinstance(side, Archive) for side in (source, target))
        copy = _rows(right, first, end, theirs)
        if offsets is not None and end > right.start_offset:
            first = max(left.start_offset, offsets.original(where, right.start_offset))
            copy = _rows(right, offsets.translate(where, first), end, theirs)
            end = offsets.original(where, end - 1) + 1
        for row in _rows(left, first, end, ours):
            at = row[0] if offsets is None else offsets.translate(where, row[0])
            other = next(copy, None)
            if (at, *row[1:]) != other:
                raise CopyDiffers(
                    topic=topic, partition=number, offset=row[0], reason=_difference(row, other)
                )
            count += 1
        extra = next(copy, None)
        if extra is not None:
            raise CopyDiffers(
                topic=topic,
                partition=number,
                offset=extra[0],
                reason="the original has no such record",
            )
    return count


def _rows(log: Any, start: int, end: int, committed: bool) -> Iterator[Row]:
    at = start
    while at < end:
        batch = log.read_batch(at, read_committed=True) if committed else log.read_batch(at)
        if not len(batch):
            return
        for record in batch:
            if record.offset >= end:
                return
            yield (record.offset, record.timestamp, record.key, record.value, record.headers)
        at = int(batch.offsets[-1]) + 1


def _difference(row: Row, other: Row | None) -> str:
    if other is None:
        return "the copy has no such record"
    names = ("offset", "timestamp", "key", "value", "headers")
    return "another " + ", ".join(name for name, a, b in zip(names, row, other) if a != b)
