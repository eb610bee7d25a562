"""Archives and clusters: an archive's topics go straight into a real Kafka; what an archive of one ends with."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time

import pytest

import logflume
from contract.test_new_offsets import committed, fill
from logflume import bridge, errors

pytestmark = pytest.mark.peers


@pytest.fixture
def source(tmp_path):
    with logflume.open(tmp_path / "source") as log:
        yield log


@pytest.fixture
def cluster(kafka):
    with logflume.open(kafka) as log:
        yield log


@pytest.fixture
def address(tmp_path):
    return f"file://{tmp_path}/archive"


def archived(source, address, name):
    """The archive's state now, in a reader of its own."""
    with bridge.open_archive(address) as archive:
        bridge.mirror(source, archive, [name])
    return bridge.open_archive(address)


def values(log, name, number=0):
    return [value for _, _, value, _ in committed(log, name, number)]


def test_at_the_same_offsets_and_on_where_it_ended(source, cluster, address, name):
    source.create_topic(name, partitions=3, config={"retention.ms": -1})
    with source.producer(compression_type="zstd") as producer:
        for i in range(3000):
            headers = [("h", b"%d" % i), ("n", None)] if i % 3 == 0 else None
            value = None if i % 50 == 7 else b"value %d" % i
            producer.send(name, value, key=b"key %d" % (i % 11), headers=headers, timestamp=1 + i)
    with source.consumer(group=f"g-{name}", enable_auto_commit=False) as consumer:
        consumer.commit({(name, 0): 7, (name, 2): logflume.OffsetAndMetadata(9, "note")})
    archive = archived(source, address, name)
    reports = bridge.mirror(archive, cluster, [name])
    assert sum(report.records for report in reports) == 3000
    assert [r.end_offset for r in reports] == [p.end_offset for p in source[name]]
    assert bridge.compare(source, cluster, name) == 3000
    assert bridge.compare(archive, cluster, name) == 3000
    assert cluster[name].config.retention_ms == -1
    with cluster.consumer(group=f"g-{name}", enable_auto_commit=False) as consumer:
        assert [consumer.committed(name, n) for n in range(3)] == [7, None, 9]
    source.partition(name, 1).append(b"later")
    assert (
        sum(r.records for r in bridge.mirror(archived(source, address, name), cluster, [name])) == 1
    )
    assert bridge.compare(source, cluster, name) == 3001


def test_committed_records_with_offsets_noted(source, cluster, address, name):
    fill(source, name)
    with source.consumer(group=f"g-{name}", enable_auto_commit=False) as consumer:
        middle = source.partition(name, 1).read_batch(20, read_committed=True)[0]
        consumer.commit({(name, 1): middle.offset})
    archive = archived(source, address, name)
    with pytest.raises(errors.OffsetGap):
        bridge.mirror(archive, cluster, [name])
    bridge.mirror(archive, cluster, [name], new_offsets=True)
    count = 0
    for number in range(2):
        assert committed(cluster, name, number) == committed(source, name, number)
        count += len(committed(source, name, number))
    assert sum(r.records for r in bridge.mirror(archive, cluster, [name], new_offsets=True)) == 0
    assert bridge.compare(archive, cluster, name, offsets=bridge.OffsetMap(cluster)) == count
    with cluster.consumer(name, group=f"g-{name}", enable_auto_commit=False) as consumer:
        at = consumer.committed(name, 1)
        assert cluster.partition(name, 1).read(at).value == middle.value


def test_a_transaction_without_an_end_is_waited_for(source, cluster, address, name):
    """However old it is: the archive may get the end later. One that is aborted then is left out."""
    source.create_topic(name)
    partition = source.partition(name, 0)
    partition.append(b"before")
    long_ago = time.time_ns() // 1_000_000 - 3_600_000
    with source.producer(transactional_id=f"tx-{name}") as producer:
        for i, end in enumerate(("commit", "abort")):
            transaction = producer.transaction()
            producer.send(name, b"%d" % i, timestamp=long_ago).result(60)
            partition.append(b"behind %d" % i)
            archive = archived(source, address, name)
            reports = bridge.mirror(archive, cluster, [name], new_offsets=True)
            assert sum(r.records for r in reports) == (1 if i == 0 else 0)
            getattr(transaction, end)()
            archive = archived(source, address, name)
            bridge.mirror(archive, cluster, [name], new_offsets=True)
            assert values(cluster, name) == values(source, name)
    assert values(cluster, name) == [b"before", b"0", b"behind 0", b"behind 1"]


def test_as_it_was_at_a_time(source, cluster, address, name):
    source.create_topic(name, config={"retention.ms": -1})
    with source.producer() as producer:
        for i in range(100):
            producer.send(name, b"%d" % i, timestamp=1_700_000_000_000 + i)
    archive = archived(source, address, name)
    bridge.mirror(archive, cluster, [name], until=1_700_000_000_040)
    assert values(cluster, name) == [b"%d" % i for i in range(40)]
    bridge.mirror(archive, cluster, [name])
    assert bridge.compare(archive, cluster, name) == 100


def test_a_cluster_that_somebody_wrote_to_is_refused(source, cluster, address, name):
    source.create_topic(name)
    source.partition(name, 0).append_many([b"%d" % i for i in range(20)])
    archive = archived(source, address, name)
    bridge.mirror(archive, cluster, [name])
    cluster.partition(name, 0).append(b"not of the source")
    with pytest.raises(errors.CopyDiffers):
        bridge.mirror(archive, cluster, [name])
    source.partition(name, 0).append_many([b"another"] * 5)
    archive = archived(source, address, name)
    for options in ({}, {"new_offsets": True}):
        with pytest.raises(errors.CopyDiffers):
            bridge.mirror(archive, cluster, [name], **options)


COPIER = """
import sys, logflume
from logflume import bridge
with bridge.open_archive(sys.argv[1]) as source, logflume.open(sys.argv[2]) as target:
    bridge.mirror(source, target, [sys.argv[3]], new_offsets=True, follow=True)
"""


@pytest.mark.crash
def test_killed_at_any_moment_each_record_is_there_once(source, cluster, kafka, address, name):
    source.create_topic(name)
    partition = source.partition(name, 0)
    seed = random.randrange(1 << 30)
    print("seed", seed)
    chosen = random.Random(seed)
    stop = threading.Event()
    with bridge.open_archive(address) as archive:
        options = {"follow": True, "stop": stop, "interval_s": 0.2}
        filler = threading.Thread(
            target=bridge.fill, args=(source, archive, [name]), kwargs=options
        )
        filler.start()
        try:
            with source.producer(transactional_id=f"tx-{name}") as producer:
                for round_ in range(4):
                    command = [sys.executable, "-c", COPIER, address, kafka, name]
                    child = subprocess.Popen(command, env=dict(os.environ), stderr=subprocess.PIPE)
                    until = time.monotonic() + chosen.uniform(1.0, 3.0)
                    while time.monotonic() < until and child.poll() is None:
                        transaction = producer.transaction()
                        for _ in range(40):
                            producer.send(name, b"%d" % round_ + bytes(1000))
                        (transaction.commit if chosen.random() < 0.8 else transaction.abort)()
                        partition.append_many([bytes(1000)] * 200)
                    child.send_signal(signal.SIGKILL)
                    _, said = child.communicate()
                    assert b"Error" not in said, said
        finally:
            stop.set()
            filler.join()
    bridge.mirror(archived(source, address, name), cluster, [name], new_offsets=True)
    assert committed(cluster, name, 0) == committed(source, name, 0)
    assert cluster.partition(name, 0).end_offset == len(committed(source, name, 0))


def test_the_command(source, kafka, cluster, address, name):
    source.create_topic(name)
    source.partition(name, 0).append_many([b"%d" % i for i in range(20)])
    archived(source, address, name)
    words = ["mirror", address, kafka, "--topic", name, "--verify"]
    command = [sys.executable, "-m", "logflume", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    assert "20 records are the same" in done.stderr + done.stdout
    assert values(cluster, name) == [b"%d" % i for i in range(20)]


def test_a_state_of_a_cluster_ends_where_it_was_when_it_began(cluster, address, name):
    """Not with an open transaction's part, nor with what is ended while the partitions are copied."""
    cluster.create_topic(name, partitions=3, config={"retention.ms": -1})
    with cluster.producer(transactional_id=f"tx-{name}") as producer:

        def all_partitions(value: bytes) -> None:
            for number in range(3):
                producer.send(name, value, partition=number).result(60)

        with producer.transaction():
            all_partitions(b"first")
        transaction = producer.transaction()
        all_partitions(b"open")
        ended = []

        def meanwhile(*_: int) -> None:
            if not ended:
                ended.append(transaction.commit())
                with producer.transaction():
                    all_partitions(b"late")

        with bridge.open_archive(address) as archive:
            reports = bridge.mirror(cluster, archive, [name], on_progress=meanwhile)
        assert ended
        assert [report.records for report in reports] == [1, 1, 1]
        with bridge.open_archive(address) as archive:
            reports = bridge.mirror(cluster, archive, [name])
            assert [report.records for report in reports] == [2, 2, 2]
            assert bridge.compare(cluster, archive, name) == 9


def test_an_archive_follows_a_cluster(cluster, address, name):
    """Each state is cut short of what comes, and the next goes on there."""
    cluster.create_topic(name, partitions=2, config={"retention.ms": -1})
    stop = threading.Event()
    with bridge.open_archive(address) as archive:
        options = {"follow": True, "stop": stop, "interval_s": 0.05}
        filler = threading.Thread(
            target=bridge.fill, args=(cluster, archive, [name]), kwargs=options
        )
        filler.start()
        try:
            with cluster.producer(transactional_id=f"tx-{name}") as producer:
                for i in range(60):
                    transaction = producer.transaction()
                    for number in range(2):
                        producer.send(name, b"%d" % i, partition=number)
                    (transaction.abort if i % 7 == 3 else transaction.commit)()
        finally:
            stop.set()
            filler.join(60)
        assert archive.snapshot.number > 3
        bridge.mirror(cluster, archive, [name])
        assert bridge.compare(cluster, archive, name) == 2 * 51
