"""A log directory whose transactions are put right when it is opened: what everybody who writes to one opens."""

from __future__ import annotations

from logflume.log.directory import LogDirectory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .coordinator import TransactionCoordinator

__all__ = ["TransactionalDirectory"]


class TransactionalDirectory(LogDirectory):
    """A LogDirectory with its coordinator of transactions, made when it is first needed."""

    _coordinator: TransactionCoordinator | None = None

    def _open_transactions(self) -> None:
        try:
            self.coordinator.room.open()
        except BaseException:
            self.close()
            raise

    @property
    def coordinator(self) -> TransactionCoordinator:
        """Who decides transactions. Raises ReadOnlyDirectory."""
        if self._coordinator is None:
            from .coordinator import TransactionCoordinator

            self.check_writable()
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
