"""What users may write for partitions and topics, brought into one form."""

from __future__ import annotations

from collections.abc import Iterable

from logflume.errors import PartitionNotAssigned
from logflume.types import OffsetAndMetadata, TopicPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from re import Pattern

__all__ = ["as_offsets", "as_partitions", "as_place", "names_or_pattern", "not_assigned"]


def as_place(topic: object, partition: int | None = None) -> TopicPartition:
    """`("t", 0)`, `TopicPartition("t", 0)` or topic and partition apart. Raises TypeError for anything else."""
    if isinstance(topic, str) and isinstance(partition, int):
        return TopicPartition(topic, partition)
    if partition is None and isinstance(topic, tuple) and len(topic) == 2:
        name, number = topic
        if isinstance(name, str) and isinstance(number, int):
            return TopicPartition(name, number)
    raise TypeError(f"a partition is (topic, number), not {topic!r}, {partition!r}")


def as_partitions(places: Iterable[tuple[str, int]]) -> list[TopicPartition]:
    """Each in the one form."""
    return [as_place(place) for place in places]


def as_offsets(
    offsets: Mapping[tuple[str, int], int | OffsetAndMetadata],
) -> dict[TopicPartition, OffsetAndMetadata]:
    """Offsets to commit; a plain int has no note with it. Raises ValueError for a negative one."""
    out = {}
    for place, given in offsets.items():
        entry = given if isinstance(given, OffsetAndMetadata) else OffsetAndMetadata(given)
        if entry.offset < 0:
            raise ValueError(f"offset {entry.offset} of {place} is negative")
        out[as_place(place)] = entry
    return out


def names_or_pattern(
    topics: tuple[str | Iterable[str] | Pattern[str], ...],
) -> tuple[set[str], Pattern[str] | None]:
    """What `subscribe` was given: topic names, or one compiled pattern. TypeError for both, or neither."""
    names: set[str] = set()
    pattern: Pattern[str] | None = None
    for item in topics:
        if isinstance(item, str):
            names.add(item)
        elif isinstance(item, Iterable):
            names.update(item)
        else:
            pattern = item
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
