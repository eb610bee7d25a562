"""Transactions of clients in a broker: what is open, who decides it, and the time that it may take."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import cast

from logflume.coordinator.transactions.client_errors import TransactionError, TransactionRefused
from logflume.coordinator.transactions.clients import ClientTransactions, TransactionalClient
from logflume.coordinator.transactions.directory import TransactionalDirectory
from logflume.errors import InvalidTransactionTimeout, LogflumeError, TransactionInDoubt
from logflume.observe import get_logger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable
    from typing import ParamSpec, TypeVar

    from logflume._native.partition_log import PartitionLog
    from logflume.broker.server import Broker
    from logflume.coordinator.transactions.entry import Entry
    from logflume.types import TopicPartition

    P = ParamSpec("P")
    T = TypeVar("T")

__all__ = ["TransactionService", "error_in", "error_of_write"]

NOT_ENOUGH_REPLICAS = 19

_NAP_S = 0.005
_ENDS_MAX = 16  # that wait for the disk at a time: one sync serves them all

_log = get_logger(__name__)


def error_in(refused: TransactionRefused, *, knows_fenced: bool) -> int:
    """The error as a request's version has it: clients from before PRODUCER_FENCED know an older word for it."""
    if refused.error is TransactionError.PRODUCER_FENCED and not knows_fenced:
        return TransactionError.INVALID_PRODUCER_EPOCH
    return refused.error


def error_of_write(refused: TransactionRefused, *, knows_abortable: bool, raises: bool) -> int:
    """Why a batch is not taken as part of a transaction, as Kafka's partitions say it.

    `knows_abortable`: the version has TRANSACTION_ABORTABLE; `raises`: it is one of transactions of version 2.
    """
    if refused.error is TransactionError.PRODUCER_FENCED:
        return TransactionError.INVALID_PRODUCER_EPOCH
    if refused.error is TransactionError.TRANSACTION_ABORTABLE and not knows_abortable:
        return TransactionError.INVALID_TXN_STATE
    again = (TransactionError.CONCURRENT_TRANSACTIONS, TransactionError.COORDINATOR_NOT_AVAILABLE)
    if refused.error in again and not (raises and refused.error is again[0]):
        return NOT_ENOUGH_REPLICAS
    return refused.error


class TransactionService:
    """One for each broker. Belongs to its event loop; deciding waits for other processes and is done in threads.

    What is open is kept here too, so that a batch of a partition that is known to be part of a transaction needs no
    look at the state log. It is forgotten before a transaction is ended: from then on no batch of it is let in.
    Methods raise TransactionRefused, nothing else.
    """

    def __init__(self, broker: Broker) -> None:
        assert isinstance(broker.directory, TransactionalDirectory)
        self._broker = broker
        self._coordinator = broker.directory.coordinator
        self.clients = ClientTransactions(self._coordinator, broker.directory)
        self._open: dict[str, tuple[TransactionalClient, frozenset[TopicPartition]]] = {}
        self._turns: dict[str, tuple[asyncio.Lock, int]] = {}
        self._ends = ThreadPoolExecutor(_ENDS_MAX, thread_name_prefix="logflume-broker-end")

    def takes(self, who: TransactionalClient, place: TopicPartition) -> bool:
        """Whether a batch for this partition is known to be part of its open transaction."""
        known = self._open.get(who.transactional_id)
        return known is not None and known[0] == who and place in known[1]

    async def init(
        self, transactional_id: str, timeout_ms: int, known: tuple[int, int] | None
    ) -> Entry:
        """InitProducerId."""
        async with self.turn(transactional_id):
            self._open.pop(transactional_id, None)
            return await self._ask(self.clients.init, transactional_id, timeout_ms, known)

    async def join(self, who: TransactionalClient, places: Iterable[TopicPartition]) -> None:
        """AddPartitionsToTxn; or, of version 2, the first batch for a partition."""
        wanted = frozenset(places)
        async with self.turn(who.transactional_id):
            if who.transactional_id not in self._open:
                await self._pause()
            self._note(who, await self._ask(self.clients.join, who, wanted))

    async def _pause(self) -> None:
        """As an embedded producer's `transaction()` does: lets transactions that overlap in a chain come to an end."""
        coordinator, page = self._coordinator, self._coordinator.room.page
        deadline = self._broker.loop.time() + coordinator.patience()
        while (
            page is not None
            and not page.closed
            and page.held
            and self._broker.loop.time() < deadline
        ):
            if not await self._ask(coordinator.in_chain):
                return
            await asyncio.sleep(_NAP_S)
            if self._broker.loop.time() >= deadline:
                coordinator.lose_patience()

    async def check(self, who: TransactionalClient, places: Iterable[TopicPartition]) -> None:
        """Whether these partitions are part of its transaction: TRANSACTION_ABORTABLE when not."""
        wanted = frozenset(places)
        async with self.turn(who.transactional_id):
            self._note(who, await self._ask(self.clients.check, who, wanted))

    def _note(self, who: TransactionalClient, entry: Entry) -> None:
        self._open[who.transactional_id] = who, frozenset(entry.partitions)

    async def end(self, who: TransactionalClient, *, commit: bool, raises: bool) -> Entry:
        """EndTxn. A commit is on disk, and seen by readers, when it returns."""
        async with self.turn(who.transactional_id):
            known = self._open.get(who.transactional_id)
            if known is not None and known[0] == who:
                del self._open[who.transactional_id]
            return await self._ask_in(self._ends, self._end, who, commit=commit, raises=raises)

    def _end(self, who: TransactionalClient, *, commit: bool, raises: bool) -> Entry:
        """In a thread, all of it: the commit that waits for the disk has others to wait with in the log's own sync."""
        ending = self.clients.end(who, commit=commit, raises=raises)
        if ending.stored is None:
            return ending.entry
        decision = cast("PartitionLog", ending.stored.partition)
        decision.sync(ending.stored.offset + 1)
        return ending.entry if ending.partitions is None else self.clients.complete(ending)

    async def expire(self) -> None:
        """Abort what has been open for too long."""
        for who in await self._ask(self.clients.expire):
            known = self._open.get(who.transactional_id)
            if known is not None and known[0] == who:
                del self._open[who.transactional_id]

    # ---- one thing at a time

    @asynccontextmanager
    async def turn(self, transactional_id: str) -> AsyncIterator[None]:
        """What is asked in the name of one transactional id is done one after the other.

        Whoever has the turn and finds that a transaction takes a partition may append to it: it is not ended meanwhile.
        """
        lock, users = self._turns.get(transactional_id, (asyncio.Lock(), 0))
        self._turns[transactional_id] = lock, users + 1
        try:
            async with lock:
                yield
        finally:
            users = self._turns[transactional_id][1] - 1
            if users:
                self._turns[transactional_id] = lock, users
            else:
                del self._turns[transactional_id]

    async def _ask(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._ask_in(self._broker.threads, function, *args, **kwargs)

    async def _ask_in(
        self,
        threads: ThreadPoolExecutor,
        function: Callable[P, T],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        try:
            return await self._broker.loop.run_in_executor(
                threads, lambda: function(*args, **kwargs)
            )
        except InvalidTransactionTimeout as error:
            raise TransactionRefused(
                TransactionError.INVALID_TRANSACTION_TIMEOUT, str(error)
            ) from error
        except LogflumeError as error:
            raise self._failed(error) from error

    def _failed(self, error: LogflumeError) -> TransactionRefused:
        """What the log refuses becomes an error that clients try again."""
        kind = TransactionError.COORDINATOR_NOT_AVAILABLE
        if isinstance(error, TransactionInDoubt):
            kind = TransactionError.CONCURRENT_TRANSACTIONS
        self._broker.report(error, what="transaction")
        return TransactionRefused(kind, str(error))

    async def stop(self) -> None:
        """The broker stops: open transactions stay for the next one."""
        await self._broker.loop.run_in_executor(None, self._ends.shutdown)
        await self._broker.loop.run_in_executor(self._broker.threads, self.clients.close)
