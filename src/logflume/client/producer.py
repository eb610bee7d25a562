"""Sending records."""

from __future__ import annotations

import threading
import weakref

from logflume.closing import Closing
from logflume.config import ProducerConfig
from logflume.errors import Closed, InvalidTxnState, UnknownTopicOrPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from typing_extensions import Buffer

    from logflume._native.delivery import Delivery
    from logflume.client.consumer import Consumer
    from logflume.client.log import Log
    from logflume.client.transactions import Transaction, TransactionOwner
    from logflume.types import OffsetAndMetadata

__all__ = ["Producer"]

_REFRESH_S = 1.0  # how often settings changed by other processes are looked for

# Those with records that linger: held until these are appended, with the log that they belong to, whoever else has
# dropped both. Without it a function that opens, sends and returns would lose what it sent.
_lingering: set[Producer] = set()


class Producer(Closing):
    """Sends records to topics. Thread-safe; close it, or use it as a context manager.

    `send` gathers records in batches and returns at once. A batch is appended when it is full
    (`batch_size`), when it is `linger_ms` old, at `flush()`, when a delivery's result is asked for, or the
    moment a reader waits for it. `acks`: 0, nothing is promised; 1, a result means the record is published
    and survives kill -9; "all" (default), it is on disk. Errors of background appends come out of `result()`,
    and out of the next `flush()` or `close()` if nobody asked for that result.
    """

    def __init__(self, log: Log, options: Mapping[str, object]) -> None:
        self._log = log
        self.config = log.engine.parse(ProducerConfig, options)
        self._core = log.engine.producer_core(self.config, _Waker(self))
        # The native method itself: calling through the one below would cost half as much again as the send.
        self.send = self._core.send  # type: ignore[method-assign]
        # As send, for event loops: never waits for room.
        self.send_soon = getattr(self._core, "send_soon", self._core.send)
        self._wanted = threading.Event()
        self._ticker: threading.Thread | None = None
        self._mutex = threading.Lock()

    def send(
        self,
        topic: str,
        value: Buffer | None,
        key: Buffer | None = None,
        headers: Iterable[tuple[str, bytes | None]] | None = None,
        partition: int | None = None,
        timestamp: int | None = None,
    ) -> Delivery:
        """Put a record on its way; returns its Delivery at once.

        `value`, `key`: bytes-like or None; `headers`: (name, bytes | None) pairs; `timestamp`: ms since 1970, now
        when None. Without `partition`, records with a key go where Kafka's murmur2 partitioner puts them, others
        stay with one partition for a batch. Raises UnknownTopicOrPartition, RecordTooLarge, InvalidTimestamp,
        InvalidRecord, Closed.
        """
        made: Delivery = self._core.send(topic, value, key, headers, partition, timestamp)
        return made

    def transaction(self) -> Transaction:
        """Begin a transaction: `with producer.transaction():` commits at the end, and aborts on an exception.

        All that is sent until then, to any number of topics and partitions, becomes visible to readers with
        isolation_level="read_committed" at once, and durable with one sync, or never. Inside, a delivery's result
        means that the record is published. Needs transactional_id= at creation. Raises InvalidTxnState,
        ProducerFenced when another producer has the transactional id by now, LockTimeout, Closed.
        """
        return self._need_transactions().begin()

    def send_offsets(
        self,
        consumer: Consumer,
        offsets: Mapping[tuple[str, int], int | OffsetAndMetadata] | None = None,
    ) -> None:
        """Make a consumer's positions part of the transaction under way; see Transaction.send_offsets."""
        self._need_transactions().send_offsets(consumer, offsets)

    def _need_transactions(self) -> TransactionOwner:
        found: TransactionOwner | None = self._core.transactions
        if found is None:
            raise InvalidTxnState(
                transactional_id=None, reason="make the producer with transactional_id= for that"
            )
        return found

    def send_many(
        self,
        topic: str,
        values: Any,
        keys: Any = None,
        partition: int | None = None,
        timestamps: Any = None,
        headers: Any = None,
    ) -> int:
        """Append many records at once; returns how many, acknowledged at this producer's level.

        `values`, `keys`: lists of bytes (None for null), numpy arrays (each item's bytes), or anything with
        the Arrow C interface; `timestamps`: ints in ms; `headers`: one list of pairs, or None, a record.
        Without keys and `partition`, a large call is spread over the topic's partitions in contiguous parts.
        Raises as `send`, and what the append raises (DiskFull, SyncFailed).
        """
        return int(self._core.send_many(topic, values, keys, partition, timestamps, headers))

    def flush(self) -> None:
        """Return when everything sent before is acknowledged. Raises the first failure since the last flush."""
        self._core.flush()

    def publish(self) -> None:
        """Append what is open now, without waiting for the disk."""
        self._core.publish()

    def partitions_for(self, topic: str) -> int:
        """Number of the topic's partitions. Raises UnknownTopicOrPartition."""
        return self._log.engine.topic(topic).partitions

    # ---- the ticker: closes batches that lingered, settles what waits for the disk

    def _start_ticker(self) -> None:
        with self._mutex:
            if self._ticker is None and not self._core.is_closed():
                self._ticker = threading.Thread(
                    target=_tick,
                    args=(weakref.ref(self), self._wanted),
                    name="logflume-producer",
                    daemon=True,
                )
                self._ticker.start()

    def _refresh(self) -> None:
        """Takes over settings and partitions that others changed."""
        engine = self._log.engine
        if engine.closed:
            return
        for name, count in self._core.topics():
            try:
                entry = engine.topic(str(name))
            except UnknownTopicOrPartition:
                self._core.forget(name)
                continue
            if entry.partitions != count or entry.config is not self._core.seen(name):
                self._core.forget(name)

    def close(self) -> None:
        """Flush, then refuse further sends; a transaction still open is aborted. Idempotent."""
        transactions: TransactionOwner | None = self._core.transactions
        try:
            if transactions is not None:
                transactions.close()
        finally:
            try:
                self._core.close()
            finally:
                if transactions is not None:
                    transactions.release()
                self._wanted.set()
                _lingering.discard(self)
                self._log.forget_producer(self)

    def abandon(self) -> None:
        """In a forked child: the parent sends what is open; this copy starts empty."""
        self._core.abandon()
        _lingering.discard(self)
        if self._core.transactions is not None:
            self._core.transactions.abandon()
        self._wanted = threading.Event()
        self._mutex = threading.Lock()
        self._ticker = None

    def __repr__(self) -> str:
        return f"<Producer of {self._log.path}{', closed' if self._core.is_closed() else ''}>"


class _Waker:
    """Called by the native part when there is something to tick for again."""

    def __init__(self, producer: Producer) -> None:
        self._producer = weakref.ref(producer)

    def __call__(self) -> None:
        producer = self._producer()
        if producer is not None:
            _lingering.add(producer)
            if producer._ticker is None:
                producer._start_ticker()
            producer._wanted.set()


def _tick(reference: weakref.ref[Producer], wanted: threading.Event) -> None:
    """The ticker's loop. Holds the producer only while it works, so that a forgotten one can go."""
    import time

    refreshed = time.monotonic()
    pause: float | None = None
    while True:
        wanted.wait(_REFRESH_S if pause is None else pause)
        wanted.clear()
        producer = reference()
        if producer is None or producer._core.is_closed():
            return
        # Before the tick: what is sent from then on wakes, and is held, anew.
        _lingering.discard(producer)
        try:
            pause = producer._core.tick()
            if time.monotonic() - refreshed >= _REFRESH_S:
                producer._refresh()
                refreshed = time.monotonic()
        except Closed:
            return
        except (
            Exception
        ) as error:  # kept for flush() to raise; the ticker goes on with the other partitions
            producer._core.note_failure(error)
            pause = 0.1
        if pause is not None:
            _lingering.add(producer)
        del producer
