"""What users may write for a partition, brought into one form."""

from __future__ import annotations

from logflume.types import OffsetAndMetadata, TopicPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["as_offsets", "as_partitions", "as_place"]


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
