"""The steps of a transactional id, walked at random beside a table of what Kafka allows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logflume.coordinator.transactions.entry import EPOCH_MAX, Entry, State
from logflume.errors import InvalidTxnState
from logflume.types import TopicPartition

PLACES = (TopicPartition("a", 0), TopicPartition("b", 3))

# From which states each step is allowed, and where it leads.
IDLE = {State.EMPTY, State.COMPLETE_COMMIT, State.COMPLETE_ABORT}
DECIDED = {State.PREPARE_COMMIT, State.PREPARE_ABORT, State.PREPARE_EPOCH_FENCE}
STEPS = {
    "taken_over": (
        IDLE,
        lambda e, now: e.taken_over(
            5, now, e.producer_id + 1 if now % 5 == 0 or e.epoch_is_exhausted else None
        ),
    ),
    "begun": (IDLE, lambda e, now: e.begun(now)),
    "prepared": ({State.ONGOING}, lambda e, now: e.prepared(PLACES, now)),
    "completed": (DECIDED, lambda e, now: e.completed(now)),
    "aborted": ({State.ONGOING}, lambda e, now: e.aborted(now)),
    "fenced": ({State.ONGOING}, lambda e, now: e.fenced(now)),
}


@given(st.lists(st.sampled_from(sorted(STEPS)), max_size=40), st.integers(0, EPOCH_MAX - 3))
def test_walks(steps: list[str], epoch: int) -> None:
    entry = Entry("x", 7, epoch, 5, updated_ms=0)
    owner = (entry.producer_id, entry.producer_epoch)
    for now, name in enumerate(steps, 1):
        allowed, step = STEPS[name]
        if entry.state not in allowed:
            with pytest.raises(InvalidTxnState, match=r"transactional.id 'x'.*" + entry.state.word):
                step(entry, now)
            continue
        before, entry = entry, step(entry, now)
        assert entry.updated_ms == now
        assert 0 <= entry.producer_epoch <= EPOCH_MAX
        assert bool(entry.partitions) == (entry.state is State.PREPARE_COMMIT)
        after = (entry.producer_id, entry.producer_epoch)
        if name in ("taken_over", "fenced"):
            assert after > owner, "whoever wrote before is fenced"
        else:
            assert after == owner
        if name == "begun":
            assert entry.started_ms == now
        if name == "taken_over" and before.producer_id != entry.producer_id:
            assert (entry.previous_producer_id, entry.producer_epoch) == (before.producer_id, 0)
        owner = after


def test_a_decision_is_kept_when_it_is_completed() -> None:
    for state, outcome in (
        (State.PREPARE_COMMIT, State.COMPLETE_COMMIT),
        (State.PREPARE_ABORT, State.COMPLETE_ABORT),
        (State.PREPARE_EPOCH_FENCE, State.COMPLETE_ABORT),
    ):
        assert Entry("x", 1, 1, 1, state=state, partitions=PLACES).completed(9).state is outcome


def test_an_exhausted_epoch_needs_a_new_producer_id() -> None:
    entry = Entry("x", 1, EPOCH_MAX - 1, 1)
    with pytest.raises(ValueError, match="new producer id"):
        entry.taken_over(1, 1)
    assert entry.taken_over(1, 1, new_producer_id=9).producer_id == 9
    assert entry.begun(1).fenced(2).producer_epoch == EPOCH_MAX
    assert entry.begun(1).fenced(2).epoch_is_exhausted


def test_time_outs() -> None:
    entry = Entry("x", 1, 1, 1000).begun(5000)
    assert not entry.is_timed_out(6000)
    assert entry.is_timed_out(6001)
    assert entry.fenced(6001).was_timed_out
    assert not entry.fenced(6000).was_timed_out
    assert not entry.aborted(5500).is_timed_out(99_999)
    assert not Entry("x", 1, 1, 1000, state=State.COMPLETE_ABORT, updated_ms=9999).was_timed_out


def test_words_are_kafkas() -> None:
    assert [state.word for state in State] == [
        "Empty", "Ongoing", "PrepareCommit", "PrepareAbort", "CompleteCommit", "CompleteAbort", "Dead",
        "PrepareEpochFence",
    ]  # fmt: skip
