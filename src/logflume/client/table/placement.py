"""Which partitions a table holds, and in which of them a key belongs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from logflume._native.hashing import murmur2, xxh3_64
from logflume.config import ProducerConfig, parse
from logflume.errors import InvalidConfig, InvalidRecord, UnknownTopicOrPartition

if TYPE_CHECKING:
    from logflume._native.partition import Partition
    from logflume.client.table.partition_state import PartitionState
    from logflume.log.directory import LogDirectory

__all__ = ["Placement"]


class Placement:
    """The states of a table's partitions, by number. `make_state` opens one. The table's lock guards `adopt`.

    Parameters: `partitions`, None for all, also those to come; `options`, the producer's.
    Raises UnknownTopicOrPartition, and InvalidConfig for a partitioner that does not look at keys.
    """

    def __init__(
        self,
        directory: LogDirectory,
        topic: str,
        partitions: Iterable[int] | None,
        options: Mapping[str, object],
        make_state: Callable[[Partition], PartitionState],
    ) -> None:
        self._directory = directory
        self._topic = topic
        self._make_state = make_state
        partitioner = parse(ProducerConfig, options).partitioner
        if partitioner not in ("murmur2", "xxh3"):
            raise InvalidConfig(
                name="partitioner",
                value=partitioner,
                reason="a table needs each key in one partition: murmur2 or xxh3",
            )
        self._xxh3 = partitioner == "xxh3"
        self.count = 0
        """Of the topic's partitions, held here or not."""
        self._subset = None if partitions is None else sorted(set(partitions))
        self.states: dict[int, PartitionState] = {}
        self.only: PartitionState | None = None
        """The one state, where there is no other."""
        self.adopt()

    def adopt(self) -> None:
        """Take in partitions that were added. Raises UnknownTopicOrPartition when the topic is gone."""
        count = self._directory.topic(self._topic).partitions
        if count == self.count:
            return
        wanted = range(count) if self._subset is None else self._subset
        if not wanted:
            raise UnknownTopicOrPartition(topic=self._topic)
        added = {
            n: self._make_state(self._directory.partition(self._topic, n))
            for n in wanted
            if n not in self.states
        }
        # A new dict, for those who are looking through the old one without the lock.
        self.states = {**self.states, **added}
        self.only = next(iter(self.states.values())) if len(self.states) == 1 else None
        self.count = count

    def home(self, key: bytes) -> int:
        """Number of the partition where the partitioner puts a key, held here or not."""
        if self._xxh3:
            return xxh3_64(key) % self.count
        return (murmur2(key) & 0x7FFFFFFF) % self.count

    def held(self, number: int) -> PartitionState:
        """The state of a partition. Raises InvalidRecord when this table does not hold it."""
        state = self.states.get(number)
        if state is None:
            raise InvalidRecord(
                reason=f"its key belongs in partition {number} of {self._topic},"
                f" and this table holds {', '.join(map(str, self.states))}"
            )
        return state

    def others(self, home: int) -> list[PartitionState]:
        """All states but one."""
        return [state for number, state in self.states.items() if number != home]
