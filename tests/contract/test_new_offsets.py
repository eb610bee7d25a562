"""Copies into a cluster of what has gaps: new offsets, noted; and between two logs with transactions."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time

import pytest

import logflume
from logflume import bridge, errors
from logflume.bridge.offset_map import MAP_TOPIC

pytestmark = pytest.mark.peers


@pytest.fixture
def source(tmp_path):
    with logflume.open(tmp_path / "source") as log:
        yield log


@pytest.fixture
def cluster(kafka):
    with logflume.open(kafka) as log:
        yield log


def fill(log: logflume.Log, topic: str, rounds: int = 20) -> None:
    """Committed and aborted transactions, plain records, records deleted at the start, compacted holes."""
    config = {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": 0}
    log.create_topic(topic, partitions=2, config=config)
    with log.producer(transactional_id=f"tx-{topic}") as producer:
        for i in range(rounds):
            transaction = producer.transaction()
            for number in range(2):
                producer.send(
                    topic, b"%d" % i, key=b"%d" % (i % 13), partition=number, headers=[("h", b"v")]
                )
            (transaction.abort if i % 5 == 2 else transaction.commit)()
            for number in range(2):
                log.partition(topic, number).append(b"plain %d" % i, key=b"p%d" % (i % 7))
    log.delete_records({(topic, 0): 3})
    for partition in log[topic]:
        partition.roll()
        partition.append(b"last", key=b"l")
    log.compact(topic, force=True)


def committed(log: logflume.Log, topic: str, number: int) -> list[tuple]:
    partition = log.partition(topic, number)
    reader = partition.reader(read_committed=True)
    found = []
    while len(batch := reader.read()):
        found += [(r.timestamp, r.key, r.value, r.headers) for r in batch]
    return found


def test_transactions_and_holes_are_copied_once_with_offsets_noted(source, cluster, name):
    fill(source, name)
    with pytest.raises(errors.OffsetGap):
        bridge.mirror(source, cluster, [name])
    reports = bridge.mirror(source, cluster, [name], new_offsets=True)
    for number in range(2):
        assert committed(cluster, name, number) == committed(source, name, number)
    assert sum(r.records for r in reports) == sum(len(committed(source, name, n)) for n in (0, 1))
    source.partition(name, 1).append(b"later", key=b"z")
    assert sum(r.records for r in bridge.mirror(source, cluster, [name], new_offsets=True)) == 1
    assert committed(cluster, name, 1) == committed(source, name, 1)
    offsets = bridge.OffsetMap(cluster)
    assert bridge.compare(source, cluster, name, offsets=offsets) == sum(
        len(committed(source, name, n)) for n in (0, 1)
    )
    for record in source.partition(name, 0).read_batch(3, read_committed=True):
        there = cluster.partition(name, 0).read(offsets.translate((name, 0), record.offset))
        assert (there.key, there.value) == (record.key, record.value)


def test_groups_stand_at_the_same_records(source, cluster, name):
    fill(source, name)
    with source.consumer(
        name, group=f"g-{name}", auto_offset_reset="earliest", enable_auto_commit=False,
        isolation_level="read_committed",
    ) as consumer:  # fmt: skip
        read = consumer.poll(5, max_records=15)
        consumer.commit()
        rest = consumer.poll(5)
    report = bridge.promote(source, cluster, [name], new_offsets=True)
    assert report.groups == (f"g-{name}",)
    assert report.compared == len(read) + len(rest)
    with cluster.consumer(name, group=f"g-{name}", enable_auto_commit=False) as consumer:
        there = []
        while len(there) < len(rest):
            there += consumer.poll(20)
        assert sorted(r.value for r in there) == sorted(r.value for r in rest)


def test_a_copy_begun_at_the_same_offsets_goes_on_with_others(source, cluster, name):
    source.create_topic(name)
    source.partition(name, 0).append_many([b"%d" % i for i in range(50)])
    bridge.mirror(source, cluster, [name])
    with source.producer(transactional_id=f"tx-{name}") as producer:
        for i in range(5):
            with producer.transaction():
                producer.send(name, b"t%d" % i)
    source.partition(name, 0).append(b"end")
    with pytest.raises(errors.OffsetGap):
        bridge.mirror(source, cluster, [name])
    bridge.mirror(source, cluster, [name], new_offsets=True)
    assert committed(cluster, name, 0) == committed(source, name, 0)
    offsets = bridge.OffsetMap(cluster)
    assert [offsets.translate((name, 0), o) for o in (0, 49, 50, 51, 60)] == [0, 49, 50, 51, 55]


def test_somebody_else_is_noticed(source, cluster, name):
    fill(source, name)
    bridge.mirror(source, cluster, [name], new_offsets=True)
    cluster.partition(name, 0).append(b"not of the source", key=b"x")
    source.partition(name, 0).append(b"next", key=b"n")
    with pytest.raises(errors.CopyDiffers):
        bridge.mirror(source, cluster, [name], new_offsets=True)


def test_an_open_transaction_is_waited_for_by_nobody(source, cluster, name):
    source.create_topic(name)
    source.partition(name, 0).append(b"before")
    with source.producer(transactional_id=f"tx-{name}") as producer:
        transaction = producer.transaction()
        producer.send(name, b"open").result(60)
        started = time.monotonic()
        assert sum(r.records for r in bridge.mirror(source, cluster, [name])) == 1
        assert time.monotonic() - started < 30
        transaction.commit()
        assert sum(r.records for r in bridge.mirror(source, cluster, [name])) == 1
    assert [v for _, _, v, _ in committed(cluster, name, 0)] == [b"before", b"open"]


COPIER = """
import sys, logflume
from logflume import bridge
with logflume.open(sys.argv[1]) as source, logflume.open(sys.argv[2]) as target:
    bridge.mirror(source, target, [sys.argv[3]], new_offsets=True, follow=True)
"""


@pytest.mark.crash
def test_killed_at_any_moment_each_record_is_there_once(source, cluster, kafka, name):
    source.create_topic(name)
    partition = source.partition(name, 0)
    seed = random.randrange(1 << 30)
    print("seed", seed)
    chosen = random.Random(seed)
    with source.producer(transactional_id=f"tx-{name}") as producer:
        for round_ in range(6):
            command = [sys.executable, "-c", COPIER, source.path, kafka, name]
            child = subprocess.Popen(command, env=dict(os.environ), stderr=subprocess.PIPE)
            until = time.monotonic() + chosen.uniform(0.8, 2.0)
            while time.monotonic() < until and child.poll() is None:
                with producer.transaction():
                    for _ in range(40):
                        producer.send(name, b"%d" % round_ + bytes(1000))
                partition.append_many([bytes(1000)] * 200)
            child.send_signal(signal.SIGKILL)
            _, said = child.communicate()
            assert b"Error" not in said, said
    bridge.mirror(source, cluster, [name], new_offsets=True)
    assert committed(cluster, name, 0) == committed(source, name, 0)
    assert cluster.partition(name, 0).end_offset == len(committed(source, name, 0))


def test_the_map_is_copied_by_nobody(source, cluster, name, tmp_path):
    fill(source, name, 5)
    bridge.mirror(source, cluster, [name], new_offsets=True)
    assert MAP_TOPIC in cluster.topics()
    with pytest.raises(errors.UnsupportedByEngine):
        bridge.mirror(cluster, source, [name], new_offsets=True)
    with logflume.open(tmp_path / "third") as third:
        bridge.mirror(cluster, third, [name])
        assert third.topics() == [name]
        assert bridge.compare(cluster, third, name) == len(committed(cluster, name, 0)) + len(
            committed(cluster, name, 1)
        )


def test_from_a_cluster_into_an_archive_and_back(source, cluster, name, tmp_path):
    cluster.create_topic(name, partitions=2, config={"retention.ms": -1})
    with cluster.producer(transactional_id=f"tx-{name}") as producer:
        for i in range(10):
            transaction = producer.transaction()
            producer.send(name, b"%d" % i, partition=i % 2)
            (transaction.abort if i == 4 else transaction.commit)()
    with cluster.consumer(group=f"g-{name}", enable_auto_commit=False) as consumer:
        consumer.commit({(name, 1): 4})
    with bridge.open_archive(f"file://{tmp_path}/archive") as archive:
        assert sum(r.records for r in bridge.mirror(cluster, archive, [name])) == 9
        assert sum(r.records for r in bridge.mirror(cluster, archive, [name])) == 0
        assert bridge.compare(cluster, archive, name) == 9
        bridge.mirror(archive, source)
    for number in range(2):
        assert committed(source, name, number) == committed(cluster, name, number)
    with source.consumer(group=f"g-{name}", enable_auto_commit=False) as consumer:
        assert consumer.committed(name, 1) == 4
