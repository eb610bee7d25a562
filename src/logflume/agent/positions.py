"""Where sources stand, kept with the events that they delivered.

A put into one channel is one record batch, and the key of its last record says where the source stands behind it: a
batch is there as a whole or not at all, so that needs no transaction. A put into several channels of a log is a
transaction, with the positions as records of the topic `agent.positions`. Before a channel's records are deleted, the
positions in their keys are carried over into that topic. Every position has the number of its put: the highest counts.
"""

from __future__ import annotations

import json

from logflume._native.lines import keyed_rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from logflume._native.columns import RecordBatch
    from logflume._native.partition import Partition
    from logflume.agent.channels import LogChannel
    from logflume.agent.stores import Store

__all__ = ["POSITIONS_TOPIC", "Carried", "StoredPositions"]

POSITIONS_TOPIC = "agent.positions"
"""Compacted: key `agent/source/key` -> the put's number, and where the source stands. One partition."""

_READ_ROWS = 50_000


class Carried:
    """The newest positions seen in records' keys: of any source, by their keys in the topic. Not thread-safe."""

    def __init__(self) -> None:
        self.newest: dict[str, tuple[int, str]] = {}

    def see(self, records: RecordBatch) -> None:
        """Take in what these records' keys say."""
        for _, key in keyed_rows(records):
            said = json.loads(key)
            self.add(said["source"], said["put"], said["at"].items())

    def see_all(self, partition: Partition, end: int) -> None:
        """Take in what the keys of a partition's records below `end` say."""
        at = int(partition.start_offset)
        reader = partition.reader(at, read_committed=True)
        while at < end:
            records = reader.read(min(_READ_ROWS, end - at))
            if not len(records):
                break
            self.see(records)
            at = int(records.offsets[-1]) + 1

    def add(self, source: str, number: int, positions: Iterable[tuple[str, str]]) -> None:
        """A source's positions behind its put of this number."""
        for name, place in positions:
            full = f"{source}/{name}"
            if self.newest.get(full, (-1, ""))[0] < number:
                self.newest[full] = number, place

    def store(self, store: Store) -> None:
        """Into the topic, on disk when it returns; then forget them."""
        if not self.newest:
            return
        store.positions_topic()
        keys, values = _rows(self.newest)
        store.log.partition(POSITIONS_TOPIC, 0).append_many(values, keys)
        store.log.partition(POSITIONS_TOPIC, 0).sync()
        self.newest = {}


def _rows(newest: Mapping[str, tuple[int, str]]) -> tuple[list[bytes], list[bytes]]:
    """Keys and values as the topic has them."""
    keys = [name.encode() for name in newest]
    values = [json.dumps({"put": n, "at": place}).encode() for n, place in newest.values()]
    return keys, values


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
        found = Carried()
        # First the channels: what a taker deletes meanwhile is in the topic before it is gone.
        for channel in self._channels:
            for number in range(channel.partitions):
                partition = channel.store.log.partition(channel.topic, number)
                found.see_all(partition, int(partition.end_offset))
        self._home.positions_topic()
        for store in {channel.store.path: channel.store for channel in self._channels}.values():
            _see_topic(found, store)
        prefix = f"{self.source}/"
        mine = {n: v for n, v in found.newest.items() if n.startswith(prefix)}
        self._number = max([self._number, *(number for number, _ in mine.values())])
        return {name[len(prefix) :]: place for name, (_, place) in mine.items()}

    def key(self, positions: Mapping[str, str]) -> bytes:
        """The key of a put's last record."""
        said = {"source": self.source, "put": self._next(), "at": dict(positions)}
        return json.dumps(said).encode()

    def rows(self, positions: Mapping[str, str]) -> tuple[list[bytes], list[bytes]]:
        """Keys and values for the topic, of a put that is a transaction."""
        number = self._next()
        return _rows({f"{self.source}/{n}": (number, place) for n, place in positions.items()})

    def _next(self) -> int:
        if self._number < 0:
            self.load()
        self._number += 1
        return self._number


def _see_topic(found: Carried, store: Store) -> None:
    if POSITIONS_TOPIC not in store.log.topics():
        return
    with store.log.table(POSITIONS_TOPIC, follow="manual") as table:
        table.refresh()
        for key, value in table.items():
            source, _, name = bytes(key).decode().rpartition("/")
            said = json.loads(bytes(value))
            if "put" not in said:
                continue  # a sink's
            found.add(source, said["put"], [(name, said["at"])])
