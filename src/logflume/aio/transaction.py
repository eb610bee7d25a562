"""A producer's transactions, for asyncio: `async with producer.transaction():`."""

from __future__ import annotations

from logflume.aio.blocking import in_thread
from logflume.errors import InvalidTxnState

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from types import TracebackType
    from typing import Any

    from logflume.aio.consumer import Consumer
    from logflume.client.producer import Producer as SyncProducer
    from logflume.client.transactions import Transaction as SyncTransaction
    from logflume.types import OffsetAndMetadata

__all__ = ["Transaction"]


class Transaction:
    """See logflume.client.transactions.Transaction. Begun by `await` or by `async with`.

    Cancelling a commit leaves it running: it is over when the next transaction begins.
    """

    def __init__(self, producer: SyncProducer) -> None:
        self._producer = producer
        self._begun: SyncTransaction | None = None

    async def _begin(self) -> Transaction:
        self._begun = await in_thread(self._producer.transaction)
        return self

    def __await__(self) -> Generator[Any, Any, Transaction]:
        return self._begin().__await__()

    @property
    def _transaction(self) -> SyncTransaction:
        if self._begun is None:
            raise InvalidTxnState(
                transactional_id=self._producer.config.transactional_id,
                reason="the transaction was not begun: `async with producer.transaction():`",
            )
        return self._begun

    @property
    def is_open(self) -> bool:
        """True from its begin until it is committed or aborted."""
        return self._begun is not None and self._begun.is_open

    async def commit(self) -> None:
        """Make it durable, and show it to all readers at once. Raises as the synchronous one."""
        await in_thread(self._transaction.commit)

    async def abort(self) -> None:
        """Take it back."""
        await in_thread(self._transaction.abort)

    async def send_offsets(
        self,
        consumer: Consumer,
        offsets: Mapping[tuple[str, int], int | OffsetAndMetadata] | None = None,
    ) -> None:
        """Make a consumer's positions (or the given ones) part of it; see the synchronous one."""
        await consumer.send_offsets_to(self._transaction, offsets)

    async def __aenter__(self) -> Transaction:
        return await self._begin()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await in_thread(self._transaction.__exit__, kind, error, trace)

    def __repr__(self) -> str:
        return repr(self._begun) if self._begun is not None else "<Transaction, not begun>"
