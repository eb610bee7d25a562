"""Sending records, for asyncio."""

from __future__ import annotations

from logflume.aio.blocking import in_thread
from logflume.aio.transaction import Transaction
from logflume.closing import AsyncClosing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from typing_extensions import Buffer

    from logflume._native.delivery import Delivery
    from logflume.client.engine import Engine
    from logflume.client.producer import Producer as SyncProducer
    from logflume.config import ProducerConfig

__all__ = ["Producer"]


class Producer(AsyncClosing):
    """See logflume.Producer. `send` returns a Delivery at once; awaiting that waits for the acknowledgement.

    All who wait for records of one batch are woken by one call of the event loop. A batch is closed once
    everything that was ready to run in the loop has run, so records that are awaited together share batches and
    syncs. May be used from several event loops and threads.
    """

    def __init__(self, engine: Engine, producer: SyncProducer) -> None:
        self._engine = engine
        self._producer = producer
        # The method below, without a Python frame around it.
        self.send = producer.send_soon  # type: ignore[method-assign]

    def send(
        self,
        topic: str,
        value: Buffer | None,
        key: Buffer | None = None,
        headers: Iterable[tuple[str, bytes | None]] | None = None,
        partition: int | None = None,
        timestamp: int | None = None,
    ) -> Delivery:
        """Put a record on its way; not a coroutine. Await the Delivery for the acknowledgement, or drop it.

        As logflume.Producer.send, with its errors. A topic's partitions are opened at the first send to it, in the
        loop; `await producer.partitions_for(topic)` before does that off the loop. On a cluster a full buffer does
        not stop the loop: what is sent then waits its turn, up to max.block.ms; await deliveries now and then.
        """
        made: Delivery = self._producer.send_soon(topic, value, key, headers, partition, timestamp)
        return made

    @property
    def blocking(self) -> SyncProducer:
        """The synchronous Producer that does the work."""
        return self._producer

    @property
    def config(self) -> ProducerConfig:
        """Its options."""
        return self._producer.config

    async def send_many(
        self,
        topic: str,
        values: Any,
        keys: Any = None,
        partition: int | None = None,
        timestamps: Any = None,
        headers: Any = None,
    ) -> int:
        """Append many records at once, in a thread; returns how many, acknowledged at this producer's level.

        Parameters and errors as logflume.Producer.send_many. When it is cancelled, the records are appended all
        the same.
        """
        return await in_thread(
            self._producer.send_many, topic, values, keys, partition, timestamps, headers
        )

    def transaction(self) -> Transaction:
        """A transaction, begun by `async with`; see logflume.Producer.transaction."""
        return Transaction(self._producer)

    async def flush(self) -> None:
        """Return when everything sent before is acknowledged. Raises the first failure since the last flush."""
        await in_thread(self._producer.flush)

    def publish(self) -> None:
        """Append what is open now, without waiting for the disk."""
        self._producer.publish()

    async def partitions_for(self, topic: str) -> int:
        """Number of the topic's partitions, which are open afterwards. Raises UnknownTopicOrPartition."""
        return len(await in_thread(self._engine.partitions, topic))

    async def close(self) -> None:
        """Flush, then refuse further sends. Idempotent. Raises the first failure since the last flush."""
        await in_thread(self._producer.close)

    def __repr__(self) -> str:
        return repr(self._producer).replace("<Producer", "<aio.Producer", 1)
