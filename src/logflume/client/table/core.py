"""A table in bytes: own writes, following the log, checkpoints. Table and Changelog put their faces on it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Literal

from logflume.client.table.checkpoint_store import CheckpointStore
from logflume.client.table.follower import Follower
from logflume.client.table.lookups import Lookups
from logflume.client.table.partition_state import Announce, PartitionState
from logflume.client.table.placement import Placement
from logflume.errors import Closed, InvalidConfig, ReadOnlyDirectory, UnknownTopicOrPartition

if TYPE_CHECKING:
    import os

    from logflume._native.delivery import Delivery
    from logflume._native.partition import Partition
    from logflume.client.log import Log
    from logflume.client.producer import Producer

__all__ = ["Core", "Follow"]

Follow = Literal["read", "background", "manual"]
_FOLLOW = ("read", "background", "manual")
PENDING_MAX = 1 << 16
_UNBLOCK_S = 0.02  # how often a dead producer's open transaction is looked for
_ADOPT_S = 1.0  # how often a read looks for settings and partitions that others changed


class Core(Lookups):
    """Values by key, and what keeps them true. Parameters and errors: see Table.

    Writers of the state (refresh, send) hold the lock; look-ups take none, they find a key's value before or
    after a change. Own writes lie in `pending` until they were read back from the log: there alone is the order
    among writers.
    """

    def __init__(
        self,
        log: Log,
        topic: str,
        *,
        partitions: Iterable[int] | None,
        follow: Follow,
        checkpoint: bool,
        state_dir: str | os.PathLike[str] | None,
        inline_bytes_max: int,
        options: dict[str, object],
    ) -> None:
        if follow not in _FOLLOW:
            raise InvalidConfig(
                name="follow", value=follow, reason=f"must be one of {', '.join(_FOLLOW)}"
            )
        self.topic = topic
        self.announce: Announce | None = None
        self._log = log
        self._directory = log.directory
        self._options = options
        self.pending_max = None if follow == "manual" else PENDING_MAX
        """Own writes kept aside; when there are more, they are read back. None: at a refresh only."""
        self.on_read = follow == "read"
        self._background = follow == "background"
        self.lock = threading.RLock()
        self._producer: Producer | None = None
        self._follower: Follower | None = None
        self._failure: Exception | None = None
        self._folding = self.closed = False
        self._adopted = time.monotonic()
        self._unblocked = 0.0
        entry = self._directory.topic(topic)
        self._tombstone_ms = entry.config.delete_retention_ms
        self._store = CheckpointStore(entry.topic_id, state_dir) if checkpoint else None
        self._saves = checkpoint and (state_dir is not None or not self._directory.read_only)
        opener = _opener(self._store, inline_bytes_max)
        self.places = Placement(self._directory, topic, partitions, options, opener)
        self.refresh()
        self._start_follower()

    def _start_follower(self) -> None:
        if self._background and self._follower is None:
            self._follower = Follower(self)

    @property
    def states(self) -> dict[int, PartitionState]:
        """By partition number; never changed, only replaced."""
        return self.places.states

    def check_open(self) -> None:
        """Raise Closed once it is."""
        if self.closed:
            raise Closed(what=f"the table {self.topic}")

    # ---- following the log

    def refresh(self) -> int:
        """Take in all that is published; returns how many records. See Table.refresh."""
        with self.lock:
            self.check_open()
            if self._folding:  # called from a callback
                return 0
            failure, self._failure = self._failure, None
            if failure is not None:
                raise failure
            self._look_around()
            return self._fold()

    def catch_up(self) -> None:
        """refresh() for reads: cheap when there is nothing new."""
        with self.lock:
            if self._folding:
                return
            if time.monotonic() - self._adopted >= _ADOPT_S:
                self._look_around()
            self._fold()

    def follow(self) -> list[tuple[Partition, int]]:
        """For the follower: refresh, then what to wait for."""
        with self.lock:
            self.check_open()
            self._look_around()
            self._fold()
            return [(state.log, state.position) for state in self.states.values()]

    def note_failure(self, error: Exception) -> None:
        """For the follower: kept for the next refresh() or close()."""
        with self.lock:
            self._failure = self._failure or error

    def _look_around(self) -> None:
        """Take over what changed in the topic. Raises UnknownTopicOrPartition when it is gone."""
        self.places.adopt()
        self._tombstone_ms = self._directory.topic(self.topic).config.delete_retention_ms
        self._adopted = time.monotonic()

    def _fold(self) -> int:
        count = 0
        self._folding = True
        try:
            own = {n: state.pending.copy() for n, state in self.states.items() if state.pending}
            if own and self._producer is not None:
                self._producer.publish()
            ends = {number: self.states[number].log.end_offset for number in own}
            for number, state in self.states.items():
                count += state.catch_up(self.announce, self._tombstone_ms)
                if state.position < state.log.end_offset:
                    self._unblock(state.log)
                if state.position < ends.get(number, 0):
                    continue  # they stand behind an open transaction
                for key, entry in own.get(number, {}).items():
                    # Read back by now (or refused, which flush() tells), unless it was written again meanwhile.
                    if state.pending.get(key) is entry:
                        del state.pending[key]
        finally:
            self._folding = False
        return count

    def _unblock(self, log: Partition) -> None:
        """What is next belongs to an open transaction: it is ended, should its producer be dead."""
        now = time.monotonic()
        if now - self._unblocked >= _UNBLOCK_S:
            self._unblocked = now
            if not self._directory.read_only:
                self._log.transactions.settle([log])

    def replay(self, announce: Announce) -> None:
        """Announce all keys there are, as if each came now; own writes that are not read back will still come."""
        with self.lock:
            self.refresh()
            for state in self.states.values():
                state.replay(announce)

    # ---- writing

    def send(
        self,
        key: bytes,
        value: bytes | None,
        headers: Iterable[tuple[str, bytes | None]] | None,
        partition: int | None,
        timestamp: int | None,
    ) -> Delivery:
        """Send a record; it shows in look-ups from here on. Raises InvalidRecord and what Producer.send does."""
        with self.lock:
            if self.closed:
                self.check_open()
            places = self.places
            if partition is None:
                partition = places.home(key) if places.count > 1 else 0
            state = places.states.get(partition) or places.held(partition)
            producer = self._producer or self._writer()
            delivery: Delivery = producer.send(
                self.topic, value, key, headers, partition, timestamp
            )
            state.pending[key] = (value,)
            if self.pending_max is not None and len(state.pending) >= self.pending_max:
                self.catch_up()
            return delivery

    def _writer(self) -> Producer:
        if self._producer is None:
            if self._directory.read_only:
                raise ReadOnlyDirectory(path=self._log.path, reason="opened with read_only=True")
            self._producer = self._log.producer(**self._options)
        return self._producer

    def flush(self) -> None:
        """Return when own writes are acknowledged. Raises the first failure since the last flush."""
        self.check_open()
        if self._producer is not None:
            self._producer.flush()

    # ---- checkpoints and life

    def checkpoint(self) -> None:
        """See Table.checkpoint."""
        if self._store is None or not self._saves:
            reason = "the table was opened with checkpoint=False, or read-only without a state_dir"
            raise ReadOnlyDirectory(path=self._log.path, reason=reason)
        self.flush()
        self.refresh()
        for state in self.states.values():
            self._store.save(state, self.lock)

    def close(self) -> None:
        """See Table.close."""
        if self.closed:
            return
        if self._follower is not None:
            self._follower.stop()
        failure = self._failure
        try:
            self._finish()
        except Exception as error:
            failure = failure or error
        self.closed = True
        if self._producer is not None:
            self._producer.close()
        if failure is not None:
            raise failure

    def _finish(self) -> None:
        self.flush()
        if self._store is None or not self._saves:
            return
        try:
            self.catch_up()  # what is not read now is read at the next start
            for state in self.states.values():
                if self._store.worth_saving(state):
                    self._store.save(state, self.lock)
        except UnknownTopicOrPartition:
            return  # the topic was deleted, and its table with it

    def abandon(self) -> None:
        """In a forked child: the parent has sent, or will send, what is pending; a follower is started anew."""
        self.lock = threading.RLock()
        self._folding = False
        self._follower = None
        for state in self.states.values():
            state.pending = {}
        if not self.closed:
            self._start_follower()


def _opener(
    store: CheckpointStore | None, inline_bytes_max: int
) -> Callable[[Partition], PartitionState]:
    """What opens a partition's state. No method of Core, so that a forgotten table goes at once."""

    def open_state(log: Partition) -> PartitionState:
        state = PartitionState(log, inline_bytes_max=inline_bytes_max)
        if store is not None:
            store.restore(state)
        return state

    return open_state
