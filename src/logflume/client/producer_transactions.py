"""The transactions of a directory's producer: its batches, its offsets, and the coordinator that decides."""

from __future__ import annotations

from logflume.client.transactions import TransactionOwner
from logflume.errors import (
    InvalidProducerEpoch,
    LogflumeError,
    ProducerFenced,
    TransactionAborted,
    TransactionInDoubt,
    TransactionTimedOut,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from logflume._native.partition import Partition
    from logflume._native.producer_core import ProducerCore
    from logflume.client.consumer import Consumer
    from logflume.client.transactions import Offsets
    from logflume.config import ProducerConfig
    from logflume.coordinator.transactions.coordinator import Part, TransactionCoordinator
    from logflume.coordinator.transactions.entry import Entry
    from logflume.log.directory import LogDirectory

__all__ = ["InternalTopic", "ProducerTransactions"]

_ABORTED_BY_OTHERS = (ProducerFenced, TransactionTimedOut, TransactionAborted)


class InternalTopic:
    """How a producer's native part is told of a topic that `send` refuses. Equal to itself only."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __str__(self) -> str:
        return self._name


class ProducerTransactions(TransactionOwner):
    """See TransactionOwner. Thread-safe."""

    def __init__(
        self, directory: LogDirectory, coordinator: TransactionCoordinator, config: ProducerConfig
    ) -> None:
        super().__init__(config)
        self._directory = directory
        self._coordinator = coordinator
        self._timeout_ms = config.transaction_timeout_ms
        self._redo_bytes_max = directory.config.transaction_redo_max_bytes
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

    def _is_closed(self) -> bool:
        return self._core.is_closed()

    def _begin(self) -> None:
        if self._forked:
            raise self._refused(
                "this producer is the parent process's: make another after the fork"
            )
        if self._stale:
            self._renew()
        self._entry = self._coordinator.begin(self._entry)
        self._core.begin(self._redo_bytes_max)

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

    def _send_offsets(self, consumer: Consumer, offsets: Offsets) -> None:
        from logflume.config.names import OFFSETS_TOPIC
        from logflume.coordinator.offsets_schema import partition_for
        from logflume.coordinator.offsets_topic import offsets_partitions, open_offsets

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

    def release(self) -> None:
        """The producer is closed."""
        self._coordinator.release(self._entry)

    def abandon(self) -> None:
        """In a forked child: the id is the parent's."""
        super().abandon()
        self._forked = True
