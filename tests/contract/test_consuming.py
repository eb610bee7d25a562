"""Reading: polls, batches, iteration, positions, times, lag, pauses, ends."""

from __future__ import annotations

import re
import threading
import time

import numpy as np
import pytest

from contract.conftest import drain
from logflume import OffsetAndTimestamp, TopicPartition, errors

START_MS = 1_700_000_000_000


@pytest.fixture
def filled(log, name):
    """A topic with 100 records in each of two partitions, a millisecond apart."""
    log.create_topic(name, partitions=2)
    with log.producer(acks=1) as producer:
        for number in range(2):
            producer.send_many(
                name,
                [b"%d-%d" % (number, i) for i in range(100)],
                partition=number,
                timestamps=[START_MS + i for i in range(100)],
            )
    return name


def test_everything_comes_in_offset_order(log, filled):
    with log.consumer(filled, auto_offset_reset="earliest", max_poll_records=7) as consumer:
        seen: dict[int, list[int]] = {0: [], 1: []}
        deadline = time.monotonic() + 60
        while sum(map(len, seen.values())) < 200:
            assert time.monotonic() < deadline
            records = consumer.poll(0.5)
            assert len(records) <= 7
            for record in records:
                assert record.topic == filled
                assert record.value == b"%d-%d" % (record.partition, record.offset)
                seen[record.partition].append(record.offset)
    assert seen == {0: list(range(100)), 1: list(range(100))}


def test_reset_policies(log, filled):
    with log.consumer(filled, auto_offset_reset="latest") as consumer:
        assert consumer.poll(0.2) == []
        log.partition(filled, 1).append(b"new")
        assert [r.value for r in drain(consumer, 1)] == [b"new"]

    def begin_nowhere():
        with log.consumer(filled, auto_offset_reset="none") as consumer:  # a cluster's says so here
            consumer.poll(60.0)

    with pytest.raises(errors.NoOffsetForPartition):
        begin_nowhere()


def test_an_empty_poll_takes_its_time(log, name):
    log.create_topic(name)
    with log.consumer(name) as consumer:
        consumer.poll(0)
        began = time.monotonic()
        assert consumer.poll(0.3) == []
        assert 0.25 < time.monotonic() - began < 30
        assert consumer.poll_batch(0) is None


def test_a_waiting_poll_is_woken_by_a_record(log, name):
    log.create_topic(name)
    partition = log.partition(name, 0)
    with log.consumer(name, auto_offset_reset="earliest") as consumer:
        consumer.poll(0.2)
        timer = threading.Timer(0.3, lambda: partition.append(b"now"))
        timer.start()
        began = time.monotonic()
        assert [r.value for r in consumer.poll(60)] == [b"now"]
        assert time.monotonic() - began < 30
        timer.join()


def test_batches_are_columns(log, filled):
    pa = pytest.importorskip("pyarrow")
    with log.consumer(auto_offset_reset="earliest") as consumer:
        consumer.assign([(filled, 0)])
        batches = []
        while sum(map(len, batches)) < 100:
            batch = consumer.poll_batch(timeout=60, max_records=100_000)
            assert batch is not None
            batches.append(batch)
    batch = batches[0]
    assert (batch.offsets.dtype, batch.timestamps.dtype) == (np.int64, np.int64)
    assert batch.partitions.dtype == np.int32
    assert batch.topic == filled
    assert bytes(batch.values[0]) == b"0-0"
    assert batch.keys[0] is None
    assert set(batch.to_numpy()) == {"partition", "offset", "timestamp", "key", "value"}
    table = pa.concat_tables([b.to_arrow() for b in batches])
    assert table["offset"].to_pylist() == list(range(100))
    assert table["value"].to_pylist() == [b"0-%d" % i for i in range(100)]


def test_positions_and_seeks(log, filled):
    with log.consumer(auto_offset_reset="earliest") as consumer:
        consumer.assign([(filled, 0)])
        assert consumer.assignment() == {TopicPartition(filled, 0)}
        assert consumer.position(filled, 0) == 0
        assert [r.offset for r in consumer.poll(20, max_records=10)] == list(range(10))
        assert consumer.position(filled, 0) == 10
        consumer.seek(filled, 0, 42)
        assert consumer.position((filled, 0)) == 42
        assert consumer.poll(20, max_records=1)[0].offset == 42
        consumer.seek((filled, 0), offset=7)
        assert consumer.poll(20, max_records=1)[0].offset == 7
        consumer.seek_to_beginning()
        assert consumer.poll(20, max_records=1)[0].offset == 0
        consumer.seek_to_end()
        assert consumer.position(filled, 0) == 100
        assert consumer.poll(0.2) == []
        consumer.seek_to_time(START_MS + 50)
        assert consumer.poll(20, max_records=1)[0].offset == 50
        with pytest.raises(errors.UnknownTopicOrPartition):
            consumer.seek(filled, 1, 0)
        with pytest.raises(ValueError, match="negative"):
            consumer.seek(filled, 0, -1)


def test_a_position_outside_is_met_by_the_policy(log, filled):
    with log.consumer(auto_offset_reset="earliest") as consumer:
        consumer.assign([(filled, 0)])
        consumer.seek(filled, 0, 1000)
        assert consumer.poll(20, max_records=1)[0].offset == 0
    with log.consumer(auto_offset_reset="latest") as consumer:
        consumer.assign([(filled, 0)])
        consumer.seek(filled, 0, 1000)
        deadline = time.monotonic() + 60
        while consumer.position(filled, 0) != 100:
            assert time.monotonic() < deadline
            assert consumer.poll(0.2) == []


def test_a_position_outside_raises_without_a_policy(log, filled):
    with log.consumer(
        group=f"g-{filled}", auto_offset_reset="none", enable_auto_commit=False
    ) as consumer:
        consumer.commit({(filled, 0): 0})
        consumer.assign([(filled, 0)])
        consumer.seek(filled, 0, 1000)
        with pytest.raises(errors.OffsetOutOfRange) as caught:
            consumer.poll(20)
        assert (caught.value.start_offset, caught.value.end_offset) == (0, 100)
        consumer.seek(filled, 0, 99)
        assert [r.offset for r in drain(consumer, 1)] == [99]


def test_times_and_ends(log, filled):
    with log.consumer() as consumer:
        places = [(filled, 0), (filled, 1)]
        assert consumer.beginning_offsets(places) == dict.fromkeys(places, 0)
        assert consumer.end_offsets(places) == dict.fromkeys(places, 100)
        found = consumer.offsets_for_times(
            {(filled, 0): START_MS + 10, (filled, 1): START_MS + 1_000_000}
        )
        assert found == {(filled, 0): OffsetAndTimestamp(10, START_MS + 10), (filled, 1): None} or (
            found[filled, 0][:2] == (10, START_MS + 10) and found[filled, 1] is None
        )


def test_lag_counts_what_is_left(log, filled):
    with log.consumer(auto_offset_reset="earliest") as consumer:
        consumer.assign([(filled, 0), (filled, 1)])
        assert consumer.lag() == {(filled, 0): 100, (filled, 1): 100}
        drain(consumer, 200)
        assert consumer.lag() == {(filled, 0): 0, (filled, 1): 0}


def test_paused_partitions_give_nothing(log, filled):
    with log.consumer(auto_offset_reset="earliest") as consumer:
        consumer.assign([(filled, 0), (filled, 1)])
        consumer.pause((filled, 0))
        assert consumer.paused() == {(filled, 0)}
        assert {r.partition for r in drain(consumer, 100)} == {1}
        assert consumer.poll(0.3) == []
        consumer.resume((filled, 0))
        assert {r.partition for r in drain(consumer, 100)} == {0}


def test_iteration_goes_on_where_a_poll_left_and_back(log, filled):
    with log.consumer(auto_offset_reset="earliest") as consumer:
        consumer.assign([(filled, 0)])
        first = next(iter(consumer))
        assert first.offset == 0
        assert consumer.position(filled, 0) == 1
        assert consumer.poll(20, max_records=1)[0].offset == 1
        assert [next(iter(consumer)).offset for _ in range(3)] == [2, 3, 4]


def test_close_from_another_thread_ends_an_iteration(log, name):
    log.create_topic(name)
    consumer = log.consumer(name, auto_offset_reset="earliest")
    seen = []
    got_two = threading.Event()

    def consume():
        for record in consumer:
            seen.append(record.value)
            if len(seen) == 2:
                got_two.set()

    thread = threading.Thread(target=consume)
    thread.start()
    with log.producer() as producer:
        producer.send(name, b"1")
        producer.send(name, b"2").result(timeout=60)
    assert got_two.wait(60)
    consumer.close()
    thread.join(60)
    assert not thread.is_alive()
    assert seen == [b"1", b"2"]
    with pytest.raises(errors.Closed):
        consumer.poll(0)


def test_wakeup_ends_a_poll(log, name):
    log.create_topic(name)
    with log.consumer(name) as consumer:
        timer = threading.Timer(0.3, consumer.wakeup)
        timer.start()
        began = time.monotonic()
        assert consumer.poll(60) == []
        assert time.monotonic() - began < 40
        timer.join()


def test_one_thread_at_a_time(log, name):
    log.create_topic(name)
    with log.consumer(name) as consumer:
        thread = threading.Thread(target=consumer.poll, args=(3.0,))
        thread.start()
        time.sleep(0.5)
        with pytest.raises(errors.ConcurrentAccess):
            consumer.poll(0)
        consumer.wakeup()
        thread.join()


def test_a_pattern_takes_in_new_topics(log, name):
    log.create_topic(f"{name}-a")
    with log.consumer(re.compile(rf"{name}-.*"), auto_offset_reset="earliest") as consumer:
        assert consumer.subscription() == {f"{name}-a"}
        log.create_topic(f"{name}-b")
        log.partition(f"{name}-b", 0).append(b"late")
        assert [r.topic for r in drain(consumer, 1)] == [f"{name}-b"]


def test_partitions_that_are_added_are_read(log, filled):
    with log.consumer(filled, auto_offset_reset="earliest") as consumer:
        drain(consumer, 200)
        log.alter_topic(filled, partitions=3)
        log.partition(filled, 2).append(b"there")
        assert [r.value for r in drain(consumer, 1)] == [b"there"]


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (errors.UnknownConfig, {"auto_offset": "earliest"}),
        (errors.InvalidConfig, {"auto_offset_reset": "first"}),
        (errors.InvalidConfig, {"group_instance_id": "i"}),
        (errors.InvalidConfig, {"bootstrap_servers": "h:1"}),
    ],
)
def test_options_that_cannot_be(log, kind, options):
    with pytest.raises(kind):
        log.consumer(**options)
