"""What a client's EndTxn means, by the newest record of its transactional id.

Pure. Source: Kafka's TransactionCoordinator.endTransaction, with transactions of version 1 and 2 (KIP-98, KIP-890).
"""

from __future__ import annotations

import enum

from .client_errors import TransactionError, TransactionRefused
from .entry import EPOCH_MAX, Entry, State

__all__ = ["Step", "step_of_end"]


class Step(enum.Enum):
    """What has to be done before it is answered."""

    END = "an open transaction has to be ended"
    FINISH = "it was decided so, and is not complete"
    RAISE = "nothing is open: the client asks for its next epoch"
    NOTHING = "it has been done: the answer got lost"


def step_of_end(
    entry: Entry | None, producer_id: int, epoch: int, *, commit: bool, raises: bool
) -> Step:
    """`raises`: the client speaks version 2, where each end raises the epoch. Raises TransactionRefused."""
    if entry is None:
        raise TransactionRefused(TransactionError.INVALID_PRODUCER_ID_MAPPING)
    of_version_2 = entry.client_version >= 2
    moved_on = (
        of_version_2
        and (entry.previous_producer_id, entry.producer_epoch) == (producer_id, 0)
        and epoch == EPOCH_MAX - 1
    )
    if producer_id not in (entry.producer_id, entry.previous_producer_id):
        raise TransactionRefused(TransactionError.INVALID_PRODUCER_ID_MAPPING)
    if entry.producer_id != producer_id and not moved_on:
        # In Kafka a successor has another producer id only when the epochs are used up; here, when it had to be safe.
        raise TransactionRefused(TransactionError.PRODUCER_FENCED)
    again = moved_on or (of_version_2 and entry.producer_epoch == epoch + 1)
    if not _is_of_now(entry, epoch, again=again):
        raise TransactionRefused(TransactionError.PRODUCER_FENCED)
    step = _step(entry.state, commit=commit, raises=raises, again=again)
    if step is None:
        wanted = "commit" if commit else "abort"
        reason = f"{wanted} in the state {entry.state.word}"
        raise TransactionRefused(TransactionError.INVALID_TXN_STATE, reason)
    return step


def _is_of_now(entry: Entry, epoch: int, *, again: bool) -> bool:
    """Whether the client's epoch is the one that may end this."""
    same = entry.producer_epoch == epoch
    if entry.client_version < 2 or entry.state in (State.ONGOING, State.EMPTY):
        return same
    return again if entry.state.is_decided else again or same


def _step(state: State, *, commit: bool, raises: bool, again: bool) -> Step | None:
    """None: it cannot be asked for in this state."""
    if state is State.ONGOING:
        return Step.END
    if state in (State.PREPARE_COMMIT, State.PREPARE_ABORT):
        return Step.FINISH if (state is State.PREPARE_COMMIT) == commit else None
    if raises and not again:
        # Of version 2 an epoch ends one transaction: this is the next one's end, in which nothing was sent.
        return None if commit else Step.RAISE
    if state is State.COMPLETE_COMMIT:
        return Step.NOTHING if commit else None
    if state is State.COMPLETE_ABORT:
        return None if commit else Step.NOTHING
    return None
