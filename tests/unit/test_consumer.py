"""One consumer, alone or in a group: positions, polling, iterating, commits, listeners."""

from __future__ import annotations

import re
import threading
import time

import pytest

import logflume
from logflume import OffsetAndMetadata, TopicPartition, errors


@pytest.fixture
def log(tmp_path):
    with logflume.open(tmp_path / "data") as opened:
        opened.create_topic("t", partitions=2)
        with opened.producer(acks=1) as producer:
            for number in range(2):
                producer.send_many(
                    "t",
                    [b"%d-%d" % (number, i) for i in range(100)],
                    partition=number,
                    timestamps=[1_000_000 + i for i in range(100)],
                )
        yield opened


def drain(consumer, count, timeout=60.0):
    records = []
    deadline = time.monotonic() + timeout
    while len(records) < count:
        assert time.monotonic() < deadline, f"{len(records)} of {count}"
        records += consumer.poll(0.05)
    return records


def numbers(records):
    return sorted((record.partition, record.offset) for record in records)


def test_reset_policies(log):
    with log.consumer("t", auto_offset_reset="earliest") as consumer:
        assert len(drain(consumer, 200)) == 200
    with log.consumer("t", auto_offset_reset="latest") as consumer:
        assert consumer.poll(0.05) == []
        log.partition("t", 1).append(b"new")
        assert [r.value for r in consumer.poll(5.0)] == [b"new"]
    nowhere = log.consumer("t", auto_offset_reset="none")
    with nowhere, pytest.raises(errors.NoOffsetForPartition):
        nowhere.poll()


def test_without_a_policy_who_seeks_begins_there(log):
    with log.consumer(group="g", auto_offset_reset="none") as consumer:
        consumer.assign([("t", 0), ("t", 1)])
        for call in (consumer.poll, lambda: consumer.position("t", 0)):
            with pytest.raises(errors.NoOffsetForPartition, match="t-0"):
                call()
        consumer.seek("t", 0, 95)
        consumer.commit()
        assert consumer.committed("t", 0) == 95
        assert consumer.committed("t", 1) is None
        assert consumer.lag() == {("t", 0): 5}
        consumer.seek("t", 1, 98)
        assert numbers(drain(consumer, 7)) == [*((0, i) for i in range(95, 100)), (1, 98), (1, 99)]


def test_order_within_a_partition_and_max_records(log):
    with log.consumer("t", auto_offset_reset="earliest", max_poll_records=7) as consumer:
        seen = {0: [], 1: []}
        while sum(map(len, seen.values())) < 200:
            records = consumer.poll(1.0)
            assert 0 < len(records) <= 7
            for record in records:
                seen[record.partition].append(record.offset)
        assert seen == {0: list(range(100)), 1: list(range(100))}


def test_seeks(log):
    with log.consumer(auto_offset_reset="earliest") as consumer:
        consumer.assign([("t", 0), ("t", 1)])
        consumer.seek("t", 0, 42)
        assert consumer.position("t", 0) == 42
        consumer.seek(("t", 1), offset=99)
        assert drain(consumer, 59)[0].value in (b"0-42", b"1-99")
        consumer.seek_to_beginning(("t", 0))
        assert consumer.position(("t", 0)) == 0
        consumer.seek_to_end()
        assert consumer.lag() == {("t", 0): 0, ("t", 1): 0}
        consumer.seek_to_time(1_000_090)
        assert consumer.position("t", 1) == 90
        consumer.seek_to_time(2_000_000)
        assert consumer.position("t", 1) == 100
        with pytest.raises(errors.UnknownTopicOrPartition):
            consumer.seek("t", 7, 0)
        with pytest.raises(ValueError, match="negative"):
            consumer.seek("t", 0, -1)


def test_an_offset_that_retention_removed_is_met_by_the_policy(log):
    log.delete_records({("t", 0): 50})
    with log.consumer(auto_offset_reset="earliest") as consumer:
        consumer.assign([("t", 0)])
        consumer.seek("t", 0, 10)
        assert consumer.poll(1.0)[0].offset == 50
    with log.consumer(auto_offset_reset="none", group="g") as consumer:
        consumer.commit({("t", 0): 10})
        consumer.assign([("t", 0)])
        with pytest.raises(errors.OffsetOutOfRange):
            consumer.poll(1.0)


def test_pause_and_resume(log):
    with log.consumer("t", auto_offset_reset="earliest") as consumer:
        consumer.pause(("t", 0))
        assert {r.partition for r in drain(consumer, 100)} == {1}
        assert consumer.poll(0.02) == []
        assert consumer.paused() == {("t", 0)}
        consumer.resume(("t", 0))
        assert {r.partition for r in drain(consumer, 100)} == {0}


def test_iteration_gives_back_what_it_fetched_ahead(log):
    with log.consumer(auto_offset_reset="earliest") as consumer:
        consumer.assign([("t", 0)])
        for seen, _ in enumerate(consumer, 1):
            if seen == 10:
                break
        assert consumer.position("t", 0) == 10
        assert consumer.lag() == {("t", 0): 90}
        assert consumer.poll(1.0, max_records=1)[0].offset == 10
        for record in consumer:
            assert record.offset == 11
            break


def test_times_and_bounds(log):
    with log.consumer("t") as consumer:
        places = [("t", 0), TopicPartition("t", 1)]
        assert consumer.beginning_offsets(places) == dict.fromkeys(places, 0)
        assert consumer.end_offsets(places) == dict.fromkeys(places, 100)
        found = consumer.offsets_for_times({("t", 0): 1_000_050, ("t", 1): 9_000_000})
        assert (found["t", 0].offset, found["t", 0].timestamp) == (50, 1_000_050)
        assert found["t", 1] is None


def test_commits_belong_to_the_group_and_outlive_the_log(log):
    with log.consumer("t", group="g", auto_offset_reset="earliest", enable_auto_commit=False) as c:
        drain(c, 200)
        assert c.committed("t", 0) is None
        c.commit()
        assert (c.committed("t", 0), c.committed(("t", 1))) == (100, 100)
        c.commit({("t", 0): OffsetAndMetadata(7, "note")}, wait=False)
        assert c.committed("t", 0) == 7
        with pytest.raises(errors.CommitFailed):
            c.commit({("t", 0): OffsetAndMetadata(7, "x" * 5000)})
    path = log.path
    log.close()
    with (
        logflume.open(path) as again,
        again.consumer("t", group="g", auto_offset_reset="none") as c,
    ):
        assert [r.offset for r in drain(c, 93)] == list(range(7, 100))


def test_without_a_group_there_is_nothing_to_commit_to(log):
    with log.consumer("t") as consumer, pytest.raises(errors.InvalidGroup):
        consumer.commit()


def test_automatic_commit_at_close(log):
    with log.consumer("t", group="g", auto_offset_reset="earliest") as consumer:
        drain(consumer, 200)
    with log.consumer("t", group="g", auto_offset_reset="earliest") as consumer:
        assert consumer.poll(0.1) == []
        assert consumer.committed("t", 1) == 100


def test_iteration_commits_only_what_was_handed_out(log):
    with log.consumer("t", group="g", auto_offset_reset="earliest") as consumer:
        for seen, _ in enumerate(consumer, 1):
            if seen == 10:
                break
    with log.consumer("t", group="g", auto_offset_reset="none") as consumer:
        assert consumer.committed("t", 0) == 10


def test_members_share_partitions_and_listeners_hear_of_it(log):
    events = []

    def listeners(name):
        return {
            "on_assigned": lambda ps: events.append(
                (name, "assigned", sorted(p.partition for p in ps))
            ),
            "on_revoked": lambda ps: events.append(
                (name, "revoked", sorted(p.partition for p in ps))
            ),
        }

    config = {"group": "g", "auto_offset_reset": "earliest", "enable_auto_commit": False}
    with log.consumer(**config) as one, log.consumer(**config) as two:
        one.subscribe("t", **listeners("one"))
        one.poll(0.1)
        assert one.assignment() == {("t", 0), ("t", 1)}
        two.subscribe("t", **listeners("two"))
        deadline = time.monotonic() + 60
        while len(two.assignment()) != 1 or len(one.assignment()) != 1:
            one.poll(0.01)
            two.poll(0.01)
            assert time.monotonic() < deadline
        assert one.assignment() | two.assignment() == {("t", 0), ("t", 1)}
        one.close()
        while len(two.assignment()) != 2:
            two.poll(0.01)
            assert time.monotonic() < deadline
    assert events[0] == ("one", "assigned", [0, 1])
    assert ("one", "revoked", [1]) in events
    assert ("two", "assigned", [1]) in events
    assert ("two", "assigned", [0]) in events


def test_a_seek_takes_no_partition_away(log):
    """Back to what was not done, after a failure: what is assigned can be sought until the next poll."""
    config = {"group": "g", "auto_offset_reset": "earliest", "enable_auto_commit": False}
    with log.consumer("t", **config) as first:
        drain(first, 10)
        before = first.assignment()
        with log.consumer("t", **config):
            for place in sorted(before):
                first.seek(place, offset=1)
            first.seek_to_beginning(*before)
            assert first.assignment() == before
            assert {first.position(place) for place in before} == {0}
            first.poll()
            assert len(first.assignment()) == 1


def test_a_commit_for_a_partition_that_went_away_fails(log):
    config = {"group": "g", "auto_offset_reset": "earliest", "enable_auto_commit": False}
    with log.consumer("t", **config) as one:
        one.poll(0.1)
        with log.consumer("t", **config) as two:
            deadline = time.monotonic() + 60
            while len(two.assignment()) != 1:
                one.poll(0.01)
                two.poll(0.01)
                assert time.monotonic() < deadline
            (gone,) = two.assignment()
            with pytest.raises(errors.CommitFailed):
                one.commit({gone: 5})


def test_static_member_with_a_living_twin_is_fenced(log):
    with log.consumer("t", group="g", group_instance_id="a") as one:
        one.poll(0.05)
        with pytest.raises(errors.FencedInstance):
            log.consumer("t", group="g", group_instance_id="a")


def test_pattern_subscription_finds_new_topics(log):
    with log.consumer(re.compile(r"new-.*"), auto_offset_reset="earliest") as consumer:
        assert consumer.poll(0.05) == []
        log.create_topic("new-one")
        log.partition("new-one", 0).append(b"x")
        assert [r.value for r in drain(consumer, 1)] == [b"x"]
        assert consumer.subscription() == {"new-one"}


def test_added_partitions_are_read(log):
    with log.consumer("t", auto_offset_reset="earliest") as consumer:
        drain(consumer, 200)
        log.alter_topic("t", partitions=3)
        log.partition("t", 2).append(b"x")
        assert [r.partition for r in drain(consumer, 1)] == [2]


def test_unknown_topic_and_bad_arguments(log):
    with pytest.raises(errors.UnknownTopicOrPartition):
        log.consumer("nope")
    with pytest.raises(errors.UnknownConfig, match=r"auto\.offset\.reset"):
        log.consumer("t", auto_offset_rest="earliest")
    with log.consumer() as consumer:
        with pytest.raises(errors.UnknownTopicOrPartition):
            consumer.assign([("t", 9)])
        with pytest.raises(TypeError):
            consumer.subscribe()
        with pytest.raises(TypeError):
            consumer.position("t")


def test_a_second_thread_is_refused_but_may_wake_and_close(log):
    consumer = log.consumer("t")
    started = threading.Event()
    results = []

    def poll():
        started.set()
        results.append(consumer.poll(30.0))
        results.append(consumer.poll(30.0))

    thread = threading.Thread(target=poll)
    thread.start()
    started.wait(60)
    time.sleep(0.1)
    with pytest.raises(errors.ConcurrentAccess):
        consumer.poll()
    consumer.wakeup()
    while not results:
        time.sleep(0.001)
    consumer.close()
    thread.join(60)
    assert not thread.is_alive()
    assert results[0] == []
    with pytest.raises(errors.Closed):
        consumer.poll()


def test_a_reader_gets_lingering_records_of_its_own_process_at_once(log):
    with (
        log.producer(linger_ms=60_000) as producer,
        log.consumer("t", auto_offset_reset="latest") as consumer,
    ):
        producer.send("t", b"lingering")
        assert [r.value for r in consumer.poll(10.0)] == [b"lingering"]


def test_commits_go_with_their_topic(log):
    with log.consumer("t", group="g", auto_offset_reset="earliest") as consumer:
        drain(consumer, 200)
    log.delete_topic("t")
    log.create_topic("t")
    with log.consumer("t", group="g", auto_offset_reset="earliest") as consumer:
        assert consumer.committed("t", 0) is None


def test_a_position_behind_the_end_is_out_of_range(log):
    """After a power loss the log may end before what was committed; Kafka resets such a position too."""
    with log.consumer(auto_offset_reset="earliest") as consumer:
        consumer.assign([("t", 0)])
        consumer.seek("t", 0, 120)
        assert drain(consumer, 100)[0].offset == 0
    with log.consumer(group="g", auto_offset_reset="none") as consumer:
        consumer.commit({("t", 0): 120})
        consumer.assign([("t", 0)])
        with pytest.raises(errors.OffsetOutOfRange):
            consumer.poll(0.1)


def test_a_durable_commit_never_outlives_the_records_it_covers(log):
    with log.consumer(
        "t", group="g", auto_offset_reset="earliest", enable_auto_commit=False
    ) as consumer:
        drain(consumer, 200)
        consumer.commit(wait=False)
        assert log.partition("t", 0).durable_offset < 100
        consumer.commit()
        assert [p.durable_offset for p in log["t"]] == [100, 100]


def test_an_exception_leaving_the_block_does_not_commit_what_failed(log):
    def process():
        with log.consumer("t", group="g", auto_offset_reset="earliest") as consumer:
            drain(consumer, 200)
            raise RuntimeError("processing failed")

    with pytest.raises(RuntimeError):
        process()
    with log.consumer("t", group="g", auto_offset_reset="earliest") as consumer:
        assert len(drain(consumer, 200)) == 200


def test_numbers_of_numpy_are_numbers(log):
    import numpy as np

    with log.consumer("t", group="g", auto_offset_reset="earliest") as consumer:
        batch = consumer.poll_batch(60.0)
        number, offset = batch.partitions[-1], batch.offsets[-1]
        assert type(number) is np.int32
        where = ("t", int(number))
        consumer.seek("t", number, offset)
        assert consumer.position("t", number) == offset
        consumer.seek(("t", number), offset=np.int64(3))
        consumer.commit({("t", number): offset + 1})
        assert consumer.committed("t", number) == offset + 1
        consumer.pause(("t", number))
        assert consumer.paused() == {where}
        assert consumer.end_offsets([("t", number)]) == {where: 100}
        assert consumer.offsets_for_times({("t", number): np.int64(1_000_007)})[where].offset == 7
    assert len(log.create_topic("n", partitions=np.int64(3))) == 3
    assert len(log.alter_topic("n", partitions=np.int64(4))) == 4


def test_a_fraction_is_no_offset_and_no_partition(log):
    partition = log.partition("t", 0)
    with log.consumer("t", auto_offset_reset="earliest") as consumer, log.producer() as producer:
        for call in (
            lambda: partition.read(1.5),
            lambda: partition.read_batch(1.0),
            lambda: partition.lookup([1.5]),
            lambda: partition.lookup(["1"]),
            lambda: partition.offset_for_time(1.5),
            lambda: consumer.seek("t", 0, 1.5),
            lambda: consumer.seek("t", 0.5, 1),
            lambda: producer.send("t", b"v", partition=0.5),
            lambda: log.partition("t", 0.5),
        ):
            with pytest.raises(TypeError):
                call()
        assert consumer.position("t", 0) == 0
    assert partition.lookup([]).offsets.tolist() == []


def test_as_many_as_there_are(log):
    import sys

    with log.consumer("t", auto_offset_reset="earliest") as consumer:
        assert len(consumer.poll(60.0, sys.maxsize)) == 200
        consumer.seek_to_beginning()
        assert len(consumer.poll_batch(60.0, sys.maxsize)) == 200
    partition = log.partition("t", 0)
    assert len(partition.read_batch(0, sys.maxsize, sys.maxsize)) == 100
    assert len(partition.reader().read(sys.maxsize, sys.maxsize)) == 100


def test_a_poll_without_a_timeout_waits_without_end(log):
    with log.consumer("t") as consumer:
        consumer.poll()
        threading.Timer(0.05, log.partition("t", 1).append, (b"late",)).start()
        assert [record.value for record in consumer.poll(None)] == [b"late"]
        threading.Timer(0.05, consumer.wakeup).start()
        assert consumer.poll_batch(timeout=None) is None
    assert log.partition("t", 0).wait(0)


def test_a_segment_that_was_taken_away_is_no_endless_poll(tmp_path):
    def made():
        with logflume.open(tmp_path / "data") as log:
            partition = log.create_topic("t", config={"segment.bytes": 1024})[0]
            for number in range(50):
                partition.append(b"%d" % number * 50)
            return partition.segments()

    first, second, *_ = made()
    (tmp_path / "data/t-0/00000000000000000000.log").unlink()
    with logflume.open(tmp_path / "data") as log:
        assert log.partition("t", 0).start_offset == first.end_offset == second.base_offset
        with log.consumer("t", auto_offset_reset="earliest") as consumer:
            records = drain(consumer, 50 - first.end_offset)
            assert [record.offset for record in records] == list(range(first.end_offset, 50))
