"""Batches say who wrote them and which record of his they begin with; the numbers have no gaps."""

from __future__ import annotations

import os
import threading

import pytest

import logflume
from logflume import errors
from support.producing import batches_of


@pytest.fixture
def log(tmp_path):
    with logflume.open(tmp_path / "data") as opened:
        opened.create_topic("one")
        opened.create_topic("t", partitions=3)
        yield opened


def marks_of(log, topic="one", number=0):
    """(producer id, epoch, first sequence, records) of each batch."""
    return [
        (b.producer_id, b.producer_epoch, b.base_sequence, b.count)
        for b in batches_of(log, topic, number)
    ]


def assert_without_gaps(marks):
    expected: dict[int, int] = {}
    for producer, epoch, sequence, count in marks:
        assert producer >= 0
        assert epoch == 0
        assert sequence == expected.get(producer, 0)
        expected[producer] = sequence + count


@pytest.mark.parametrize(
    "options", [{"acks": 1}, {"acks": 0}, {"acks": "all", "enable_idempotence": False}]
)
def test_other_producers_are_nobody_in_particular(log, options) -> None:
    with log.producer(**options) as producer:
        producer.send("one", b"a")
        producer.send_many("one", [b"b"] * 3)
    assert [mark[:3] for mark in marks_of(log)] == [(-1, -1, -1)] * 2


@pytest.mark.parametrize("codec", ["none", "lz4"])
def test_sequences_go_on_over_all_ways_of_sending(log, codec) -> None:
    with log.producer(linger_ms=60_000, batch_size=400, compression_type=codec) as producer:
        for n in range(50):
            producer.send("one", b"x" * 30, key=str(n).encode())
        producer.send_many("one", [b"y" * 100] * 50)
        producer.flush()
        producer.send("one", b"z").result(60)
    marks = marks_of(log)
    assert_without_gaps(marks)
    assert sum(mark[3] for mark in marks) == 101
    assert len({mark[0] for mark in marks}) == 1


def test_each_partition_has_its_own_order_and_each_producer_its_id(log) -> None:
    keys = [str(n).encode() for n in range(500)]
    with log.producer(batch_size=300) as one, log.producer(batch_size=300) as other:
        for producer in (one, other, one):
            producer.send_many("t", keys, keys=keys)
            producer.send("t", b"v", key=b"k")
    found = set()
    for number in range(3):
        marks = marks_of(log, "t", number)
        assert_without_gaps(marks)
        found |= {mark[0] for mark in marks}
    assert len(found) == 2


def test_threads_of_one_producer_make_one_order(log) -> None:
    keys = [str(n % 7).encode() for n in range(2000)]
    with log.producer(batch_size=500, linger_ms=0) as producer:

        def work() -> None:
            for _ in range(5):
                producer.send_many("t", keys, keys=keys)
                for key in keys[:50]:
                    producer.send("t", b"v", key=key)
                producer.send_many("t", [b"w"] * 100, partition=1)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    total = 0
    for number in range(3):
        marks = marks_of(log, "t", number)
        assert_without_gaps(marks)
        total += sum(mark[3] for mark in marks)
    assert total == 4 * 5 * (2000 + 50 + 100)


def test_the_order_goes_on_when_a_topic_is_looked_up_anew(log) -> None:
    with log.producer() as producer:
        producer.send("one", b"a").result(60)
        producer._core.forget("one")
        producer.send("one", b"b").result(60)
        log.alter_topic("one", config={"retention.ms": 1000})
        producer._refresh()
        producer.send("one", b"c").result(60)
    assert_without_gaps(marks_of(log))


def test_a_failed_append_takes_no_number(log) -> None:
    from logflume._native.partition_log import arm_failpoints

    with log.producer() as producer:
        producer.send("one", b"a").result(60)
        arm_failpoints("append.before_write:1:raise")
        try:
            with pytest.raises(errors.StorageError, match="failpoint"):
                producer.send("one", b"lost").result(60)
        finally:
            arm_failpoints("")
        producer.send("one", b"b").result(60)
    marks = marks_of(log)
    assert_without_gaps(marks)
    assert len(marks) == 2


def test_batches_that_went_in_before_a_failure_keep_their_numbers(log) -> None:
    """One call, several segments, the third of which cannot be begun."""
    from logflume._native.partition_log import arm_failpoints

    log.create_topic("small", config={"segment.bytes": 4096})
    with log.producer(batch_size=1500) as producer:
        arm_failpoints("append.before_write:3:raise")
        try:
            with pytest.raises(errors.StorageError, match="failpoint"):
                producer.send_many("small", [b"x" * 500] * 40)
        finally:
            arm_failpoints("")
        written = log["small"][0].end_offset
        assert 0 < written < 40
        producer.send_many("small", [b"y" * 500] * 3)
    from logflume._native.batches import BatchScan

    marks = []
    for segment in log["small"][0].segments():
        with open(segment.path, "rb") as file:
            scan = BatchScan(file.read())
            marks += [(b.producer_id, b.producer_epoch, b.base_sequence, b.count) for b in scan]
    assert_without_gaps(marks)
    assert sum(mark[3] for mark in marks) == written + 3


def test_a_forked_child_writes_as_another(log) -> None:
    with log.producer() as producer:
        producer.send("one", b"mine").result(60)
        child = os.fork()
        if child == 0:
            try:
                producer.send("one", b"the child's").result(60)
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        producer.send("one", b"mine again").result(60)
    marks = marks_of(log)
    assert_without_gaps(marks)
    assert [mark[0] for mark in marks[::2]] == [marks[0][0]] * 2
    assert marks[1][0] != marks[0][0]


def test_kafkas_rules_of_combination(log) -> None:
    with pytest.raises(errors.InvalidConfig, match="acks"):
        log.producer(acks=1, enable_idempotence=True)
    with pytest.raises(errors.InvalidConfig, match="at most 5"):
        log.producer(enable_idempotence=True, max_in_flight_requests_per_connection=6)
