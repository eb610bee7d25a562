"""Whoever takes a transactional id over ends what was open; whoever lost it can neither write nor commit."""

from __future__ import annotations

import pytest

import logflume
from logflume import errors
from support.committed import committed, undecided, values


@pytest.fixture
def clock(log):
    """The directory's clock, to be moved."""

    class Clock:
        now = 1_700_000_000_000

        def __call__(self) -> int:
            return self.now

    made = Clock()
    log.engine.coordinator.room.now_ms = made
    return made


def test_a_newer_producer_fences_the_one_before(log) -> None:
    old = log.producer(transactional_id="x")
    with old.transaction():
        old.send("b", b"1")
    transaction = old.transaction()
    old.send("b", b"no").result(60)
    new = log.producer(transactional_id="x")
    with pytest.raises(errors.ProducerFenced, match=r"'x'.*came after it"):
        transaction.commit()
    with pytest.raises(errors.ProducerFenced):
        old.transaction()
    with new.transaction():
        new.send("b", b"2")
    assert values(log, "b") == [b"1", b"2"]
    assert undecided(log) == {}
    old.close()
    with new.transaction():
        new.send("b", b"3")
    assert values(log, "b") == [b"1", b"2", b"3"]


def test_what_a_fenced_producer_still_writes_is_never_seen(log) -> None:
    """It lives, and goes on sending before and after its successor, to partitions that both use."""
    old = log.producer(transactional_id="x", linger_ms=0)
    stale = old.transaction()
    old.send("a", b"no", partition=0).result(60)
    new = log.producer(transactional_id="x")
    old.send("a", b"no", partition=1).result(60)
    old.send("b", b"no").result(60)
    with new.transaction():
        new.send("a", b"yes", partition=0)
        new.send("a", b"yes", partition=1)
        old.send("a", b"no", partition=1)
        old.send("a", b"no", partition=2)
        new.send("b", b"yes")
    with pytest.raises(errors.ProducerFenced):
        stale.commit()
    log.transactions.settle()
    assert committed(log, "a", "b") == {("a", 0): [b"yes"], ("a", 1): [b"yes"], ("b", 0): [b"yes"]}
    assert undecided(log) == {}


def test_a_restart_goes_on_with_the_same_producer_id(log) -> None:
    seen = []
    for _ in range(3):
        with log.producer(transactional_id="x") as producer:
            with producer.transaction():
                producer.send("b", b"v")
            seen.append((producer._core.producer_id, producer._core.producer_epoch))
    assert seen == [(seen[0][0], epoch) for epoch in range(3)]


def test_epochs_run_out(log) -> None:
    from dataclasses import replace

    with log.producer(transactional_id="x") as producer, producer.transaction():
        producer.send("b", b"1")
    room = log.engine.coordinator.room
    with room.locked() as state:
        state.append(replace(state.get("x"), producer_epoch=32766))
    with log.producer(transactional_id="x") as producer:
        assert producer._core.producer_epoch == 0
        with producer.transaction():
            producer.send("b", b"2")
    assert values(log, "b") == [b"1", b"2"]


def test_a_late_commit_is_refused_and_the_producer_goes_on(log, clock) -> None:
    with log.producer(transactional_id="x", transaction_timeout_ms=1000) as producer:
        transaction = producer.transaction()
        producer.send("b", b"no").result(60)
        clock.now += 1001
        with pytest.raises(errors.TransactionTimedOut, match=r"'x'.*\(1000\)"):
            transaction.commit()
        with producer.transaction():
            producer.send("b", b"yes")
    assert values(log, "b") == [b"yes"]
    assert undecided(log) == {}


def test_others_abort_what_is_late(log, clock, tmp_path) -> None:
    with (
        logflume.open(tmp_path / "data") as other,
        log.producer(transactional_id="x", transaction_timeout_ms=1000, linger_ms=0) as producer,
    ):
        other.engine.coordinator.room.now_ms = clock
        transaction = producer.transaction()
        producer.send("b", b"no").result(60)
        assert other.transactions.settle() == 0
        assert undecided(other) == {("b", 0): 1}
        clock.now += 1001
        assert other.transactions.settle() == 1
        assert undecided(other) == {}
        with pytest.raises(errors.InvalidProducerEpoch):
            producer.send("b", b"late").result(60)
        with pytest.raises(errors.TransactionTimedOut):
            transaction.commit()
        with producer.transaction():
            producer.send("b", b"yes")
        assert values(other, "b") == [b"yes"]
        assert undecided(other) == {}


def test_abort_from_outside(log, tmp_path) -> None:
    with (
        logflume.open(tmp_path / "data") as other,
        log.producer(transactional_id="x") as producer,
    ):
        with pytest.raises(errors.TransactionalIdNotFound, match="'y'"):
            other.transactions.abort("y")
        assert not other.transactions.abort("x")
        transaction = producer.transaction()
        producer.send("a", b"no", partition=1).result(60)
        found = other.transactions.describe("x")
        assert (found.state, found.alive, found.open_partitions) == (
            "Ongoing",
            True,
            ((("a", 1), 0),),
        )
        assert other.transactions.abort("x")
        assert undecided(other) == {}
        assert [t.state for t in other.transactions.list()] == ["CompleteAbort"]
        with pytest.raises(errors.TransactionAborted, match="somebody else"):
            transaction.commit()
        with producer.transaction():
            producer.send("a", b"yes", partition=1)
        assert values(log, "a") == [b"yes"]
        assert other.transactions.describe("x").state == "CompleteCommit"


def test_unknown_producers_are_left_alone_until_they_are_surely_late(log, clock) -> None:
    from logflume._native.batches import encode_batch

    stray = encode_batch(
        [(b"v", None, None, clock.now)], producer_id=7, producer_epoch=0, base_sequence=0,
        transactional=True,
    )  # fmt: skip
    log["b"][0].append_raw(stray)
    with log.producer(transactional_id="x"):
        pass
    assert log.transactions.settle() == 0
    clock.now += log.directory.config.transaction_max_timeout_ms + 1
    assert log.transactions.settle() == 1
    assert undecided(log) == {}
    assert values(log, "b") == []


def test_nothing_is_made_for_those_who_only_look(tmp_path) -> None:
    with logflume.open(tmp_path) as log:
        assert log.transactions.list() == []
        assert log.transactions.settle() == 0
        with pytest.raises(errors.TransactionalIdNotFound):
            log.transactions.describe("x")
    assert not [path.name for path in tmp_path.iterdir() if "transaction" in path.name]
