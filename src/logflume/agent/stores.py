"""The logs under an agent: one open log a directory, however many channels, positions and sinks use it."""

from __future__ import annotations

import os
import threading

from logflume.agent.positions import POSITIONS_TOPIC
from logflume.client.log import open_log
from logflume.errors import TopicExists

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from logflume.client.log import Log

__all__ = ["Store", "Stores"]

_MAINTENANCE_S = 60.0


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
        self._maintained = False

    def maintain(self) -> None:
        """Have offsets and positions compacted now and then: they are written for as long as the agent runs."""
        if not self._maintained:
            self._maintained = True
            self.log.start_maintenance(_MAINTENANCE_S)

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
