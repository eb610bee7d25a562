"""Transactions of a cluster's producers: librdkafka's, behind what `producer.transaction()` asks of an engine."""

from __future__ import annotations

from logflume.client.consumer.places import as_offsets
from logflume.client.transactions import TransactionOwner
from logflume.errors import (
    CommitFailed,
    InvalidGroup,
    LogflumeError,
    UnsupportedByEngine,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from logflume.client.cluster.producing import ClusterProducerCore
    from logflume.client.consumer import Consumer
    from logflume.client.transactions import Offsets
    from logflume.config import ProducerConfig

__all__ = ["ClusterTransactions"]

_TIMEOUT_MS = 60_000


class ClusterTransactions(TransactionOwner):
    """See TransactionOwner. Thread-safe.

    Making one registers the transactional.id, which fences a producer that had it before.
    """

    def __init__(self, core: ClusterProducerCore, config: ProducerConfig) -> None:
        super().__init__(config)
        self._core = core
        with core.cluster.explained():
            core.handle.init_transactions(_TIMEOUT_MS)

    def _is_closed(self) -> bool:
        return self._core.is_closed()

    def _begin(self) -> None:
        self._core.handle.begin_transaction()

    def commit(self) -> None:
        """See Transaction.commit. What failed is aborted."""
        with self._mutex:
            self._current = None
            try:
                self._core.settle()
                self._core.handle.end_transaction(True, _TIMEOUT_MS)
            except LogflumeError as failure:
                try:
                    self._core.handle.end_transaction(False, _TIMEOUT_MS)
                except LogflumeError as error:  # fenced, say: then it is aborted already
                    failure.add_note(f"aborting the transaction said: {error}")
                raise

    def commit_decided(self, decided_by: bytes, decide: Callable[[], None]) -> None:
        """Nobody else can decide a cluster's transaction. Raises UnsupportedByEngine."""
        raise UnsupportedByEngine(what="a transaction together with SQLite", instead="a directory")

    def abort(self) -> None:
        """See Transaction.abort."""
        with self._mutex:
            self._current = None
            # What is not sent yet is dropped; its deliveries fail with TransactionAborted.
            self._core.handle.end_transaction(False, _TIMEOUT_MS)
            self._core.handle.take_failure()

    def _send_offsets(self, consumer: Consumer, offsets: Offsets) -> None:
        if consumer.group is None:
            raise InvalidGroup(group="", reason="this consumer was made without group=")
        chosen = consumer.positions() if offsets is None else as_offsets(offsets)
        lost = sorted(set(chosen) - consumer.assignment()) if consumer.in_group else []
        if lost:
            raise CommitFailed(
                group=consumer.group, reason=f"{lost[0]} is not assigned to this member (any more)"
            )
        if not chosen:
            return
        position = consumer.group_position()
        rows = [(*where, entry.offset, entry.metadata) for where, entry in chosen.items()]
        self._core.handle.send_offsets(rows, position, _TIMEOUT_MS)

    def release(self) -> None:
        """The producer is closed; the cluster keeps the id for whoever takes it next."""
