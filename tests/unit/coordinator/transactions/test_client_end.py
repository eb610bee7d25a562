"""What EndTxn means: Kafka's table of states, epochs and repetitions, spelled out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from logflume.coordinator.transactions.client_end import Step, step_of_end
from logflume.coordinator.transactions.client_errors import TransactionError, TransactionRefused
from logflume.coordinator.transactions.entry import EPOCH_MAX, Entry, State
from logflume.errors import InvalidTxnState
from logflume.types import TopicPartition

PLACE = (TopicPartition("t", 0),)
MINE = Entry.first("x", 7, 60_000, 1)
FENCED, MAPPING, STATE = (
    TransactionError.PRODUCER_FENCED,
    TransactionError.INVALID_PRODUCER_ID_MAPPING,
    TransactionError.INVALID_TXN_STATE,
)


def answer(
    entry: Entry | None, epoch: int, *, commit: bool, raises: bool, producer_id: int = 7
) -> Step | TransactionError:
    try:
        return step_of_end(entry, producer_id, epoch, commit=commit, raises=raises)
    except TransactionRefused as refused:
        return refused.error


@pytest.mark.parametrize(
    ("state", "on_commit", "on_abort"),
    [
        (State.EMPTY, STATE, STATE),
        (State.ONGOING, Step.END, Step.END),
        (State.PREPARE_COMMIT, Step.FINISH, STATE),
        (State.PREPARE_ABORT, STATE, Step.FINISH),
        (State.COMPLETE_COMMIT, Step.NOTHING, STATE),
        (State.COMPLETE_ABORT, STATE, Step.NOTHING),
    ],
)
def test_version_1_goes_by_the_state_alone(
    state: State, on_commit: object, on_abort: object
) -> None:
    entry = replace(MINE, state=state)
    assert answer(entry, 0, commit=True, raises=False) == on_commit
    assert answer(entry, 0, commit=False, raises=False) == on_abort
    for epoch in (-1, 1, 2):
        assert answer(entry, epoch, commit=True, raises=False) == FENCED


@pytest.mark.parametrize(
    ("state", "asked", "on_commit", "on_abort"),
    [
        # epochs: the record's is 5; 4 is that of who has just ended, 5 that of who goes on
        (State.ONGOING, 5, Step.END, Step.END),
        (State.ONGOING, 4, FENCED, FENCED),
        (State.EMPTY, 5, STATE, Step.RAISE),
        (State.PREPARE_COMMIT, 4, Step.FINISH, STATE),
        (State.PREPARE_COMMIT, 5, FENCED, FENCED),
        (State.PREPARE_ABORT, 4, STATE, Step.FINISH),
        (State.COMPLETE_COMMIT, 4, Step.NOTHING, STATE),
        (State.COMPLETE_COMMIT, 5, STATE, Step.RAISE),
        (State.COMPLETE_COMMIT, 3, FENCED, FENCED),
        (State.COMPLETE_COMMIT, 6, FENCED, FENCED),
        (State.COMPLETE_ABORT, 4, STATE, Step.NOTHING),
        (State.COMPLETE_ABORT, 5, STATE, Step.RAISE),
    ],
)
def test_version_2_tells_a_repetition_by_its_epoch(
    state: State, asked: int, on_commit: object, on_abort: object
) -> None:
    entry = replace(MINE, state=state, producer_epoch=5, client_version=2)
    assert answer(entry, asked, commit=True, raises=True) == on_commit
    assert answer(entry, asked, commit=False, raises=True) == on_abort


def test_who_is_not_known_is_told_so() -> None:
    assert answer(None, 0, commit=True, raises=False) == MAPPING
    assert answer(MINE, 0, commit=True, raises=False, producer_id=8) == MAPPING
    successor = replace(MINE, producer_id=9, previous_producer_id=7)
    assert answer(successor, 0, commit=True, raises=True) == FENCED


def test_the_last_epoch_is_followed_by_another_producer_id_once_it_is_complete() -> None:
    last = replace(MINE, producer_epoch=EPOCH_MAX - 1).joined(PLACE, 2, "boot")
    decided = last.prepared(PLACE, 3).raised(next_producer_id=8)
    assert (decided.producer_id, decided.producer_epoch) == (7, EPOCH_MAX)
    assert decided.ends(7, EPOCH_MAX - 1)
    done = decided.completed(4)
    assert (done.producer_id, done.producer_epoch, done.previous_producer_id) == (8, 0, 7)
    assert answer(done, EPOCH_MAX - 1, commit=True, raises=True) == Step.NOTHING
    assert answer(done, EPOCH_MAX - 2, commit=True, raises=True) == FENCED
    aborted = last.raised(8).aborted(4)
    assert (aborted.producer_id, aborted.producer_epoch) == (8, 0)


def test_a_decided_record_speaks_of_the_epoch_before_its_own_where_that_was_raised() -> None:
    open_ = replace(MINE, producer_epoch=3).joined(PLACE, 2, "boot")
    assert open_.is_clients
    assert open_.ends(7, 3)
    plain, raised = open_.prepared(PLACE, 3), open_.prepared(PLACE, 3).raised()
    assert (plain.ends(7, 3), plain.ends(7, 2)) == (True, False)
    assert (raised.ends(7, 3), raised.ends(7, 4)) == (True, False)
    assert raised.completed(4).ends(7, 4)
    assert not raised.completed(4).is_clients


def test_partitions_are_added_and_the_clock_stays() -> None:
    more = (TopicPartition("a", 1),)
    entry = MINE.joined(PLACE, 10, "boot").joined(more, 20, "boot")
    assert entry.partitions == (*more, *PLACE)
    assert (entry.started_ms, entry.updated_ms, entry.boot_id) == (10, 20, "boot")
    ended = entry.aborted(30)
    assert (ended.partitions, ended.boot_id) == ((), "")
    again = ended.joined(PLACE, 40, "boot")
    assert (again.partitions, again.started_ms) == (PLACE, 40)
    with pytest.raises(InvalidTxnState):
        entry.prepared(PLACE, 50).joined(more, 60, "boot")


def test_nothing_open_can_only_be_aborted_for_the_next_epoch() -> None:
    done = MINE.raised().aborted_empty(5)
    assert (done.state, done.producer_epoch, done.client_version) == (State.COMPLETE_ABORT, 1, 2)
    with pytest.raises(InvalidTxnState):
        MINE.joined(PLACE, 5, "boot").aborted_empty(6)
