"""The state of a stream processor: a mapping that writes each change to a partition of its own."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any, TypeVar

from logflume.client.table.core import PENDING_MAX
from logflume.client.table.table import Table

if TYPE_CHECKING:
    from logflume.client.log import Log

__all__ = ["Changelog"]

K = TypeVar("K")
V = TypeVar("V")


class Changelog(Table[K, V], MutableMapping[K, V]):
    """A Table of one partition that its owner alone writes; made by `log.changelog(topic, partition)`.

    What a task of a stream processor keeps between records: `state[key] = value` shows at once and goes to the
    changelog without waiting for it; `flush()` waits. Whatever the key, writes go to this partition, as the
    task's number says it. On another machine or after a crash the log brings the state back; a checkpoint makes
    that quick. Parameters, other than `partition`: see Table. `follow` is "manual" by default, as nobody
    else writes. Raises UnknownTopicOrPartition, InvalidConfig.
    """

    def __init__(self, log: Log, topic: str, partition: int, **options: Any) -> None:
        options.setdefault("follow", "manual")
        super().__init__(log, topic, partitions=[partition], **options)
        self._write_to = partition
        # Nobody sees a difference when own writes are read back early, and they need not be kept twice.
        self.core.pending_max = PENDING_MAX

    def __setitem__(self, key: K, value: V) -> None:
        """Write through: as put(), without its Delivery."""
        self.put(key, value)

    def __delitem__(self, key: K) -> None:
        """Write a tombstone. Raises KeyError when the key is absent."""
        if key not in self:
            raise KeyError(key)
        self.delete(key)
