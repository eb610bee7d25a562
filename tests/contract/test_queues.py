"""Queues (share groups): several workers on one partition, each record answered by itself, on both engines."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest

import logflume
from logflume import aio, errors
from logflume.types import TopicPartition
from support import kafka_peer

LONG = 90.0  # a group of a busy cluster takes its time


def fill(log: logflume.Log, topic: str, count: int = 20, partitions: int = 1) -> None:
    log.create_topic(topic, partitions=partitions)
    for number in range(partitions):
        log.partition(topic, number).append_many([b"%d" % i for i in range(count)])


def opened(log: logflume.Log, topic: str, **options: object) -> logflume.Queue:
    return log.queue(topic, group=f"g-{topic}", share_auto_offset_reset="earliest", **options)


def some(queue: logflume.Queue, count: int = 1, **options: int) -> list[logflume.QueueRecord]:
    """The next records, `count` at least, each poll's accepted by the next where nothing else is said."""
    found: list[logflume.QueueRecord] = []
    deadline = time.monotonic() + LONG
    while len(found) < count:
        assert time.monotonic() < deadline, f"{len(found)} of {count}"
        found += queue.poll(0.5, **options)
    return found


def nothing(queue: logflume.Queue) -> None:
    """There is none any more."""
    until = time.monotonic() + 1.0
    while time.monotonic() < until:
        assert queue.poll(0.2) == []


@pytest.fixture
def queue(log, name) -> Iterator[logflume.Queue]:
    """Of a topic with twenty records."""
    fill(log, name)
    with opened(log, name) as made:
        yield made


def test_records_are_records_with_a_count(log, name):
    log.create_topic(name)
    with log.producer() as producer:
        producer.send(name, b"v", key=b"k", headers=[("h", b"x"), ("n", None)], timestamp=5)
        producer.send(name, None, timestamp=6)
        producer.send(name, b"", key=b"", timestamp=7)
    with opened(log, name) as queue:
        first, second, third = some(queue, 3)
        assert isinstance(first, logflume.QueueRecord)
        assert (first.topic, first.partition, first.offset, first.timestamp) == (name, 0, 0, 5)
        assert (first.key, first.value) == (b"k", b"v")
        assert first.headers == [("h", b"x"), ("n", None)]
        assert (second.key, second.value, second.headers) == (None, None, [])
        assert (third.key, third.value) == (b"", b"")
        assert [r.delivery_count for r in (first, second, third)] == [1, 1, 1]
        assert first != second


def test_a_program_that_reads_until_nothing_is_left_reads_all(log, name):
    fill(log, name, 300, partitions=3)
    with opened(log, name) as queue:
        found = []
        while records := queue.poll(1.0):
            found += records
    assert sorted((r.partition, r.offset) for r in found) == [
        (number, offset) for number in range(3) for offset in range(300)
    ]


def test_what_is_released_comes_again_what_is_rejected_does_not(queue):
    for record in some(queue, 20):
        if record.offset % 4 == 1:
            queue.release(record)
        elif record.offset % 4 == 2:
            queue.reject(record)
        elif record.offset % 4 == 3:
            queue.accept(record)
    again = some(queue, 5)
    assert [(r.offset, r.delivery_count) for r in again] == [(o, 2) for o in range(1, 20, 4)]
    queue.commit()
    nothing(queue)


def test_a_poll_returns_no_more_than_it_is_asked_for(queue):
    found = []
    while len(found) < 20:
        records = some(queue, 1, max_records=3)
        assert len(records) <= 3
        found += records
    assert [r.offset for r in found] == list(range(20))
    nothing(queue)


def test_a_commit_accepts_and_says_so(log, name):
    told: list[tuple[TopicPartition, object]] = []
    fill(log, name)
    with opened(log, name, on_acknowledged=lambda *told_: told.append(told_)) as queue:
        records = some(queue, 20)
        queue.commit()
        assert (TopicPartition(name, 0), None) in told
        with pytest.raises(errors.InvalidRecordState):
            queue.release(records[0])
        queue.commit()
    with opened(log, name) as queue:
        nothing(queue)


def test_explicit_answers_are_asked_for(log, name):
    fill(log, name)
    with opened(log, name, acknowledgement="explicit") as queue:
        records = some(queue, 20)
        for record in records[:-1]:
            queue.accept(record)
        with pytest.raises(errors.UnansweredRecords):
            queue.poll(0.1)
        queue.release(records[-1])
        queue.accept(records[-1])
        queue.commit()
        nothing(queue)


def test_what_was_not_answered_goes_to_others_when_a_queue_is_closed(log, name):
    fill(log, name)
    with opened(log, name) as queue:
        for record in some(queue, 20)[:5]:
            queue.accept(record)
    with opened(log, name) as queue:
        again = some(queue, 15)
        assert [r.offset for r in again] == list(range(5, 20))


def test_two_workers_share_one_partition(log, name):
    fill(log, name, 0)
    partition = log.partition(name, 0)
    with opened(log, name) as first, opened(log, name) as second:
        found: list[list[int]] = [[], []]
        deadline = time.monotonic() + LONG
        written = 0
        while not all(found) or sum(map(len, found)) < written:
            assert time.monotonic() < deadline, found
            if not all(found):
                partition.append_many([b"x"] * 5)
                written += 5
            for queue, offsets in zip((first, second), found):
                offsets += [r.offset for r in queue.poll(0.2, max_records=1)]
        assert sorted(found[0] + found[1]) == list(range(written))


def test_a_lock_that_runs_out(log, name):
    told: list[object] = []
    fill(log, name, 3)
    with opened(
        log, name, share_record_lock_duration_ms=1000,
        on_acknowledged=lambda where, error: told.append(error),
    ) as queue:  # fmt: skip
        records = some(queue, 3)
        time.sleep(3)
        queue.accept(records[0])
        with pytest.raises(errors.AcknowledgeFailed) as caught:
            queue.commit()
        error = caught.value.errors[TopicPartition(name, 0)]
        assert isinstance(error, errors.InvalidRecordState)
        assert error.code == 121
        again = some(queue, 3)
        assert [r.offset for r in again] == [0, 1, 2]
        assert all(r.delivery_count >= 2 for r in again)


def test_iterating_until_another_thread_closes(log, name):
    fill(log, name, 50)
    queue = opened(log, name)
    seen = []
    timer = threading.Timer(LONG, queue.close)
    timer.start()
    try:
        for record in queue:
            seen.append(record.offset)
            if len(seen) == 50:
                threading.Timer(0.5, queue.close).start()
    finally:
        timer.cancel()
        queue.close()
    assert seen == list(range(50))
    assert queue.closed
    with pytest.raises(errors.Closed):
        queue.poll()


def test_a_wakeup_ends_a_poll(queue):
    some(queue, 20)
    queue.commit()
    threading.Timer(0.3, queue.wakeup).start()
    assert queue.poll(LONG) == []


def test_a_new_group_begins_at_the_end_unless_told(log, name):
    fill(log, name)
    with log.queue(name, group=f"late-{name}") as queue:
        assert queue.poll(0.1) == []
        log.partition(name, 0).append(b"new")
        assert [r.value for r in some(queue)] == [b"new"]


def test_topics_that_are_not_there(log, name):
    with pytest.raises(errors.UnknownTopicOrPartition):
        log.queue(name, group="g")
    with pytest.raises(errors.InvalidConfig):
        log.queue(name, group="g", acknowledgement="sometimes")
    with pytest.raises(errors.UnknownConfig):
        log.queue(name, group="g", share_auto_offset="earliest")


def test_a_log_closes_its_queues(address, name):
    with logflume.open(address) as log:
        fill(log, name)
        queue = opened(log, name)
        some(queue)
    assert queue.closed


def test_awaited(address, name):
    async def main() -> list[int]:
        async with aio.open(address) as log:
            await log.create_topic(name)
            await log.partition(name, 0).append_many([b"%d" % i for i in range(20)])
            options = {"group": f"g-{name}", "share_auto_offset_reset": "earliest"}
            async with log.queue(name, **options) as queue:
                found = []
                while records := await queue.poll(1.0):
                    found += [record.offset for record in records]
                    if records[0].delivery_count == 1:
                        await queue.release(records[0])
                await queue.commit()
            async with log.queue(name, **options) as queue:
                await log.partition(name, 0).append(b"last")
                async for record in queue:
                    await queue.accept(record)
                    return [*found, record.offset]
        raise AssertionError

    found = asyncio.run(asyncio.wait_for(main(), LONG))
    assert found == [*range(20), 0, 20]


@pytest.fixture(scope="module")
def without_share_groups(tmp_path_factory) -> Iterator[str]:
    """The address of a cluster where they are switched off."""
    pytest.importorskip("confluent_kafka")
    broker = kafka_peer.Broker(tmp_path_factory.mktemp("without-share-groups"))
    try:
        address = broker.up()
        kafka_peer.run(
            "tool", "kafka-features", "--bootstrap-server", address, "downgrade", "--feature", "share.version=0",
        )  # fmt: skip
        yield f"kafka://{address}"
    finally:
        broker.down(wipe=True)


@pytest.mark.peers
def test_a_cluster_without_share_groups_says_so(without_share_groups, name, monkeypatch):
    with logflume.open(without_share_groups) as log:
        log.create_topic(name)
        with (
            log.queue(name, group="g") as queue,
            pytest.raises(errors.UnsupportedByEngine) as caught,
        ):
            some(queue)  # it comes with the group's first answer
        assert "share.version" in str(caught.value)
        assert log.engine.offers(0)
        assert not log.engine.offers(1234)
    # An older one does not even know the request.
    monkeypatch.setattr("logflume.client.cluster.queueing._SHARE_GROUP_HEARTBEAT", 1234)
    with logflume.open(without_share_groups) as log:
        with pytest.raises(errors.UnsupportedByEngine) as caught:
            log.queue(name, group="g")
        assert "share.version" in str(caught.value)


@pytest.mark.peers
def test_a_group_of_another_kind_is_refused(kafka, name):
    with logflume.open(kafka) as log:
        fill(log, name)
        with log.consumer(name, group=f"g-{name}", auto_offset_reset="earliest") as consumer:
            assert consumer.poll(LONG)
            with log.queue(name, group=f"g-{name}") as queue, pytest.raises(errors.InvalidGroup):
                some(queue)


def test_a_lock_is_renewed_or_that_is_refused(queue, log):
    (record, *_) = some(queue)
    if log.engine.is_remote:
        with pytest.raises(errors.UnsupportedByEngine) as caught:
            queue.renew(record)
        assert "lock" in str(caught.value)
    else:
        queue.renew(record)
        queue.commit()
        queue.accept(record)
    queue.commit()
