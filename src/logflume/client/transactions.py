"""A producer's transactions: `with producer.transaction():`."""

from __future__ import annotations

import threading

from logflume.errors import (
    Closed,
    InvalidConfig,
    InvalidProducerEpoch,
    InvalidTxnState,
    LogflumeError,
    ProducerFenced,
    TransactionAborted,
    TransactionInDoubt,
    TransactionTimedOut,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import Any, Protocol

    from logflume._native.partition import Partition
    from logflume._native.producer_core import ProducerCore
    from logflume.client.consumer import Consumer
    from logflume.config import ProducerConfig
    from logflume.coordinator.transactions.coordinator import Part, TransactionCoordinator
    from logflume.coordinator.transactions.entry import Entry
    from logflume.log.directory import LogDirectory
    from logflume.types import OffsetAndMetadata

    class Owner(Protocol):
        """Whose transaction it is: of a directory's producer, or of a cluster's."""

        @property
        def transactional_id(self) -> str: ...
        def commit(self) -> None: ...
        def commit_decided(self, decided_by: bytes, decide: Callable[[], None]) -> None: ...
        def abort(self) -> None: ...
        def send_offsets(
            self,
            consumer: Consumer,
            offsets: Mapping[tuple[str, int], int | OffsetAndMetadata] | None,
        ) -> None: ...


__all__ = ["InternalTopic", "ProducerTransactions", "Transaction"]

_ABORTED_BY_OTHERS = (ProducerFenced, TransactionTimedOut, TransactionAborted)


class InternalTopic:
    """How a producer's native part is told of a topic that `send` refuses. Equal to itself only."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __str__(self) -> str:
        return self._name


class Transaction:
    """A transaction under way. As a context manager it is committed at the end, aborted on an exception.

    It belongs to its producer; other threads may send in it, and one of them ends it.
    """

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._over = False

    @property
    def is_open(self) -> bool:
        """False once it was committed or aborted."""
        return not self._over

    @property
    def transactional_id(self) -> str:
        """Its producer's."""
        return self._owner.transactional_id

    def commit_decided(self, decided_by: bytes, decide: Callable[[], None]) -> None:
        """Commit if, and only if, `decide()` commits elsewhere: for `log.transaction(sqlite=...)`."""
        self._end()
        self._owner.commit_decided(decided_by, decide)

    def commit(self) -> None:
        """Make it durable, and show it to all readers at once: in all partitions, with the group's offsets, or in none.

        Raises what a send failed with, ProducerFenced, TransactionTimedOut, TransactionAborted (by `txn abort`),
        UnknownTopicOrPartition (a topic was deleted meanwhile), DiskFull, LockTimeout: then it was aborted.
        TransactionInDoubt: the disk did not confirm the decision; whether it is committed shows when the directory
        is opened anew.
        """
        self._end()
        self._owner.commit()

    def abort(self) -> None:
        """Take it back. Deliveries of records that were not yet appended fail with TransactionAborted."""
        self._end()
        self._owner.abort()

    def send_offsets(
        self,
        consumer: Consumer,
        offsets: Mapping[tuple[str, int], int | OffsetAndMetadata] | None = None,
    ) -> None:
        """Make a consumer's positions (or the given ones) its group's when, and only when, this is committed.

        Raises InvalidGroup, CommitFailed for a partition that went to another member, InvalidConfig for a consumer
        that commits by itself.
        """
        self._need_open()
        self._owner.send_offsets(consumer, offsets)

    def _need_open(self) -> None:
        if self._over:
            raise InvalidTxnState(
                transactional_id=self._owner.transactional_id,
                reason="this transaction is over: begin another",
            )

    def _end(self) -> None:
        self._need_open()
        self._over = True

    def __enter__(self) -> Transaction:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._over:
            return
        if error is None:
            self.commit()
            return
        self._over = True
        try:
            self._owner.abort()
        except Exception as failure:  # the caller's own error is the one to raise
            error.add_note(f"aborting the transaction failed as well: {failure}")

    def __repr__(self) -> str:
        state = "over" if self._over else "open"
        return f"<Transaction of {self._owner.transactional_id!r}, {state}>"


class ProducerTransactions:
    """One producer's identity, and the transaction that it has open. Thread-safe."""

    def __init__(
        self, directory: LogDirectory, coordinator: TransactionCoordinator, config: ProducerConfig
    ) -> None:
        assert config.transactional_id is not None
        self.transactional_id = config.transactional_id
        self._directory = directory
        self._coordinator = coordinator
        self._timeout_ms = config.transaction_timeout_ms
        self._redo_bytes_max = directory.config.transaction_redo_max_bytes
        self._mutex = threading.Lock()
        self._current: Transaction | None = None
        self._forked = False
        self._stale = False  # something went wrong: a new epoch is needed before the next begins
        self._offsets_topic: InternalTopic | None = None
        self._entry: Entry = coordinator.init(self.transactional_id, self._timeout_ms)
        self._core: ProducerCore

    def attach(self, core: ProducerCore) -> None:
        """The native part that writes for it."""
        self._core = core
        core.identify(self._entry.producer_id, self._entry.producer_epoch)

    def clear(self, partitions: list[Partition]) -> None:
        """Called before these partitions are first sent to."""
        self._coordinator.clear(self._entry, partitions)

    # ---- begin and end

    def begin(self) -> Transaction:
        """Raises InvalidTxnState when one is open, ProducerFenced, Closed, LockTimeout."""
        with self._mutex:
            if self._core.is_closed():
                raise Closed(what="the producer")
            if self._forked:
                raise InvalidTxnState(
                    transactional_id=self.transactional_id,
                    reason="this producer is the parent process's: make another after the fork",
                )
            if self._current is not None:
                raise InvalidTxnState(
                    transactional_id=self.transactional_id,
                    reason="a transaction of this producer is open already",
                )
            if self._stale:
                self._renew()
            self._entry = self._coordinator.begin(self._entry)
            self._core.begin(self._redo_bytes_max)
            self._current = Transaction(self)
            return self._current

    def _renew(self) -> None:
        """The next epoch, unless another producer has the id by now."""
        self._entry = self._coordinator.renew(self._entry)
        for topic, _ in self._core.topics():
            self._core.forget(topic)  # and cleared of what was left when it is met again
        self._core.identify(self._entry.producer_id, self._entry.producer_epoch)
        self._stale = False

    def commit(self) -> None:
        """See Transaction.commit."""
        with self._mutex:
            self._current = None
            parts, failure = self._core.settle()
            if failure is None:
                try:
                    self._entry = self._coordinator.commit(self._entry, parts)
                    return
                except TransactionInDoubt:
                    self._stale = True
                    raise
                except Exception as error:
                    failure = error
                except (
                    BaseException
                ):  # Ctrl-C: it may be decided, and is ended when the next begins
                    self._stale = True
                    raise
            failure = self._translated(failure)
            self._abort(parts, quietly=True)
            raise failure

    def commit_decided(self, decided_by: bytes, decide: Callable[[], None]) -> None:
        """Commit if, and only if, `decide()` does so elsewhere; `decided_by` tells who can be asked about it later.

        Raises what `decide` and `commit` raise.
        """
        with self._mutex:
            self._current = None
            parts, failure = self._core.settle()
            pledged = None
            if failure is None:
                try:
                    if parts:
                        pledged = self._coordinator.pledge(self._entry, parts, decided_by)
                except Exception as error:
                    failure = error
            if failure is not None:
                failure = self._translated(failure)
                self._abort(parts, quietly=True)
                raise failure
            if pledged is None:
                decide()
                self._entry = self._coordinator.commit(self._entry, parts)
                return
            self._stale = True
            try:
                decide()
            except BaseException:
                # It may have come about all the same: what is there now counts.
                self._coordinator.resolve(pledged, parts)
                raise
            self._entry = self._coordinator.keep(pledged, parts)
            self._stale = False

    def _translated(self, failure: Exception) -> Exception:
        """A refused batch says what the log knows; who took the id over is known here."""
        if isinstance(failure, InvalidProducerEpoch):
            return self._coordinator.why_fenced(self._entry) or failure
        return failure

    def abort(self) -> None:
        """See Transaction.abort."""
        with self._mutex:
            self._current = None
            gone = TransactionAborted(transactional_id=self.transactional_id)
            parts, _ = self._core.settle(gone)
            self._abort(parts, quietly=False)

    def _abort(self, parts: list[Part], *, quietly: bool) -> None:
        for topic, partition, *_ in parts:
            if partition.gone:
                self._core.forget(topic)
        try:
            self._entry = self._coordinator.abort(self._entry, parts)
        except _ABORTED_BY_OTHERS:
            self._stale = True  # it is aborted, which was asked for
        except LogflumeError:
            self._stale = True
            if not quietly:
                raise

    # ---- offsets

    def send_offsets(
        self,
        consumer: Consumer,
        offsets: Mapping[tuple[str, int], int | OffsetAndMetadata] | None,
    ) -> None:
        """See Transaction.send_offsets."""
        from logflume.config.names import OFFSETS_TOPIC
        from logflume.coordinator.offsets_schema import partition_for
        from logflume.coordinator.offsets_topic import offsets_partitions, open_offsets

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
        group, chosen = consumer.offsets_to_send(offsets)
        if not chosen:
            return
        count = offsets_partitions(self._directory)
        keys, values = open_offsets(self._directory, group).encode(group, chosen)
        if self._offsets_topic is None:
            self._offsets_topic = InternalTopic(OFFSETS_TOPIC)
        topic: Any = self._offsets_topic
        self._core.send_many(topic, values, keys, partition=partition_for(group, count))

    # ---- life

    def close(self) -> None:
        """Abort what is open, before the native part is closed."""
        if self._current is not None:
            self._current._over = True
            self.abort()

    def release(self) -> None:
        """The producer is closed."""
        self._coordinator.release(self._entry)

    def abandon(self) -> None:
        """In a forked child: the id is the parent's."""
        self._mutex = threading.Lock()
        self._forked = True
        if self._current is not None:
            self._current._over = True
            self._current = None
