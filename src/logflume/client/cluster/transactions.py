"""Transactions of a cluster's producers: librdkafka's, behind what `producer.transaction()` asks of an engine."""

from __future__ import annotations

import threading

from logflume.client.consumer.places import as_offsets
from logflume.errors import (
    Closed,
    CommitFailed,
    InvalidConfig,
    InvalidGroup,
    InvalidTxnState,
    LogflumeError,
    UnsupportedByEngine,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from logflume.client.cluster.producing import ClusterProducerCore
    from logflume.client.consumer import Consumer
    from logflume.client.transactions import Transaction
    from logflume.config import ProducerConfig
    from logflume.types import OffsetAndMetadata

__all__ = ["ClusterTransactions"]

_TIMEOUT_MS = 60_000


class ClusterTransactions:
    """See client.transactions.ProducerTransactions. Thread-safe.

    Making one registers the transactional.id, which fences a producer that had it before.
    """

    def __init__(self, core: ClusterProducerCore, config: ProducerConfig) -> None:
        assert config.transactional_id is not None
        self.transactional_id = config.transactional_id
        self._core = core
        self._mutex = threading.Lock()
        self._current: Transaction | None = None
        with core.cluster.explained():
            core.handle.init_transactions(_TIMEOUT_MS)

    def begin(self) -> Transaction:
        """Raises InvalidTxnState when one is open, ProducerFenced, Closed."""
        from logflume.client.transactions import Transaction

        with self._mutex:
            if self._core.is_closed():
                raise Closed(what="the producer")
            if self._current is not None:
                raise InvalidTxnState(
                    transactional_id=self.transactional_id,
                    reason="a transaction of this producer is open already",
                )
            self._core.handle.begin_transaction()
            self._current = Transaction(self)
            return self._current

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

    def send_offsets(
        self,
        consumer: Consumer,
        offsets: Mapping[tuple[str, int], int | OffsetAndMetadata] | None,
    ) -> None:
        """See Transaction.send_offsets."""
        if self._current is None:
            raise InvalidTxnState(
                transactional_id=self.transactional_id, reason="no transaction is open"
            )
        if consumer.config.enable_auto_commit:
            raise InvalidConfig(
                name="enable.auto.commit",
                value=True,
                reason="must be false for a consumer whose offsets are sent in transactions",
            )
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

    def close(self) -> None:
        """Abort what is open, before the connection is closed."""
        current = self._current
        if current is not None:
            current.abort()

    def release(self) -> None:
        """The producer is closed; the cluster keeps the id for whoever takes it next."""

    def abandon(self) -> None:
        """In a forked child: the id, and a transaction that is open, are the parent's."""
        self._mutex = threading.Lock()
        self._current = None
