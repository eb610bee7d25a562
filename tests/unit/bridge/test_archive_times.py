"""A restore to a time: transactions whole or not at all, groups as they were, producers apart."""

from __future__ import annotations

import random

import pytest

import logflume
from logflume import bridge, errors
from logflume._native.batches import encode_batch

START_MS = 1_700_000_000_000


def committed(log: logflume.Log, topic: str, number: int = 0) -> list[bytes | None]:
    with log.consumer(auto_offset_reset="earliest", isolation_level="read_committed") as consumer:
        consumer.assign([(topic, number)])
        found = []
        while records := consumer.poll(0.1):
            found += [record.value for record in records]
        return found


def test_records_before_a_time(source, target, store):
    source.create_topic("t", config={"compression.type": "zstd", "retention.ms": -1})
    partition = source.partition("t", 0)
    for first in range(0, 100, 10):
        times = list(range(START_MS + first, START_MS + first + 10))
        partition.append_many([b"%d" % t for t in times], timestamps=times)
    archive = bridge.open_archive(store)
    bridge.mirror(source, archive)
    for count in (37, 40, 99):
        bridge.mirror(archive, target, until=START_MS + count)
        assert target.partition("t", 0).end_offset == count
        assert bridge.compare(archive, target, "t") == count
    with pytest.raises(errors.CopyDiffers):
        bridge.mirror(archive, target, until=START_MS + 98)
    bridge.mirror(archive, target)
    assert bridge.compare(source, target, "t") == 100


def test_before_all_and_behind_all(source, target, store):
    source.create_topic("t", config={"retention.ms": -1})
    source.partition("t", 0).append_many([b"x"] * 10, timestamps=[START_MS] * 10)
    archive = bridge.open_archive(store)
    bridge.mirror(source, archive)
    bridge.mirror(archive, target, until=START_MS)
    assert target.partition("t", 0).end_offset == 0
    bridge.mirror(archive, target, until=START_MS + 1)
    assert target.partition("t", 0).end_offset == 10


def test_transactions_are_restored_whole(source, target, store):
    """Out of each run of transactions over two topics and a group's offsets, a restore to any time has a prefix."""
    for name in ("in", "out", "audit"):
        source.create_topic(name, config={"retention.ms": -1})
    stamps: list[int] = []
    with (
        source.producer(transactional_id="x") as producer,
        source.consumer(
            "in", group="g", auto_offset_reset="earliest", enable_auto_commit=False
        ) as consumer,
    ):
        for i in range(30):
            source.partition("in", 0).append(b"%d" % i)
            (record,) = consumer.poll(5)
            if i % 7 == 3:
                transaction = producer.transaction()
                producer.send("out", b"never").result(60)
                transaction.abort()
            with producer.transaction():
                producer.send("out", record.value)
                producer.send("audit", record.value)
                producer.send_offsets(consumer)
            source.partition("audit", 0).append(b"between")
            stamps.append(source.partition("audit", 0).read_batch(0)[-1].timestamp)
            import time

            time.sleep(0.002)
    archive = bridge.open_archive(store)
    bridge.mirror(source, archive)
    seed = random.randrange(1 << 30)
    print("seed", seed)
    chosen = random.Random(seed)
    for until in sorted(chosen.sample(range(stamps[0], stamps[-1] + 2), 6)):
        bridge.mirror(archive, target, until=until)
        check_prefix(archive, target)
    bridge.mirror(archive, target)
    assert committed(target, "out") == [b"%d" % i for i in range(30)]


def check_prefix(archive, target) -> None:
    """What the engine of the target says of it, once what is open there is aborted by those who wait for it."""
    import tempfile

    with tempfile.TemporaryDirectory() as path, logflume.open(path) as copy:
        bridge.mirror(target, copy, target.topics())
        bridge.copy_groups(target, copy, target.topics())
        abort_open(copy)
        out = committed(copy, "out")
        audit = [value for value in committed(copy, "audit") if value != b"between"]
        assert out == audit == [b"%d" % i for i in range(len(out))]
        with copy.consumer(group="g", enable_auto_commit=False) as consumer:
            assert (consumer.committed("in", 0) or 0) == len(out)


def abort_open(log: logflume.Log) -> None:
    for topic in log.topics():
        for partition in log[topic]:
            for open_ in partition.open_transactions():
                with log.engine.coordinator.room.locked():
                    log.engine.coordinator.room.mark(
                        [partition], open_.producer_id, open_.epoch, commit=False
                    )


def marker(producer_id: int, at: int, offset: int) -> bytes:
    """A commit marker, as a coordinator writes it."""
    return encode_batch(
        [(b"\0\0\0\0\0\0", b"\0\0\0\1", None, at)],
        base_offset=offset,
        producer_id=producer_id,
        producer_epoch=0,
        transactional=True,
        control=True,
    )


def part(producer_id: int, at: int, offset: int, value: bytes) -> bytes:
    return encode_batch(
        [(value, None, None, at)],
        base_offset=offset,
        producer_id=producer_id,
        producer_epoch=0,
        base_sequence=0,
        transactional=True,
    )


def test_times_out_of_order_split_no_transaction(source, target, store):
    """In one partition a record of the future stands before the marker: the transaction is open in both."""
    late = START_MS + 1_000_000
    for name in ("a", "b"):
        source.create_topic(name, config={"retention.ms": -1})
    for name, between in (("a", START_MS), ("b", late)):
        partition = source.partition(name, 0)
        partition.append_at(part(5, START_MS, 0, b"in transaction"), 0)
        partition.append(b"between", timestamp=between)
        partition.append_at(marker(5, START_MS + 1, 2), 2)
        partition.append(b"after", timestamp=START_MS + 2)
    archive = bridge.open_archive(store)
    bridge.mirror(source, archive)
    bridge.mirror(archive, target, until=START_MS + 10)
    assert target.partition("b", 0).end_offset == 1  # before the record of the future
    assert target.partition("a", 0).end_offset == 2  # and here before the marker
    assert committed(target, "a") == [b"between"]  # settled at once: it began long ago
    assert committed(target, "b") == []


def test_producers_of_the_copy_are_others(source, target, store):
    source.create_topic("t", config={"retention.ms": -1})
    with source.producer() as producer:
        producer.send_many("t", [b"a"] * 10)
    archive = bridge.open_archive(store)
    bridge.mirror(source, archive)
    bridge.mirror(archive, target)
    (old,) = target.partition("t", 0).producers()
    assert old == source.partition("t", 0).producers()[0]
    with target.producer() as producer:
        assert [producer.send("t", b"b").result(60).offset for _ in range(3)] == [10, 11, 12]
    assert {p.producer_id for p in target.partition("t", 0).producers()} > {old.producer_id}


def test_a_mirrored_directory_takes_new_producers_too(source, target):
    source.create_topic("t")
    with source.producer() as producer:
        producer.send_many("t", [b"a"] * 10)
    bridge.mirror(source, target)
    with target.producer() as producer:
        assert [producer.send("t", b"b").result(60).offset for _ in range(3)] == [10, 11, 12]


def test_holes_that_compaction_left_stay_holes(source, target):
    source.create_topic("t", config={"cleanup.policy": "compact", "min.cleanable.dirty.ratio": 0})
    with source.producer(transactional_id="x") as producer:
        for i in range(20):
            with producer.transaction():
                producer.send("t", b"%d" % i, key=b"%d" % (i % 4))
    source.partition("t", 0).roll()
    source.partition("t", 0).append(b"last", key=b"l")
    source.compact("t", force=True)
    bridge.mirror(source, target)
    there = [(r.offset, r.value) for r in target.partition("t", 0).read_batch(0)]
    assert there == [(r.offset, r.value) for r in source.partition("t", 0).read_batch(0)]
    assert bridge.compare(source, target, "t") == 5
