"""Transactions of one producer: all of it or nothing, over every way of sending."""

from __future__ import annotations

import os
import threading

import pytest

import logflume
from logflume import errors
from logflume._native.partition_log import arm_failpoints
from support.committed import committed, undecided, values


def test_all_partitions_at_the_end_of_the_block(log) -> None:
    with log.producer(transactional_id="x") as producer:
        with producer.transaction() as transaction:
            for number in range(3):
                producer.send("a", b"%d" % number, partition=number)
            producer.send_many("b", [b"many"] * 3)
            producer.flush()
            assert committed(log, "a", "b") == {}
            assert transaction.is_open
        assert not transaction.is_open
        assert committed(log, "a", "b") == {
            ("a", 0): [b"0"],
            ("a", 1): [b"1"],
            ("a", 2): [b"2"],
            ("b", 0): [b"many"] * 3,
        }
    assert undecided(log) == {}


def test_an_exception_takes_all_back(log) -> None:
    with log.producer(transactional_id="x", linger_ms=60_000) as producer:
        with pytest.raises(ZeroDivisionError), producer.transaction():  # noqa: PT012
            appended = producer.send("a", b"no", partition=0)
            assert appended.result(60).offset == 0
            waiting = producer.send("a", b"no", partition=1)
            raise ZeroDivisionError
        assert isinstance(waiting.exception(), errors.TransactionAborted)
        assert log["a"][1].end_offset == 0
        producer.flush()  # the deliveries were told already
        with producer.transaction():
            producer.send("a", b"yes", partition=0)
    assert committed(log, "a") == {("a", 0): [b"yes"]}
    assert undecided(log) == {}


def test_many_transactions_of_all_outcomes(log) -> None:
    expected: dict[tuple[str, int], list[bytes]] = {}
    with log.producer(transactional_id="x", batch_size=200) as producer:
        for n in range(60):
            transaction = producer.transaction()
            for number in range(n % 4):
                producer.send("a", b"%d" % n, partition=number % 3)
            producer.send_many("b", [b"%d" % n] * (n % 7))
            if n % 3 == 0:
                transaction.abort()
                continue
            transaction.commit()
            for number in range(n % 4):
                expected.setdefault(("a", number % 3), []).append(b"%d" % n)
            if n % 7:
                expected.setdefault(("b", 0), []).extend([b"%d" % n] * (n % 7))
            assert committed(log, "a", "b") == expected
    assert committed(log, "a", "b") == expected
    assert undecided(log) == {}


def test_plain_records_wait_for_the_transaction_before_them(log) -> None:
    with log.producer(transactional_id="x") as producer, log.producer() as plain:
        transaction = producer.transaction()
        producer.send("b", b"first").result(60)
        plain.send("b", b"second").result(60)
        assert values(log, "b") == []
        assert [r.value for r in log["b"][0].read_batch(0).records()] == [b"first", b"second"]
        transaction.commit()
        assert values(log, "b") == [b"first", b"second"]


def test_uses_that_do_not_fit(log) -> None:
    with log.producer() as plain, pytest.raises(errors.InvalidTxnState, match="transactional_id="):
        plain.transaction()
    with log.producer(transactional_id="x") as producer:
        for send in (
            lambda: producer.send("b", b"v"),
            lambda: producer.send_many("b", [b"v"]),
            lambda: producer.send_many("a", [b"v"] * 3, keys=[b"k"] * 3),
        ):
            with pytest.raises(errors.InvalidTxnState, match="'x': no transaction is open"):
                send()
        with producer.transaction() as transaction:
            with pytest.raises(errors.InvalidTxnState, match="open already"):
                producer.transaction()
            transaction.commit()
            with pytest.raises(errors.InvalidTxnState, match="is over"):
                transaction.abort()
            with pytest.raises(errors.InvalidTxnState, match="no transaction is open"):
                producer.send("b", b"v")
        with pytest.raises(errors.InvalidTxnState, match="is over"):
            transaction.commit()
        producer.transaction()
        with pytest.raises(errors.InvalidTopicName, match="internal"):
            producer.send("__transaction_state", b"v")
    with pytest.raises(errors.Closed):
        producer.transaction()
    for options in (
        {"acks": 1},
        {"enable_idempotence": False},
        {"transactional_id": "  "},
        {"transaction_timeout_ms": 0},
    ):
        with pytest.raises(errors.InvalidConfig):
            log.producer(**{"transactional_id": "x", **options})
    with pytest.raises(errors.InvalidTransactionTimeout, match=r"transaction\.max\.timeout\.ms"):
        log.producer(transactional_id="x", transaction_timeout_ms=900_001)


def test_closing_aborts_what_is_open(log) -> None:
    producer = log.producer(transactional_id="x")
    transaction = producer.transaction()
    producer.send("b", b"no")
    producer.close()
    producer.close()
    assert not transaction.is_open
    assert values(log, "b") == []
    assert undecided(log) == {}


def test_threads_send_in_one_transaction(log) -> None:
    keys = [b"%d" % n for n in range(500)]
    with log.producer(transactional_id="x", batch_size=300) as producer:

        def work() -> None:
            producer.send_many("a", keys, keys=keys)
            for key in keys[:100]:
                producer.send("a", b"v", key=key)

        for outcome in ("commit", "abort", "commit"):
            transaction = producer.transaction()
            threads = [threading.Thread(target=work) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            getattr(transaction, outcome)()
    assert len(values(log, "a")) == 2 * 4 * 600
    assert undecided(log) == {}


def test_sends_that_race_with_the_end_are_in_or_refused(log) -> None:
    with log.producer(transactional_id="x", linger_ms=0) as producer:
        total = 0
        for _ in range(20):
            accepted: list[int] = []
            transaction = producer.transaction()

            def work(counts: list[int] = accepted) -> None:
                try:
                    while True:
                        producer.send_many("b", [b"v"] * 5)
                        counts.append(5)
                        producer.send("a", b"w", partition=0)
                        counts.append(1)
                except errors.InvalidTxnState:
                    pass

            thread = threading.Thread(target=work)
            thread.start()
            while len(accepted) < 6:
                pass
            transaction.commit()
            thread.join()
            assert undecided(log) == {}
            total += sum(accepted)
        # A call that was refused in the middle may have left batches: they were in time.
        seen = len(values(log, "a")) + len(values(log, "b"))
        assert total <= seen <= total + 20 * 5


def test_a_failed_append_fails_the_commit(log) -> None:
    with log.producer(transactional_id="x") as producer:
        transaction = producer.transaction()
        producer.send("a", b"no", partition=0).result(60)
        arm_failpoints("append.before_write:1:raise")
        try:
            lost = producer.send("a", b"lost", partition=1)
            with pytest.raises(errors.StorageError, match="failpoint"):
                lost.result(60)
        finally:
            arm_failpoints("")
        with pytest.raises(errors.StorageError, match="failpoint"):
            transaction.commit()
        with producer.transaction():
            producer.send("a", b"yes", partition=1)
    assert committed(log, "a") == {("a", 1): [b"yes"]}


def test_a_topic_deleted_meanwhile_refuses_the_commit(log) -> None:
    with log.producer(transactional_id="x") as producer:
        transaction = producer.transaction()
        producer.send("a", b"no", partition=0).result(60)
        producer.send("b", b"no").result(60)
        log.delete_topic("b")
        with pytest.raises(errors.UnknownTopicOrPartition, match="'b'"):
            transaction.commit()
        log.create_topic("b")
        with producer.transaction():
            producer.send("b", b"yes")
    assert committed(log, "a", "b") == {("b", 0): [b"yes"]}
    assert undecided(log) == {}


def test_a_topic_made_anew_meanwhile_is_another(log) -> None:
    with log.producer(transactional_id="x") as producer:
        transaction = producer.transaction()
        producer.send("b", b"no").result(60)
        log.delete_topic("b")
        log.create_topic("b")
        with pytest.raises(errors.UnknownTopicOrPartition):
            transaction.commit()
    assert values(log, "b") == []


def test_an_empty_transaction_is_one(log) -> None:
    with log.producer(transactional_id="x") as producer:
        with producer.transaction():
            pass
        with pytest.raises(KeyError), producer.transaction():
            raise KeyError
        with producer.transaction():
            producer.send("b", b"yes")
    assert values(log, "b") == [b"yes"]


def test_more_bytes_than_a_commit_carries(tmp_path) -> None:
    with logflume.open(tmp_path, transaction_redo_max_bytes=10_000) as log:
        log.create_topic("a", partitions=2)
        with log.producer(transactional_id="x") as producer:
            for size in (100, 9_000, 30_000, 100):
                with producer.transaction():
                    producer.send("a", b"x" * size, partition=0)
                    producer.send("a", b"y" * size, partition=1)
                large = 2 * size > 10_000
                assert (log["a"][0].durable_offset >= log["a"][0].end_offset - 1) == large
        assert [len(v) for v in values(log, "a")] == [100, 9_000, 30_000, 100] * 2


def test_a_topic_that_grows_in_a_transaction(log) -> None:
    with log.producer(transactional_id="x") as producer, producer.transaction():
        producer.send("b", b"1", partition=0).result(60)
        log.alter_topic("b", partitions=3)
        producer._refresh()
        producer.send("b", b"2", partition=2)
        producer.send("b", b"3", partition=0)
    assert values(log, "b") == [b"1", b"3", b"2"]
    assert undecided(log) == {}


def test_a_forked_child_needs_a_producer_of_its_own(log) -> None:
    with log.producer(transactional_id="x") as producer:
        transaction = producer.transaction()
        producer.send("b", b"mine").result(60)
        child = os.fork()
        if child == 0:
            try:
                for call in (producer.transaction, lambda: producer.send("b", b"v")):
                    with pytest.raises(errors.InvalidTxnState):
                        call()
                with log.producer(transactional_id="y") as own, own.transaction():
                    own.send("a", b"the child's", partition=0)
                os._exit(0)
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        transaction.commit()
    assert committed(log, "a", "b") == {("a", 0): [b"the child's"], ("b", 0): [b"mine"]}


def test_without_the_transaction_nothing_of_it_is_on_disk(tmp_path) -> None:
    with logflume.open(tmp_path) as log:
        log.create_topic("a")
        log.producer().send("a", b"v").result(60)
    assert not [path.name for path in tmp_path.iterdir() if "transaction" in path.name]
