"""What users may write for partitions and topics, brought into one form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import index

from logflume.config.names import as_topic
from logflume.errors import PartitionNotAssigned
from logflume.types import OffsetAndMetadata, TopicPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from re import Pattern
    from typing import Any, SupportsIndex, TypeVar

    V = TypeVar("V")

__all__ = [
    "as_offset",
    "as_offsets",
    "as_partitions",
    "as_place",
    "by_place",
    "names_or_pattern",
    "not_assigned",
]


def as_place(topic: object, partition: SupportsIndex | None = None) -> TopicPartition:
    """`("t", 0)`, `TopicPartition("t", 0)` or topic and partition apart. Raises TypeError for anything else.

    Numbers may be of any whole kind: those of a batch's columns are numpy's.
    """
    name: object = topic
    number: Any = partition
    if partition is None and isinstance(topic, tuple) and len(topic) == 2:
        name, number = topic
    if isinstance(name, str) and hasattr(number, "__index__"):
        return TopicPartition(name, index(number))
    given = repr(topic) if partition is None else f"{topic!r}, {partition!r}"
    raise TypeError(f"a partition is (topic, number), not {given}")


def as_offset(given: object, where: object) -> int:
    """A whole number from 0 on. Raises TypeError and ValueError that name `where`."""
    if not hasattr(given, "__index__"):
        raise TypeError(f"offset {given!r} of {where} is no whole number")
    offset = index(given)
    if not 0 <= offset < 1 << 63:
        raise ValueError(
            f"offset {offset} of {where} is {'negative' if offset < 0 else 'too large'}"
        )
    return offset


def by_place(given: Mapping[tuple[str, int], V], what: str) -> dict[TopicPartition, V]:
    """A mapping by partitions, in the one form. Raises TypeError for what is none."""
    if not isinstance(given, Mapping):
        raise TypeError(f"a mapping {{(topic, number): {what}}} is needed, not {given!r}")
    return {as_place(place): value for place, value in given.items()}


def as_partitions(places: Iterable[tuple[str, int]]) -> list[TopicPartition]:
    """Each in the one form."""
    return [as_place(place) for place in places]


def as_offsets(
    offsets: Mapping[tuple[str, int], int | OffsetAndMetadata],
) -> dict[TopicPartition, OffsetAndMetadata]:
    """Offsets to commit; a plain int has no note with it. Raises ValueError for a negative one."""
    return {
        where: given._replace(offset=as_offset(given.offset, where))
        if isinstance(given, OffsetAndMetadata)
        else OffsetAndMetadata(as_offset(given, where))
        for where, given in by_place(offsets, "offset").items()
    }


def names_or_pattern(
    topics: tuple[str | Iterable[str] | Pattern[str], ...],
) -> tuple[set[str], Pattern[str] | None]:
    """What `subscribe` was given: topic names, or one compiled pattern. TypeError for both, or neither."""
    names: set[str] = set()
    pattern: Pattern[str] | None = None
    given: object
    for given in topics:
        if isinstance(given, Iterable) and not isinstance(given, (str, bytes)):
            names.update(map(as_topic, given))
        elif hasattr(given, "fullmatch"):
            pattern = given  # type: ignore[assignment]
        else:
            names.add(as_topic(given))
    if not names and pattern is None:
        raise TypeError("subscribe() wants topic names or a compiled pattern")
    if pattern is not None and (names or len(topics) > 1):
        raise TypeError("subscribe() takes names or one pattern, not both")
    return names, pattern


def not_assigned(where: TopicPartition, assigned: Iterable[TopicPartition]) -> PartitionNotAssigned:
    """What is wrong with asking for `where`."""
    read = (
        ", ".join(map(str, sorted(assigned)))
        or "no partition yet: a group's come with the first poll"
    )
    return PartitionNotAssigned(topic=where.topic, partition=where.partition, assigned=read)
