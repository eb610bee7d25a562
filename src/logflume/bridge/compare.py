"""Whether a copy is one."""

from __future__ import annotations

from logflume.errors import CopyDiffers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from logflume.bridge.archive import Archive
    from logflume.client.log import Log

    Row = tuple[int, int, bytes | None, bytes | None, list[tuple[str, bytes | None]]]

__all__ = ["compare"]


def compare(source: Log | Archive, target: Log | Archive, topic: str) -> int:
    """Read a topic on both sides and compare offsets, times, keys, values and headers; returns how many records.

    Goes from the later start to the end that the copy has now. Raises CopyDiffers naming the first that differs.
    """
    count = 0
    for number in range(len(source[topic])):
        left: Any = source.partition(topic, number)
        right: Any = target.partition(topic, number)
        start = max(left.start_offset, right.start_offset)
        end = int(right.end_offset)
        copy = _rows(right, start, end)
        for row in _rows(left, start, end):
            other = next(copy, None)
            if row != other:
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


def _rows(log: Any, start: int, end: int) -> Iterator[Row]:
    at = start
    while at < end:
        batch = log.read_batch(at)
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
