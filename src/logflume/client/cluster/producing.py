"""Sending to a cluster: topics looked up once, a thread that settles deliveries, deadlines instead of full buffers."""

from __future__ import annotations

import threading
import time

from logflume._native.rdkafka_many import ManyRecords
from logflume._native.rdkafka_producer import ProducerHandle
from logflume.client.cluster.failures import Fail
from logflume.client.cluster.overflow import Overflow
from logflume.client.cluster.settings import producer_settings
from logflume.client.cluster.transactions import ClusterTransactions
from logflume.config.names import INTERNAL_TOPICS
from logflume.errors import (
    Closed,
    InvalidTopicName,
    LogflumeError,
    RecordTooLarge,
    UnknownTopicOrPartition,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from logflume._native.rdkafka_delivery import RemoteDelivery
    from logflume._native.rdkafka_producer import RemoteTopic
    from logflume.client.cluster.cluster import Cluster
    from logflume.config import ProducerConfig

__all__ = ["ClusterProducerCore"]

_SERVE_MS = 500
_WAITING_MS = 10  # while records wait for room
_FLUSH_MS = 500
_REFRESH_S = 30.0  # how often the number of a topic's partitions is asked for where it decides


class ClusterProducerCore:
    """See client.engine.ProducerCore. Thread-safe."""

    def __init__(self, cluster: Cluster, config: ProducerConfig) -> None:
        self.cluster = cluster
        self._config = config
        self.handle = ProducerHandle(
            cluster.settings(producer_settings(config)),
            cluster.made(Fail(transactional_id=config.transactional_id)),
            partitioner=config.partitioner,
            block_s=config.max_block_ms / 1000,
        )
        self._put = self.handle.send
        self._topics: dict[str, RemoteTopic] = {}
        # Where the number of partitions decides nothing, they are not looked up again.
        self._fixed = self._topics if config.partitioner == "murmur2" else {}
        self._mutex = threading.Lock()
        self._closed = False
        self._overflow = Overflow(self.handle, config.max_block_ms / 1000)
        self._thread = threading.Thread(
            target=_serve,
            args=(self.handle, self._overflow),
            name="logflume-deliveries",
            daemon=True,
        )
        self._thread.start()
        self.transactions: ClusterTransactions | None = None
        if config.transactional_id is not None:
            try:
                self.transactions = ClusterTransactions(self, config)
            except BaseException:
                self.close()
                raise

    # ---- topics

    def _topic(self, name: str, partition: int | None) -> RemoteTopic:
        found = self._topics.get(name)
        if found is not None and (partition is None or 0 <= partition < found.partitions):
            if self._config.partitioner == "murmur2":
                return found
            if time.monotonic() - found.looked < _REFRESH_S:
                return found
        return self._look_up(name, partition)

    def _look_up(self, name: str, partition: int | None) -> RemoteTopic:
        if self._closed:
            raise Closed(what="the producer")
        if not isinstance(name, str):
            raise TypeError(f"a topic is a str, not {type(name).__name__}")
        if name in INTERNAL_TOPICS:
            raise InvalidTopicName(topic=name, reason="internal topics are written by Kafka only")
        count = self.cluster.count_partitions(self.handle, name)
        if partition is not None and not 0 <= partition < count:
            raise UnknownTopicOrPartition(topic=name, partition=partition)
        with self._mutex:
            found = self._topics[name] = self.handle.topic(name, count)
        return found

    def topics(self) -> list[tuple[str, int]]:
        """Topics sent to so far, and their partitions as known."""
        return [(name, topic.partitions) for name, topic in self._topics.items()]

    def seen(self, topic: str) -> object:
        """Settings are the brokers' matter."""
        return None

    def forget(self, topic: str) -> None:
        """Look the topic up anew at the next send."""
        self._topics.pop(topic, None)

    # ---- sending

    def send(
        self,
        topic: str,
        value: Any,
        key: Any = None,
        headers: Any = None,
        partition: int | None = None,
        timestamp: int | None = None,
    ) -> RemoteDelivery:
        """See Producer.send; waits up to max.block.ms for room in the buffer."""
        # As _send() does, in one frame: a call more costs as much as a tenth of the whole.
        known = self._fixed.get(topic)
        if known is None or (partition is not None and not 0 <= partition < known.partitions):
            known = self._topic(topic, partition)
        number = -1 if partition is None else partition
        try:
            return self._put(known, value, key, headers, number, timestamp)
        except (RecordTooLarge, Closed) as error:
            raise self._explained(error, value, key) from None

    def send_soon(
        self,
        topic: str,
        value: Any,
        key: Any = None,
        headers: Any = None,
        partition: int | None = None,
        timestamp: int | None = None,
    ) -> RemoteDelivery:
        """As send, for event loops: where there is no room, the record waits its turn without stopping the loop."""
        return self._send(topic, value, key, headers, partition, timestamp, self._overflow.send)

    def _send(
        self,
        topic: str,
        value: Any,
        key: Any,
        headers: Any,
        partition: int | None,
        timestamp: int | None,
        send: Callable[..., RemoteDelivery],
    ) -> RemoteDelivery:
        known = self._topic(topic, partition)
        number = -1 if partition is None else partition
        try:
            return send(known, value, key, headers, number, timestamp)
        except (RecordTooLarge, Closed) as error:
            raise self._explained(error, value, key) from None

    def _explained(self, error: LogflumeError, value: Any, key: Any) -> LogflumeError:
        if isinstance(error, Closed):
            return Closed(what="the producer")
        return RecordTooLarge(
            size=len(value or b"") + len(key or b""),
            limit=self._config.max_request_size,
            property="max.request.size",
        )

    def send_many(
        self,
        topic: str,
        values: Any,
        keys: Any = None,
        partition: int | None = None,
        timestamps: Any = None,
        headers: Any = None,
    ) -> int:
        """See Producer.send_many."""
        return self.append_many(topic, values, keys, partition, timestamps, headers)[0]

    def append_many(
        self,
        topic: str,
        values: Any,
        keys: Any,
        partition: int | None,
        timestamps: Any,
        headers: Any,
    ) -> tuple[int, int]:
        """As send_many; the number of records, and the lowest offset that they got."""
        known = self._topic(topic, partition)
        if not hasattr(values, "__len__"):
            values = list(values)
        number = -1 if partition is None else partition
        return ManyRecords(self.handle, known, number, values, keys, timestamps, headers).send()

    def flush(self) -> None:
        """Return when all is settled: delivery.timeout.ms bounds that. Raises the first failure nobody asked for."""
        if self._closed:
            raise Closed(what="the producer")
        self._wait_for_all()
        self._raise_failure()

    def settle(self) -> None:
        """For a commit: as flush."""
        self.flush()

    def _wait_for_all(self) -> None:
        while self._overflow or not self.handle.flush(_FLUSH_MS):
            time.sleep(0.001)  # reported, and not settled by the thread yet

    def _raise_failure(self) -> None:
        failure = self.handle.take_failure()
        if failure is not None:
            raise failure

    def publish(self) -> None:
        """Nothing to do: what lingers is sent after linger.ms."""

    def note_failure(self, error: Exception) -> None:
        """There is no ticker that could fail."""
        raise error

    def tick(self) -> float | None:
        """There is nothing to tick for."""
        return None

    # ---- life

    def is_closed(self) -> bool:
        """True after close()."""
        return self._closed

    def close(self) -> None:
        """Flush, then refuse further sends. Idempotent."""
        with self._mutex:
            if self._closed:
                return
            self._closed = True
        try:
            self._wait_for_all()
        finally:
            with self._mutex:
                for topic in self._topics.values():
                    self.handle.drop_topic(topic)
                self._topics.clear()
            failure = self.handle.take_failure()
            self.handle.close()
            self._thread.join()
        if failure is not None:
            raise failure

    def abandon(self) -> None:
        """In a forked child: the parent's connection and threads are not there; this copy is closed."""
        self._closed = True


def _serve(handle: ProducerHandle, overflow: Overflow) -> None:
    """Settles deliveries as long as the handle is open."""
    while True:
        try:
            handle.serve(_WAITING_MS if overflow else _SERVE_MS)
            overflow.drain()
        except Closed:
            return
        except Exception as error:  # of a callback: the others go on
            from logflume.observe import get_logger

            get_logger("logflume.kafka").error("delivery_callback_failed", error=error)
