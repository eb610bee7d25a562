"""The logs under an agent: one open log a directory, however many channels, positions and sinks use it."""

from __future__ import annotations

import os
import threading

from logflume.client.log import open_log
from logflume.errors import TopicExists

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from logflume.agent.events import EventBatch
    from logflume.client.log import Log
    from logflume.client.producer import Producer

    Part = tuple[str, int, EventBatch]
    """Topic, partition, events."""

__all__ = ["POSITIONS_TOPIC", "Store", "StoredPositions", "Stores", "Writer"]

POSITIONS_TOPIC = "agent.positions"
"""Compacted: key `agent/source/key` -> where the source stands. One partition."""


class Stores:
    """Opens each directory once. Thread-safe."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._stores: dict[str, Store] = {}

    def open(self, path: str) -> Store:
        """The store of a directory, made when missing. Raises what `logflume.open` raises."""
        where = os.path.realpath(os.path.expanduser(path))
        with self._mutex:
            found = self._stores.get(where)
            if found is None:
                found = self._stores[where] = Store(where)
            return found

    def all(self) -> list[Store]:
        """Those opened so far."""
        with self._mutex:
            return list(self._stores.values())

    def close(self) -> None:
        """Close all logs; the first failure is raised after all were tried."""
        failure: Exception | None = None
        for store in self.all():
            try:
                store.log.close()
            except Exception as error:  # raised below, when the others are closed
                failure = failure or error
        self._stores.clear()
        if failure is not None:
            raise failure


class Store:
    """One open log directory."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.log: Log = open_log(path)

    def topic(self, name: str, partitions: int, config: Mapping[str, object]) -> int:
        """Make a topic, or give one more partitions; returns how many it has."""
        try:
            self.log.create_topic(name, partitions=partitions, config=config)
        except TopicExists:
            if self.log.describe_topic(name).partitions < partitions:
                self.log.alter_topic(name, partitions=partitions)
        return int(self.log.describe_topic(name).partitions)

    def positions_topic(self) -> None:
        """Make the topic of positions when it is missing."""
        self.topic(POSITIONS_TOPIC, 1, {"cleanup.policy": "compact", "segment.bytes": 16 << 20})


class StoredPositions:
    """Where one source stands, as the newest committed transaction left it."""

    def __init__(self, store: Store, agent: str, source: str) -> None:
        self._store = store
        self.prefix = f"{agent}/{source}/"

    def load(self) -> dict[str, str]:
        """All keys and values; empty before the first transaction."""
        self._store.positions_topic()
        with self._store.log.table(POSITIONS_TOPIC, follow="manual") as table:
            table.refresh()
            return {
                bytes(key).decode()[len(self.prefix) :]: bytes(value).decode()
                for key, value in table.items()
                if bytes(key).decode().startswith(self.prefix)
            }


class Writer:
    """Puts a source's events, and where it stands behind them, into a store in one transaction.

    Owned by one source; thread-safe. `acks` is the level of puts without positions: "all" (on disk), or 1.
    """

    def __init__(self, store: Store, agent: str, source: str, *, acks: str | int = "all") -> None:
        self._store = store
        self._prefix = f"{agent}/{source}/"
        self._mutex = threading.Lock()
        self._id = f"logflume-agent/{agent}/{source}"
        self._acks = acks
        self._plain: Producer | None = None
        self._transactional: Producer | None = None

    @property
    def _for_transactions(self) -> Producer:
        if self._transactional is None:
            self._store.positions_topic()
            self._transactional = self._store.log.producer(transactional_id=self._id)
        return self._transactional

    def put(
        self,
        parts: Sequence[Part],
        positions: Mapping[str, str] | None,
    ) -> None:
        """(topic, partition, events) each, all or none of them. On disk when it returns, if acks is "all"."""
        if positions is None and len(parts) == 1:
            with self._mutex:
                if self._plain is None:
                    self._plain = self._store.log.producer(acks=self._acks)
                plain = self._plain
            # Not under the mutex: connections that put at one time share a sync.
            self._send(plain, *parts[0])
            return
        with self._mutex:
            producer = self._for_transactions
            with producer.transaction():
                for part in parts:
                    self._send(producer, *part)
                if positions:
                    producer.send_many(
                        POSITIONS_TOPIC,
                        [value.encode() for value in positions.values()],
                        keys=[(self._prefix + key).encode() for key in positions],
                        partition=0,
                    )

    @staticmethod
    def _send(producer: Producer, topic: str, partition: int, batch: EventBatch) -> None:
        producer.send_many(topic, batch.bodies, partition=partition, headers=batch.record_headers())

    def close(self) -> None:
        """Close its producers."""
        for producer in (self._plain, self._transactional):
            if producer is not None:
                producer.close()
        self._plain = self._transactional = None
