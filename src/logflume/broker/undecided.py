"""Transactions that nobody ends: of embedded producers that died, and of clients whose time is over.

Embedded readers who wait for one look for themselves. A client cannot, so the broker looks for it.
"""

from __future__ import annotations

import asyncio
import os

from logflume.coordinator.transactions.client_errors import TransactionRefused
from logflume.coordinator.transactions.directory import TransactionalDirectory
from logflume.errors import LogflumeError
from logflume.log import layout
from logflume.observe import get_logger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume._native.partition import Partition
    from logflume._native.transactions import TransactionPage
    from logflume.broker.server import Broker
    from logflume.coordinator.transactions.coordinator import TransactionCoordinator

__all__ = ["Undecided"]

_log = get_logger(__name__)
_LOOK_S = 1.0  # between two looks whether a served partition has something undecided


class Undecided:
    """Belongs to the broker's event loop; what it finds is ended in threads."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._task: asyncio.Task[None] | None = None
        self._page: TransactionPage | None = None

    @property
    def _coordinator(self) -> TransactionCoordinator | None:
        directory = self._broker.directory
        if isinstance(directory, TransactionalDirectory) and directory.coordinator.room.is_used:
            return directory.coordinator
        return None

    # ---- for readers

    @property
    def page(self) -> TransactionPage | None:
        """The page by which readers see a commit in all partitions or in none; None while nobody has begun any."""
        return self._page

    @property
    def is_ready(self) -> bool:
        """Whether `page` says what it should. The page's file is there before the first transaction ends."""
        if self._page is not None:
            return not self._page.closed
        path = os.path.join(self._broker.directory.path, layout.TRANSACTIONS_PAGE_FILE)
        return not os.path.exists(path)

    async def make_ready(self) -> None:
        """Have `page`, off the event loop: what a power loss left may have to be put right."""
        coordinator = self._coordinator
        if coordinator is not None:
            broker = self._broker
            self._page = await broker.loop.run_in_executor(broker.threads, coordinator.room.open)

    # ---- ending

    def start(self) -> None:
        """Begin to look."""
        self._task = self._broker.loop.create_task(self._run())

    async def _run(self) -> None:
        from logflume.broker.transactions import TransactionService

        broker = self._broker
        interval_s = (
            broker.config.transaction_abort_timed_out_transaction_cleanup_interval_ms / 1000
        )
        expire_at = broker.loop.time() + interval_s
        while True:
            await asyncio.sleep(min(_LOOK_S, interval_s))
            waited_for = [log for log in broker.partitions.logs() if _is_undecided(log)]
            try:
                if waited_for:
                    await broker.loop.run_in_executor(broker.threads, self._settle, waited_for)
                if broker.loop.time() >= expire_at:
                    expire_at = broker.loop.time() + interval_s
                    if self._coordinator is not None:
                        await broker.service(TransactionService).expire()
            except (LogflumeError, TransactionRefused) as error:
                _log.error("settling_failed", path=broker.directory.path, error=error)

    def _settle(self, logs: list[Partition]) -> None:
        coordinator = self._coordinator
        if coordinator is not None:
            coordinator.settle(logs)

    def stop(self) -> None:
        """End; what is under way ends by itself."""
        if self._task is not None:
            self._task.cancel()


def _is_undecided(log: Partition) -> bool:
    try:
        return log.last_stable_offset < log.end_offset
    except LogflumeError:
        return False  # closed
