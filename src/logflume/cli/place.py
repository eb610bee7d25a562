"""Where in a log: `--from` and `--until` as words, and the offsets they mean in each partition."""

from __future__ import annotations

from logflume.cli.failures import Usage
from logflume.errors import OffsetOutOfRange
from logflume.types import NamedTuple, TopicPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from logflume._native.partition import Partition

__all__ = ["Place", "offsets_of", "parse_place"]

_UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_FORMS = (
    "beginning, end, -100, an offset, 90s, 10m, 2h, 7d, an ISO 8601 time or milliseconds since 1970"
)

TIME_FROM = 100_000_000_000
"""A bare number from here on is a time (March 1973 in ms): no partition has that many records."""


class Place(NamedTuple):
    """`kind`: beginning, end, last (the last `value` records), offset, or time (ms)."""

    kind: str
    value: int = 0


def parse_place(text: str, *, option: str, now_ms: int) -> Place:
    """What the user wrote for `option`. Raises Usage."""
    word = text.strip()
    if word in ("beginning", "earliest", "start"):
        return Place("beginning")
    if word in ("end", "latest"):
        return Place("end")
    number = word.removeprefix("-")
    if number.isascii() and number.isdecimal() and len(number) <= 18:
        if word.startswith("-"):
            return Place("last", int(number))
        return Place("time" if int(word) >= TIME_FROM else "offset", int(word))
    unit = word.lstrip("0123456789")
    if unit in _UNITS and 0 < len(word) - len(unit) <= 12 and word.isascii():
        return Place("time", now_ms - int(word[: -len(unit)]) * _UNITS[unit])
    stamp = _iso(word)
    if stamp is None:
        raise Usage(f"{option} {text}: expected {_FORMS}")
    return Place("time", stamp)


def _iso(word: str) -> int | None:
    """ISO 8601 as ms since 1970; local time where no zone is given."""
    from datetime import datetime

    if not word[:4].isdecimal():
        return None
    try:
        return int(datetime.fromisoformat(word).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


def offsets_of(place: Place, partitions: Sequence[Partition]) -> dict[TopicPartition, int]:
    """The offset that `place` means in each partition.

    The last N records are those of all partitions together. An offset outside a partition is met by its nearest
    end; where only one partition is meant, it raises OffsetOutOfRange.
    """
    if place.kind == "last":
        return _last(place.value, partitions)
    alone = len(partitions) == 1
    return {TopicPartition(p.topic, p.partition): _offset(place, p, alone) for p in partitions}


def _offset(place: Place, partition: Partition, alone: bool) -> int:
    start, end = partition.start_offset, partition.end_offset
    if place.kind == "beginning":
        return start
    if place.kind == "end":
        return end
    if place.kind == "time":
        found = partition.offset_for_time(place.value)
        return end if found is None else found
    if alone and not start <= place.value <= end:
        raise OffsetOutOfRange(
            topic=partition.topic,
            partition=partition.partition,
            offset=place.value,
            start_offset=start,
            end_offset=end,
        )
    return min(max(place.value, start), end)


def _last(count: int, partitions: Sequence[Partition]) -> dict[TopicPartition, int]:
    """By time over all partitions: each is asked for its last `count`, and the newest of all are kept."""
    if len(partitions) == 1:
        p = partitions[0]
        return {TopicPartition(p.topic, p.partition): max(p.start_offset, p.end_offset - count)}
    import numpy

    tails = []
    for p in partitions:
        first = max(p.start_offset, p.end_offset - count)
        tails.append(p.read_batch(first, max_records=max(count, 1), max_bytes=1 << 40))
    # A partition's records stay in their order, whatever their stamps say.
    stamps = [numpy.maximum.accumulate(tail.timestamps) for tail in tails]
    owners = numpy.repeat(numpy.arange(len(tails)), [len(tail) for tail in tails])
    newest = numpy.argsort(numpy.concatenate(stamps), kind="stable")[len(owners) - count :]
    if len(owners) <= count:
        newest = numpy.arange(len(owners))
    taken = numpy.bincount(owners[newest], minlength=len(tails))
    out = {}
    for p, tail, kept in zip(partitions, tails, taken.tolist()):
        at = int(tail.offsets[len(tail) - kept]) if kept else p.end_offset
        out[TopicPartition(p.topic, p.partition)] = at
    return out
