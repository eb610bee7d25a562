"""Transactions that overlap: seen whole or not at all, in one partition and over several, and in the end seen."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import logflume
from logflume.coordinator.transactions.held import GROUPS_MAX
from support.committed import committed, undecided


def send(producer: Any, topic: str, value: bytes, partition: int = 0) -> None:
    producer.send(topic, value, partition=partition).result(60)


def test_one_behind_anothers_open_one_is_hidden_everywhere(log: Any) -> None:
    old, young = (log.producer(transactional_id=name) for name in ("old", "young"))
    first, second = old.transaction(), young.transaction()
    send(old, "a", b"1")
    send(young, "a", b"2")
    send(young, "b", b"2")
    second.commit()
    assert committed(log, "a", "b") == {}
    # Alone, too: who reads one partition after the other never sees a part.
    assert committed(log, "b") == {}
    first.commit()
    assert committed(log, "a", "b") == {("a", 0): [b"1", b"2"], ("b", 0): [b"2"]}


def test_a_reader_who_waits_is_woken_when_the_one_before_ends_elsewhere(log: Any) -> None:
    old, young = (log.producer(transactional_id=name) for name in ("old", "young"))
    first, second = old.transaction(), young.transaction()
    send(old, "a", b"1")
    send(young, "a", b"2")
    send(young, "b", b"2")
    second.commit()
    found = []

    def read() -> None:
        with log.consumer(
            "b", isolation_level="read_committed", auto_offset_reset="earliest"
        ) as consumer:
            found.extend(consumer.poll(timeout=30))
            found.append(time.monotonic())

    thread = threading.Thread(target=read)
    thread.start()
    time.sleep(0.3)
    assert not found
    first.abort()
    ended = time.monotonic()
    thread.join(60)
    assert found[0].value == b"2"
    assert found[1] - ended < 5


def test_a_dead_one_elsewhere_is_ended_by_who_waits(tmp_path: Path) -> None:
    """The reader's own partition has nothing open: what it waits for lies in another."""
    with logflume.open(tmp_path / "d") as log:
        log.create_topic("a")
        log.create_topic("b")
        other = logflume.open(tmp_path / "d")
        old, young = other.producer(transactional_id="old"), log.producer(transactional_id="young")
        old.transaction()
        send(old, "a", b"1")
        with young.transaction():
            send(young, "a", b"2")
            send(young, "b", b"2")
        assert committed(log, "b") == {}
        # As if its process were dead: nobody says that it lives.
        other.engine.coordinator.room.presence.close()
        with log.consumer(
            "b", isolation_level="read_committed", auto_offset_reset="earliest"
        ) as consumer:
            assert [record.value for record in consumer.poll(timeout=30)] == [b"2"]
        other.close()


def test_a_deleted_topic_holds_nobody(log: Any) -> None:
    old, young = (log.producer(transactional_id=name) for name in ("old", "young"))
    old.transaction()
    with young.transaction():
        send(old, "b", b"1")
        send(young, "b", b"2")
        send(young, "a", b"2")
    assert committed(log, "a") == {}
    log.delete_topic("b")
    log.transactions.settle()
    assert committed(log, "a") == {("a", 0): [b"2"]}


def test_more_than_are_told_apart_are_seen_when_the_first_ends(log: Any) -> None:
    old, young = (log.producer(transactional_id=name) for name in ("old", "young"))
    first = old.transaction()
    send(old, "a", b"old")
    for number in range(GROUPS_MAX + 20):
        with young.transaction():
            send(young, "a", b"%d" % number)
            send(young, "b", b"%d" % number)
    assert committed(log, "a", "b") == {}
    first.commit()
    expected = [b"%d" % number for number in range(GROUPS_MAX + 20)]
    assert committed(log, "a", "b") == {("a", 0): [b"old", *expected], ("b", 0): expected}
    assert undecided(log) == {}


def test_transactions_that_overlap_without_end_are_seen_all_the_same(log: Any) -> None:
    """Each begins before another ends, and writes around its records: without a pause there would be no end to show."""
    stop = time.monotonic() + 4

    def write(number: int) -> None:
        producer = log.producer(transactional_id=f"t{number}", linger_ms=0)
        time.sleep(number * 0.012)
        while time.monotonic() < stop:
            with producer.transaction():
                for _ in range(4):
                    send(producer, "a", b"v")
                    time.sleep(0.012)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    partition, seen = log.partition("a", 0), set()
    while time.monotonic() < stop:
        seen.add(partition.last_stable_offset)
        time.sleep(0.005)
    for thread in threads:
        thread.join(60)
    # Without the pause: 17 in five seconds, once none for 3.8; with it 78.
    assert len(seen) > 4
    assert undecided(log) == {}


def test_one_thread_with_two_producers_hardly_waits_for_itself(log: Any) -> None:
    """Each begins while the other is open, and nobody else could end that one."""
    one, two = (log.producer(transactional_id=name, linger_ms=0) for name in "12")
    began = time.monotonic()
    first = one.transaction()
    for _ in range(40):
        send(one, "a", b"1")
        second = two.transaction()
        send(two, "a", b"2")
        send(one, "a", b"1")
        time.sleep(0.03)
        first.commit()
        first = one.transaction()
        send(one, "a", b"1")
        send(two, "a", b"2")
        second.commit()
    first.commit()
    assert time.monotonic() - began < 15
    assert undecided(log) == {}
    assert len(committed(log, "a")["a", 0]) == 40 * 5


def test_groups_that_share_a_partition_of_offsets_do_not_wait_for_each_other(
    tmp_path: Path,
) -> None:
    options = {"auto_offset_reset": "earliest", "enable_auto_commit": False}
    with logflume.open(tmp_path / "d", offsets_topic_num_partitions=1) as log:
        log.create_topic("in")
        log.create_topic("a")
        with log.producer() as plain:
            plain.send("in", b"1").result(60)
        slow, quick = (log.producer(transactional_id=name) for name in ("slow", "quick"))
        with (
            log.consumer("in", group="1", **options) as one,
            log.consumer("in", group="2", **options) as two,
        ):
            assert one.poll(10)
            assert two.poll(10)
            first = slow.transaction()
            first.send_offsets(one)
            slow.flush()
            assert undecided(log) == {("__consumer_offsets", 0): 1}
            with quick.transaction() as second:
                send(quick, "a", b"made of 1")
                second.send_offsets(two)
            assert committed(log, "a") == {("a", 0): [b"made of 1"]}
            assert two.committed("in", 0) == 1
            assert one.committed("in", 0) is None
            first.commit()
            assert one.committed("in", 0) == 1
        assert undecided(log) == {}
