"""A group's offsets inside a transaction: they count when it is committed, with its records."""

from __future__ import annotations

import threading

import pytest

import logflume
from logflume import errors
from logflume.coordinator.offset_store import OffsetStore
from logflume.coordinator.offsets_topic import offsets_partition
from logflume.types import OffsetAndMetadata, TopicPartition
from support.committed import undecided, values


@pytest.fixture
def consumer(log):
    log.producer().send_many("a", [b"%d" % n for n in range(10)], partition=0)
    with log.consumer(
        "a", group="g", auto_offset_reset="earliest", enable_auto_commit=False
    ) as made:
        yield made


def test_offsets_and_records_together(log, consumer) -> None:
    with log.producer(transactional_id="x") as producer:
        for outcome in ("abort", "commit", "abort", "commit"):
            records = consumer.poll(5.0, 3)
            before = consumer.committed("a", 0)
            transaction = producer.transaction()
            for record in records:
                producer.send("b", record.value)
            producer.send_offsets(consumer)
            assert consumer.committed("a", 0) == before
            getattr(transaction, outcome)()
            if outcome == "commit":
                assert consumer.committed("a", 0) == records[-1].offset + 1
            else:
                assert consumer.committed("a", 0) == before
                consumer.seek("a", 0, records[0].offset)
    assert values(log, "b") == [b"%d" % n for n in range(6)]
    assert undecided(log) == {}


def test_given_offsets(log, consumer) -> None:
    consumer.poll(5.0)
    with log.producer(transactional_id="x") as producer, producer.transaction() as transaction:
        transaction.send_offsets(consumer, {("a", 0): OffsetAndMetadata(4, "note")})
        transaction.send_offsets(consumer, {("a", 0): 5})
        transaction.send_offsets(consumer, {})
    assert consumer.committed("a", 0) == 5


def test_uses_that_do_not_fit(log, consumer) -> None:
    consumer.poll(5.0)
    with log.producer(transactional_id="x") as producer:
        with pytest.raises(errors.InvalidTxnState, match="no transaction is open"):
            producer.send_offsets(consumer)
        transaction = producer.transaction()
        with pytest.raises(errors.CommitFailed, match="not assigned"):
            producer.send_offsets(consumer, {("b", 0): 1})
        with (
            log.consumer("a", group="h") as greedy,
            pytest.raises(errors.InvalidConfig, match=r"enable\.auto\.commit"),
        ):
            producer.send_offsets(greedy)
        with (
            log.consumer("a", enable_auto_commit=False) as alone,
            pytest.raises(errors.InvalidGroup),
        ):
            producer.send_offsets(alone)
        transaction.commit()
        with pytest.raises(errors.InvalidTxnState, match="is over"):
            transaction.send_offsets(consumer)


def test_another_member_starts_behind_what_is_being_committed(log, tmp_path) -> None:
    """The position that it finds undecided is waited for, not read in its old state."""
    log.producer().send_many("b", [b"1", b"2", b"3"])
    first = log.consumer("b", group="g", auto_offset_reset="earliest", enable_auto_commit=False)
    first.poll(5.0, 2)
    with log.producer(transactional_id="x") as producer:
        transaction = producer.transaction()
        transaction.send_offsets(first)
        first.close()
        with logflume.open(tmp_path / "data") as other:
            second = other.consumer(
                "b", group="g", auto_offset_reset="earliest", enable_auto_commit=False
            )
            seen: list[bytes] = []
            thread = threading.Thread(target=lambda: seen.extend(r.value for r in second.poll(20)))
            thread.start()
            thread.join(0.3)
            assert thread.is_alive()
            transaction.commit()
            thread.join(60)
            assert seen == [b"3"]


def test_a_dead_transaction_does_not_keep_a_member_waiting(log, tmp_path) -> None:
    log.producer().send_many("b", [b"1", b"2", b"3"])
    with log.consumer(
        "b", group="g", auto_offset_reset="earliest", enable_auto_commit=False
    ) as first:
        first.poll(5.0, 2)
        producer = log.producer(transactional_id="x")
        producer.transaction().send_offsets(first)
        log.engine.coordinator.room.presence.close()  # as if it were dead
    with logflume.open(tmp_path / "data") as other:
        second = other.consumer("b", group="g", auto_offset_reset="earliest")
        assert [r.value for r in second.poll(20)] == [b"1", b"2", b"3"]


def test_order_of_plain_and_transactional_commits(log) -> None:
    """A plain commit behind a pending one stays, as in Kafka; one before is replaced."""
    partition = offsets_partition(log.directory, "g")
    place, other = TopicPartition("t", 0), TopicPartition("t", 1)
    stores = [OffsetStore(partition) for _ in range(2)]
    with log.consumer(group="g", enable_auto_commit=False) as consumer:
        consumer.assign([("a", 0), ("a", 1)])
        with log.producer(transactional_id="x") as producer:
            stores[0].commit("g", {place: OffsetAndMetadata(1)})
            transaction = producer.transaction()
            transaction.send_offsets(consumer, {("a", 0): 5, ("a", 1): 5})
            a0, a1 = TopicPartition("a", 0), TopicPartition("a", 1)
            assert stores[0].is_undecided("g", a0)
            stores[0].commit("g", {a1: OffsetAndMetadata(9), other: OffsetAndMetadata(2)})
            assert not stores[0].is_undecided("g", a1)
            assert stores[1].committed("g", a0) is None
            transaction.commit()
    for store in [*stores, OffsetStore(partition)]:
        found = {where: entry.offset for where, entry in store.offsets("g").items()}
        assert found == {place: 1, other: 2, a0: 5, a1: 9}
        assert not store.is_undecided("g", a0)
