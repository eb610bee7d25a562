"""A log directory whose transactions are put right when it is opened: what everybody who writes to one opens."""

from __future__ import annotations

import os

from logflume.config.names import TRANSACTIONS_TOPIC
from logflume.log import layout
from logflume.log.directory import LogDirectory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from .coordinator import TransactionCoordinator

__all__ = ["TransactionalDirectory"]


class TransactionalDirectory(LogDirectory):
    """A LogDirectory with its coordinator of transactions, made when it is first needed."""

    _coordinator: TransactionCoordinator | None = None

    def __init__(
        self,
        path: str,
        config: Mapping[str, object] | None = None,
        *,
        read_only: bool = False,
    ) -> None:
        super().__init__(path, config, read_only=read_only)
        # Before anybody can append: what was committed and lost with the power is put back first.
        if not read_only and self._has_transactions():
            try:
                self.coordinator.room.open()
            except BaseException:
                self.close()
                raise

    def _has_transactions(self) -> bool:
        page = os.path.join(self.path, layout.TRANSACTIONS_PAGE_FILE)
        return os.path.exists(page) or TRANSACTIONS_TOPIC in self.topics(internal=True)

    @property
    def coordinator(self) -> TransactionCoordinator:
        """Who decides transactions. Raises ReadOnlyDirectory."""
        if self._coordinator is None:
            from .coordinator import TransactionCoordinator

            self._check_writable()
            with self._mutex:
                if self._coordinator is None:
                    self._coordinator = TransactionCoordinator(self)
        return self._coordinator

    def close(self) -> None:
        """Close transactions, every partition, and let go of the directory. Idempotent."""
        if self._coordinator is not None and not self.closed:
            self._coordinator.close()
        super().close()

    def _reopen_in_child(self) -> None:
        super()._reopen_in_child()
        if self._coordinator is not None:
            self._coordinator.abandon()
