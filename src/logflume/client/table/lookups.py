"""Look-ups of a table, in bytes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from logflume.errors import RecoveryFailed

if TYPE_CHECKING:
    import threading

    from logflume.client.table.partition_state import PartitionState
    from logflume.client.table.placement import Placement

__all__ = ["Lookups"]

_TRIES = 3


class Lookups(ABC):
    """Finds values by key. They need no lock: they see a key's value before or after a change."""

    lock: threading.RLock
    places: Placement
    on_read: bool
    """Whether reads take in first what is published by then."""
    closed: bool

    @abstractmethod
    def check_open(self) -> None:
        """Raise Closed once it is."""

    @abstractmethod
    def refresh(self) -> int:
        """Take in all that is published."""

    @abstractmethod
    def catch_up(self) -> None:
        """refresh() for reads."""

    def find(self, key: bytes) -> bytes | None:
        """The value of a key, None when it is absent. Raises CorruptRecord, Closed."""
        # Written out flat: each call saved is a tenth of a look-up.
        if self.closed:
            self.check_open()
        places = self.places
        state, home = places.only, -1
        if state is None:
            home = places.home(key)
            state = places.states.get(home)
        if state is not None:
            if self.on_read and state.position != state.log.end_offset:
                self.catch_up()
            held = state.find(key) if state.pending else state.entries.get(key)
            if held is not None:
                return held if isinstance(held, bytes) else self._read(state, key, held)
        return None if home < 0 else self._find_elsewhere(key, home)

    def _find_elsewhere(self, key: bytes, home: int) -> bytes | None:
        """A key that some producer put where the partitioner would not, or before partitions were added."""
        others = self.places.others(home)
        if self.on_read and any(state.position != state.log.end_offset for state in others):
            self.catch_up()
        for state in others:
            held = state.find(key)
            if held is not None:
                return held if isinstance(held, bytes) else self._read(state, key, held)
        return None

    def _read(self, state: PartitionState, key: bytes, offset: int) -> bytes | None:
        """A value that was left in the log."""
        for _ in range(_TRIES):
            value = state.value_at(offset)
            if value is not None:
                return value
            # Compaction took the record, so there is a newer one of this key, further on than this table has
            # read; or the front of the log was deleted.
            self.refresh()
            held = state.find(key)
            if held is None or isinstance(held, bytes):
                return held
            if held == offset:
                state.forget()
            offset = held
        raise RecoveryFailed(
            path=state.log.path,
            reason=f"the record at offset {offset} is gone, and none came after it",
        )

    def count(self) -> int:
        """Number of keys."""
        with self._still() as states:
            return sum(state.count() for state in states)

    def keys(self) -> list[bytes]:
        """All keys of this moment, by partition, in no order."""
        with self._still() as states:
            return [key for state in states for key in state.snapshot()]

    def pairs(self) -> Iterator[tuple[bytes, bytes]]:
        """All keys with their values, of this moment; large values are read when their turn comes."""
        with self._still() as states:
            copies = [(state, state.snapshot()) for state in states]
        for state, entries in copies:
            for key, held in entries.items():
                value = held if isinstance(held, bytes) else self._read(state, key, held)
                if value is not None:
                    yield key, value

    def scan(self, prefix: bytes, limit: int | None) -> Iterator[tuple[bytes, bytes]]:
        """Keys with a prefix, in the order of their bytes, with their values; of this moment."""
        with self._still() as states:
            found = [
                (key, held, state)
                for state in states
                for key, held in state.snapshot().items()
                if key.startswith(prefix)
            ]
        found.sort(key=lambda row: row[0])
        for key, held, state in found[:limit]:
            value = held if isinstance(held, bytes) else self._read(state, key, held)
            if value is not None:
                yield key, value

    @contextmanager
    def _still(self) -> Iterator[list[PartitionState]]:
        """The states, up to date where reads see to that, and not changing."""
        self.check_open()
        with self.lock:
            if self.on_read:
                self.catch_up()
            yield list(self.places.states.values())
