"""What is known of a transactional id, and the steps from one state to the next.

Pure: the time is an argument, nothing is stored. Source: Kafka's TransactionState and
TransactionMetadata (KIP-98, KIP-360, KIP-890).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

from logflume.errors import InvalidTxnState
from logflume.types import TopicPartition

__all__ = ["EPOCH_MAX", "Entry", "State"]

EPOCH_MAX = 0x7FFF
"""Only for fencing: a producer gets epochs below it, then another producer id."""


class State(enum.IntEnum):
    """Of a transactional id; the numbers are those of Kafka's records."""

    EMPTY = 0
    ONGOING = 1
    PREPARE_COMMIT = 2
    PREPARE_ABORT = 3
    COMPLETE_COMMIT = 4
    COMPLETE_ABORT = 5
    DEAD = 6
    PREPARE_EPOCH_FENCE = 7

    @property
    def word(self) -> str:
        """As Kafka's tools say it: `PrepareCommit`."""
        return self.name.title().replace("_", "")

    @property
    def is_decided(self) -> bool:
        """The decision stands in the log, and markers may still be missing."""
        return self in (State.PREPARE_COMMIT, State.PREPARE_ABORT, State.PREPARE_EPOCH_FENCE)


_MAY_BEGIN = (State.EMPTY, State.COMPLETE_COMMIT, State.COMPLETE_ABORT)


@dataclass(frozen=True, slots=True)
class Entry:
    """The newest record of a transactional id.

    Times in ms since 1970, -1 for none. `partitions`: sorted; those of an embedded producer are known from the
    decision on, those of a broker's client from the first one on. `decided_by`: who outside the log decides the open
    transaction, once its producer has handed the decision over (external.py); empty for none. `boot_id`: during which
    start of the machine a client's transaction was open; its batches need not be on disk before its commit.
    `client_version`: 2 where each end of a transaction raises the epoch (KIP-890).
    """

    transactional_id: str
    producer_id: int
    producer_epoch: int
    timeout_ms: int
    state: State = State.EMPTY
    partitions: tuple[TopicPartition, ...] = ()
    updated_ms: int = -1
    started_ms: int = -1
    previous_producer_id: int = -1
    next_producer_id: int = -1
    client_version: int = 0
    next_producer_epoch: int = -1
    decided_by: bytes = b""
    boot_id: str = ""

    @staticmethod
    def first(transactional_id: str, producer_id: int, timeout_ms: int, now_ms: int) -> Entry:
        """A transactional id that nobody used before."""
        return Entry(transactional_id, producer_id, 0, timeout_ms, updated_ms=now_ms)

    @property
    def epoch_is_exhausted(self) -> bool:
        """The next producer needs another producer id."""
        return self.producer_epoch >= EPOCH_MAX - 1

    def taken_over(self, timeout_ms: int, now_ms: int, new_producer_id: int | None = None) -> Entry:
        """The next producer's, which fences the one before: by a higher epoch, or by another producer id.

        Needs no transaction open or half done; another producer id where the epoch is exhausted.
        """
        self._need(*_MAY_BEGIN, what="a producer cannot take it over")
        if new_producer_id is not None:
            producer_id, epoch, previous = new_producer_id, 0, self.producer_id
        elif not self.epoch_is_exhausted:
            producer_id, epoch, previous = self.producer_id, self.producer_epoch + 1, -1
        else:
            raise ValueError(
                f"epoch {self.producer_epoch} is the last: a new producer id is needed"
            )
        return Entry(
            self.transactional_id,
            producer_id,
            epoch,
            timeout_ms,
            updated_ms=now_ms,
            previous_producer_id=previous,
        )

    def begun(self, now_ms: int) -> Entry:
        """A transaction is open."""
        self._need(*_MAY_BEGIN, what="no transaction can begin")
        return replace(
            self,
            state=State.ONGOING,
            partitions=(),
            started_ms=now_ms,
            updated_ms=now_ms,
            client_version=0,
        )

    def joined(self, partitions: tuple[TopicPartition, ...], now_ms: int, boot_id: str) -> Entry:
        """A client's transaction is open, in these partitions too (AddPartitionsToTxn)."""
        self._need(*_MAY_BEGIN, State.ONGOING, what="no transaction can begin")
        goes_on = self.state is State.ONGOING
        return replace(
            self,
            state=State.ONGOING,
            partitions=tuple(sorted({*partitions, *(self.partitions if goes_on else ())})),
            started_ms=self.started_ms if goes_on else now_ms,
            updated_ms=now_ms,
            client_version=0,
            boot_id=boot_id,
        )

    @property
    def is_clients(self) -> bool:
        """A broker's client has it open: it may come back until its time is over, whoever dies meanwhile."""
        return self.state is State.ONGOING and bool(self.partitions) and not self.decided_by

    def pledged(
        self, partitions: tuple[TopicPartition, ...], decided_by: bytes, now_ms: int
    ) -> Entry:
        """Still open, and no longer its producer's to decide."""
        self._need(State.ONGOING, what="nothing is open to be committed")
        return replace(self, partitions=partitions, decided_by=decided_by, updated_ms=now_ms)

    @property
    def is_pledged(self) -> bool:
        """Somebody outside the log decides it."""
        return self.state is State.ONGOING and bool(self.decided_by)

    def prepared(self, partitions: tuple[TopicPartition, ...], now_ms: int) -> Entry:
        """Decided: it is committed, in these partitions."""
        self._need(State.ONGOING, what="nothing is open to be committed")
        return replace(
            self,
            state=State.PREPARE_COMMIT,
            partitions=partitions,
            updated_ms=now_ms,
            decided_by=b"",
            boot_id="",
        )

    def raised(self, next_producer_id: int = -1) -> Entry:
        """The same with the next epoch, which its markers carry and its client goes on with: transactions of version 2.

        With the last epoch it takes another producer id, as soon as it is complete.
        """
        return replace(
            self,
            producer_epoch=self.producer_epoch + 1,
            next_producer_id=next_producer_id,
            client_version=2,
        )

    def ends(self, producer_id: int, epoch: int) -> bool:
        """Whether this record speaks of the transaction whose records carry these."""
        raised = self.state.is_decided and self.client_version >= 2
        return (self.producer_id, self.producer_epoch - raised) == (producer_id, epoch)

    def completed(self, now_ms: int) -> Entry:
        """All markers are written."""
        self._need(
            State.PREPARE_COMMIT,
            State.PREPARE_ABORT,
            State.PREPARE_EPOCH_FENCE,
            what="nothing is decided",
        )
        commit = self.state is State.PREPARE_COMMIT
        state = State.COMPLETE_COMMIT if commit else State.COMPLETE_ABORT
        return replace(self, state=state, partitions=(), updated_ms=now_ms)._moved_on()

    def _moved_on(self) -> Entry:
        """To the next producer id, where this one's epochs are used up."""
        if self.next_producer_id < 0:
            return self
        return replace(
            self,
            producer_id=self.next_producer_id,
            producer_epoch=0,
            previous_producer_id=self.producer_id,
            next_producer_id=-1,
        )

    def aborted(self, now_ms: int) -> Entry:
        """By its owner, who may begin another."""
        self._need(State.ONGOING, what="nothing is open to be aborted")
        return replace(
            self,
            state=State.COMPLETE_ABORT,
            partitions=(),
            updated_ms=now_ms,
            decided_by=b"",
            boot_id="",
        )._moved_on()

    def aborted_empty(self, now_ms: int) -> Entry:
        """Nothing was open: a client of transactions of version 2 asks for the next epoch so."""
        self._need(*_MAY_BEGIN, what="something is open or half done")
        started = now_ms if self.started_ms < 0 else self.started_ms
        return replace(
            self, state=State.COMPLETE_ABORT, started_ms=started, updated_ms=now_ms
        )._moved_on()

    def fenced(self, now_ms: int) -> Entry:
        """Aborted by another: a higher epoch keeps its owner, should he live, from going on with it."""
        self._need(State.ONGOING, what="nothing is open to be aborted")
        epoch = min(self.producer_epoch + 1, EPOCH_MAX)
        return replace(
            self,
            state=State.COMPLETE_ABORT,
            producer_epoch=epoch,
            partitions=(),
            updated_ms=now_ms,
            decided_by=b"",
            boot_id="",
        )

    def is_timed_out(self, now_ms: int) -> bool:
        """The open transaction is older than its producer allowed; once it is pledged, that is over."""
        return (
            self.state is State.ONGOING
            and not self.decided_by
            and now_ms - self.started_ms > self.timeout_ms
        )

    @property
    def was_timed_out(self) -> bool:
        """It was aborted when its time was over."""
        late = self.updated_ms - self.started_ms > self.timeout_ms
        return self.state is State.COMPLETE_ABORT and self.started_ms >= 0 and late

    def _need(self, *states: State, what: str) -> None:
        if self.state not in states:
            raise InvalidTxnState(
                transactional_id=self.transactional_id,
                reason=f"{what}: its state is {self.state.word}",
            )
