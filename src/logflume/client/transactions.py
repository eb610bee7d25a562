"""A transaction of a producer, `with producer.transaction():`, and what all engines' producers share about theirs."""

from __future__ import annotations

import threading

from logflume.errors import Closed, InvalidConfig, InvalidTxnState

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from logflume.client.consumer import Consumer
    from logflume.config import ProducerConfig
    from logflume.types import OffsetAndMetadata

    Offsets = Mapping[tuple[str, int], int | OffsetAndMetadata] | None

__all__ = ["Transaction", "TransactionOwner"]


class Transaction:
    """A transaction under way. As a context manager it is committed at the end, aborted on an exception.

    It belongs to its producer; other threads may send in it, and one of them ends it.
    """

    def __init__(self, owner: TransactionOwner) -> None:
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

    def send_offsets(self, consumer: Consumer, offsets: Offsets = None) -> None:
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


class TransactionOwner:
    """One producer's transactional id, and the transaction that it has open. Thread-safe."""

    def __init__(self, config: ProducerConfig) -> None:
        assert config.transactional_id is not None
        self.transactional_id = config.transactional_id
        self._mutex = threading.Lock()
        self._current: Transaction | None = None

    def begin(self) -> Transaction:
        """Raises InvalidTxnState when one is open, ProducerFenced, Closed; a directory's also LockTimeout."""
        with self._mutex:
            if self._is_closed():
                raise Closed(what="the producer")
            if self._current is not None:
                raise self._refused("a transaction of this producer is open already")
            self._begin()
            self._current = Transaction(self)
            return self._current

    def _is_closed(self) -> bool:
        """Whether the producer is."""
        raise NotImplementedError

    def _begin(self) -> None:
        """Under the mutex, none being open."""
        raise NotImplementedError

    def commit(self) -> None:
        """See Transaction.commit."""
        raise NotImplementedError

    def commit_decided(self, decided_by: bytes, decide: Callable[[], None]) -> None:
        """Commit if, and only if, `decide()` does so elsewhere; `decided_by` tells who can be asked about it later.

        Raises what `decide` and `commit` raise.
        """
        raise NotImplementedError

    def abort(self) -> None:
        """See Transaction.abort."""
        raise NotImplementedError

    def send_offsets(self, consumer: Consumer, offsets: Offsets) -> None:
        """See Transaction.send_offsets."""
        if self._current is None:
            raise self._refused("no transaction is open")
        if consumer.config.enable_auto_commit:
            raise InvalidConfig(
                name="enable.auto.commit",
                value=True,
                reason="must be false for a consumer whose offsets are sent in transactions",
            )
        self._send_offsets(consumer, offsets)

    def _send_offsets(self, consumer: Consumer, offsets: Offsets) -> None:
        """Of a consumer that does not commit by itself, into the transaction that is open."""
        raise NotImplementedError

    def close(self) -> None:
        """Abort what is open, before the producer is closed."""
        current = self._current
        if current is not None and current.is_open:
            current.abort()

    def release(self) -> None:
        """The producer is closed."""
        raise NotImplementedError

    def abandon(self) -> None:
        """In a forked child: the id, and a transaction that is open, are the parent's."""
        self._mutex = threading.Lock()
        if self._current is not None:
            self._current._over = True
            self._current = None

    def _refused(self, reason: str) -> InvalidTxnState:
        return InvalidTxnState(transactional_id=self.transactional_id, reason=reason)
