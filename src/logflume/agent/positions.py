"""Where sources stand, kept with the events that they delivered.

A put into one channel is one record batch, and the key of its last record says where the source stands behind it: a
batch is there as a whole or not at all, so that needs no transaction. A put into several channels of a log is a
transaction, with the positions as records of the topic `agent.positions`. Before a channel's records are deleted, the
positions in their keys are carried over into that topic. Every position has the number of its put: the highest counts.
"""

from __future__ import annotations

import json

import numpy

from logflume._native.lines import keyed_rows
from logflume._native.row_picker import pick_rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from logflume._native.columns import RecordBatch
    from logflume._native.partition import Partition
    from logflume.agent.channels import LogChannel
    from logflume.agent.stores import Store

__all__ = ["FORGOTTEN", "POSITIONS_TOPIC", "Carried", "StoredPositions"]

FORGOTTEN = ""
"""A place that says: this key is no more. Dropped when no channel has an older place of the key."""

POSITIONS_TOPIC = "agent.positions"
"""Compacted: key `agent/source/key` -> the put's number, and where the source stands; carried over from a channel's
partition, `agent/source/key by topic-partition`. One partition."""

_READ_ROWS = 50_000


class _Found:
    """The newest place of each key, `agent/source/key`, among those that were seen, by the numbers of their puts."""

    def __init__(self) -> None:
        self.newest: dict[str, tuple[int, str]] = {}

    def add(self, names: Iterable[str], number: int, places: Iterable[str]) -> None:
        """What a put of this number says."""
        for name, place in zip(names, places, strict=True):
            if self.newest.get(name, (-1, ""))[0] < number:
                self.newest[name] = number, place

    def add_keys(self, records: RecordBatch) -> None:
        """What these records' keys say."""
        for _, key in keyed_rows(records):
            said = json.loads(key)
            source, at = said["source"], said["at"]
            self.add([f"{source}/{name}" for name in at], said["put"], at.values())


class Carried:
    """What the keys of delivered records say, on its way into the topic. Not thread-safe.

    By partition: in one, later puts have higher numbers, so that under a key of its own (`... by topic-partition`) the
    newest is the last. Under the sources' keys an older place would come behind a newer one, and hide it.
    """

    def __init__(self) -> None:
        self._by_partition: dict[str, _Found] = {}

    def see(self, records: RecordBatch) -> None:
        """Take in what these records' keys say."""
        partitions = records.partitions
        if not len(records):
            return
        if (partitions == partitions[0]).all():
            self._see(records, int(partitions[0]))
            return
        for number in numpy.unique(partitions).tolist():
            self._see(pick_rows([one for one in records if one.partition == number]), number)

    def _see(self, records: RecordBatch, number: int) -> None:
        self._by_partition.setdefault(f"{records.topic}-{number}", _Found()).add_keys(records)

    def see_all(self, partition: Partition, end: int) -> None:
        """Take in what the keys of a partition's records below `end` say."""
        for records in _batches(partition, end):
            self.see(records)

    def store(self, store: Store) -> None:
        """Into the topic, on disk when it returns; then forget them."""
        keys, values = [], []
        for place, found in self._by_partition.items():
            for name, (number, at) in found.newest.items():
                keys.append(f"{name} by {place}".encode())
                values.append(json.dumps({"put": number, "at": at, "of": name}).encode())
        if keys:
            store.positions_topic()
            store.log.partition(POSITIONS_TOPIC, 0).append_many(values, keys)
            store.log.partition(POSITIONS_TOPIC, 0).sync()
        self._by_partition = {}


def _batches(partition: Partition, end: int) -> Iterator[RecordBatch]:
    at = int(partition.start_offset)
    reader = partition.reader(at, read_committed=True)
    while at < end and len(records := reader.read(min(_READ_ROWS, end - at))):
        yield records
        at = int(records.offsets[-1]) + 1


class StoredPositions:
    """Where one source stands, as its newest put left it; and the numbers of its puts. Its writers' mutex guards it."""

    def __init__(
        self, home: Store, agent: str, source: str, channels: Sequence[LogChannel]
    ) -> None:
        self._home = home
        self._channels = list(channels)
        self.source = f"{agent}/{source}"
        self._number = -1

    def load(self) -> dict[str, str]:
        """All keys and values; empty before the first put."""
        found = _Found()
        # First the channels: what a taker deletes meanwhile is in the topic before it is gone.
        for channel in self._channels:
            for number in range(channel.partitions):
                partition = channel.store.log.partition(channel.topic, number)
                for records in _batches(partition, int(partition.end_offset)):
                    found.add_keys(records)
        in_channels = set(found.newest)
        self._home.positions_topic()
        stores = {channel.store.path: channel.store for channel in self._channels}
        keys = [pair for store in stores.values() for pair in _see_topic(found, store)]
        prefix = f"{self.source}/"
        mine = {n: v for n, v in found.newest.items() if n.startswith(prefix)}
        self._number = max([self._number, *(number for number, _ in mine.values())])
        forgotten = {name for name, (_, place) in mine.items() if place == FORGOTTEN}
        self._drop([key for name, key in keys if name in forgotten - in_channels])
        return {n[len(prefix) :]: place for n, (_, place) in mine.items() if n not in forgotten}

    def _drop(self, keys: list[bytes]) -> None:
        """Nulls for keys that nothing remembers, so that compaction removes them."""
        if keys:
            self._home.log.partition(POSITIONS_TOPIC, 0).append_many([None] * len(keys), keys)

    def key(self, positions: Mapping[str, str]) -> bytes:
        """The key of a put's last record."""
        said = {"source": self.source, "put": self._next(), "at": dict(positions)}
        return json.dumps(said).encode()

    def rows(self, positions: Mapping[str, str]) -> tuple[list[bytes], list[bytes]]:
        """Keys and values for the topic, of a put that is a transaction."""
        number = self._next()
        keys = [f"{self.source}/{name}".encode() for name in positions]
        values = [json.dumps({"put": number, "at": at}).encode() for at in positions.values()]
        return keys, values

    def _next(self) -> int:
        if self._number < 0:
            self.load()
        self._number += 1
        return self._number


def _see_topic(found: _Found, store: Store) -> list[tuple[str, bytes]]:
    """Take in what a store's topic has; the positions' keys: what each is of, and the key itself."""
    if POSITIONS_TOPIC not in store.log.topics():
        return []
    keys = []
    with store.log.table(POSITIONS_TOPIC, follow="manual") as table:
        table.refresh()
        for key, value in table.items():
            said = json.loads(bytes(value))
            if "put" not in said:
                continue  # a sink's
            name = said.get("of") or bytes(key).decode()
            found.add([name], said["put"], [said["at"]])
            keys.append((name, bytes(key)))
    return keys
