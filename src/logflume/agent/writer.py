"""Puts a source's batches into the channels of one log."""

from __future__ import annotations

import threading

from logflume._native.input_columns import held_bytes, last_only
from logflume.agent.positions import POSITIONS_TOPIC
from logflume.agent.syncer import Syncer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from logflume.agent.events import EventBatch
    from logflume.agent.positions import StoredPositions
    from logflume.agent.stores import Store
    from logflume.client.producer import Producer

    Part = tuple[str, int, EventBatch]
    """Topic, partition, events."""

__all__ = ["CHANNEL_BATCH_BYTES_MAX", "Writer"]

CHANNEL_BATCH_BYTES_MAX = 16 << 20
"""Bytes of a record batch of a channel at most; what is larger goes in several, as a transaction."""

_RECORD_BYTES = 36  # of a record at most, beside its key, value and headers
_BATCH_BYTES = 4096  # its head, and the key of its last record


class Writer:
    """Puts a source's events, and where it stands behind them, into a log: all or nothing of each put.

    Owned by one source; thread-safe. `acks`: "all", a put is on disk when it counts; or 1.
    """

    def __init__(
        self,
        store: Store,
        agent: str,
        source: str,
        *,
        positions: StoredPositions | None,
        acks: str | int = "all",
    ) -> None:
        self._store = store
        self._id = f"logflume-agent/{agent}/{source}"
        self._positions = positions
        self._durable = acks == "all"
        self._mutex = threading.Lock()
        self._syncer = Syncer(f"sync-{source}")
        self._producer: Producer | None = None

    def put(
        self,
        parts: Sequence[Part],
        positions: Mapping[str, str] | None,
        done: Callable[[], None],
        *,
        behind: bool = False,
    ) -> None:
        """(topic, partition, events) each, all or none of them; `done` is called when they count.

        That is before this returns; with `behind` it may be later, and a failure is raised by a later put, or `flush`.
        """
        size = _size(parts[0][2]) if len(parts) == 1 else 0
        single = len(parts) == 1 and size <= CHANNEL_BATCH_BYTES_MAX
        if positions is not None and not single:
            self._put_as_transaction(parts, positions)
        elif positions is None and len(parts) > 1:
            self._put_as_transaction(parts, None)
        else:
            self._append(parts[0], size, positions, done, behind=behind)
            return
        done()

    def _append(
        self,
        part: Part,
        size: int,
        positions: Mapping[str, str] | None,
        done: Callable[[], None],
        *,
        behind: bool,
    ) -> None:
        topic, number, batch = part
        partition = self._store.log.partition(topic, number)
        with self._mutex:
            # Also a put that is waited for must not overtake one that is not.
            self._syncer.admit(partition)
            keys = None
            bodies = batch.bodies
            if positions is not None:
                assert self._positions is not None
                keys = last_only(len(batch), self._positions.key(positions))
                bodies = held_bytes(bodies) if isinstance(bodies, list) else bodies
            first = partition.append_many(
                bodies,
                keys,
                headers=batch.append_headers(),
                batch_bytes=min(size, CHANNEL_BATCH_BYTES_MAX),
                followed=self._durable,
            )
            if self._durable and behind:
                self._syncer.add(partition, first + len(batch), done)
                return
        if self._durable:
            partition.sync(first + len(batch))  # one sync serves all threads that wait
        done()

    def _put_as_transaction(
        self, parts: Sequence[Part], positions: Mapping[str, str] | None
    ) -> None:
        with self._mutex:
            self._syncer.flush()
            if self._producer is None:
                self._store.positions_topic()
                self._producer = self._store.log.producer(transactional_id=self._id)
            producer = self._producer
            with producer.transaction():
                for topic, number, batch in parts:
                    producer.send_many(
                        topic, batch.bodies, partition=number, headers=batch.append_headers()
                    )
                if positions:
                    assert self._positions is not None
                    keys, values = self._positions.rows(positions)
                    producer.send_many(POSITIONS_TOPIC, values, keys=keys, partition=0)

    def flush(self) -> None:
        """Return when all that was put counts. Raises what a sync failed with."""
        self._syncer.flush()

    def close(self) -> None:
        """Sync what is left; close its producer."""
        self._syncer.close()
        if self._producer is not None:
            self._producer.close()
            self._producer = None


def _size(batch: EventBatch) -> int:
    """Bytes of the batch as one of records, at most."""
    common = sum(4 * len(name) + len(value.encode()) + 10 for name, value in batch.common.items())
    own = sum(
        4 * len(name) + 4 * len(value or "") + 10
        for name, column in batch.columns.items()
        for value in column
    )
    return batch.nbytes + len(batch) * (_RECORD_BYTES + common) + own + _BATCH_BYTES
