"""Numbers for a group's partitions: each (topic, partition) gets one, for good, to be locked by."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from logflume.types import TopicPartition

__all__ = ["PartitionNumbers"]


class PartitionNumbers:
    """Topic to runs of (first number, count); a topic that grows gets a further run.

    A number is never given twice, so that a member with an old table cannot take one partition's
    lock for another's. Part of a group's table, changed under its lock only.
    """

    def __init__(
        self, runs: Mapping[str, list[tuple[int, int]]] | None = None, next_number: int = 0
    ) -> None:
        self.runs = {topic: list(topic_runs) for topic, topic_runs in (runs or {}).items()}
        self.next_number = next_number

    def number_of(self, partition: TopicPartition) -> int:
        """The partition's number. LookupError when it was given none."""
        rest = partition.partition
        for first, count in self.runs.get(partition.topic, ()):
            if rest < count:
                return first + rest
            rest -= count
        raise LookupError(f"{partition} has no number")

    def cover(self, partition_counts: Mapping[str, int]) -> None:
        """Give numbers to all partitions that have none yet."""
        for topic in sorted(partition_counts):
            runs = self.runs.setdefault(topic, [])
            missing = partition_counts[topic] - sum(count for _, count in runs)
            if missing > 0:
                runs.append((self.next_number, missing))
                self.next_number += missing

    def drop_others(
        self, partition_counts: Mapping[str, int], is_owned: Callable[[int, int], bool]
    ) -> None:
        """Forget topics nobody subscribes to, unless `is_owned(first, count)`: a member that was
        told to give such a partition up may not have done so yet."""
        for topic in set(self.runs) - set(partition_counts):
            if not any(is_owned(first, count) for first, count in self.runs[topic]):
                del self.runs[topic]
