"""From one real Kafka to another: records, settings, groups' offsets, transactions."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest

import logflume
from contract.test_new_offsets import committed
from logflume import bridge, errors
from support import kafka_peer

pytestmark = pytest.mark.peers


@pytest.fixture(scope="module")
def other_kafka(tmp_path_factory):
    """The address of a second cluster."""
    broker = kafka_peer.Broker(tmp_path_factory.mktemp("other-kafka"))
    try:
        yield f"kafka://{broker.up()}"
    finally:
        broker.down(wipe=True)


@pytest.fixture
def source(kafka):
    with logflume.open(kafka) as log:
        yield log


@pytest.fixture
def target(other_kafka):
    with logflume.open(other_kafka) as log:
        yield log


def fill(log: logflume.Log, topic: str, count: int = 3000) -> None:
    """Keys, nulls, headers and times, in three partitions."""
    log.create_topic(topic, partitions=3, config={"retention.ms": -1})
    with log.producer(compression_type="zstd") as producer:
        for i in range(count):
            headers = [("h", b"%d" % i), ("n", None)] if i % 3 == 0 else None
            value = None if i % 50 == 7 else b"value %d" % i
            producer.send(topic, value, key=b"key %d" % (i % 11), headers=headers, timestamp=1 + i)


def transact(log: logflume.Log, topic: str, rounds: int = 12) -> None:
    """Transactions over two partitions, some of them aborted, and records of nobody's."""
    with log.producer(transactional_id=f"tx-{topic}") as producer:
        for i in range(rounds):
            transaction = producer.transaction()
            for number in range(2):
                producer.send(topic, b"%d" % i, key=b"k", partition=number, headers=[("h", b"v")])
            (transaction.abort if i % 5 == 2 else transaction.commit)()
            log.partition(topic, 0).append(b"plain %d" % i, key=b"p")


def commit(log, group, offsets):
    with log.consumer(group=group, enable_auto_commit=False) as consumer:
        consumer.commit(offsets)


def run(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "logflume", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


def test_the_same_offsets_and_groups(source, target, kafka, other_kafka, name):
    fill(source, name)
    place = logflume.OffsetAndMetadata(9, "note")
    commit(source, f"g-{name}", {(name, 0): 7, (name, 2): place})
    report = bridge.promote(source, target, [name])
    assert report.compared == 3000
    assert report.groups == (f"g-{name}",)
    assert target[name].config.retention_ms == -1
    assert [p.end_offset for p in target[name]] == [p.end_offset for p in source[name]]
    with target.consumer(group=f"g-{name}", enable_auto_commit=False) as consumer:
        assert [consumer.committed(name, n) for n in range(3)] == [7, None, 9]
    source.partition(name, 1).append(b"later")
    done = run("promote", kafka, other_kafka, "--topic", name)
    assert done.returncode == 0, done.stderr
    assert (
        target.partition(name, 1).read(target.partition(name, 1).end_offset - 1).value == b"later"
    )
    done = run("mirror", kafka, other_kafka, "--topic", name, "--verify")
    assert "3,001 records are the same" in done.stderr + done.stdout


def test_gaps_are_refused_or_get_other_offsets(source, target, name):
    source.create_topic(name, partitions=2, config={"retention.ms": -1})
    transact(source, name)
    source.delete_records({(name, 0): 2})
    with pytest.raises(errors.OffsetGap):
        bridge.mirror(source, target, [name])
    middle = source.partition(name, 1).read_batch(8, read_committed=True)[0]
    commit(source, f"g-{name}", {(name, 1): middle.offset})
    for _ in range(2):  # the second time it goes on where it ended
        report = bridge.promote(source, target, [name], new_offsets=True)
        for number in range(2):
            assert committed(target, name, number) == committed(source, name, number)
        assert report.compared == sum(len(committed(source, name, n)) for n in range(2))
        assert report.groups == (f"g-{name}",)
        with target.consumer(group=f"g-{name}", enable_auto_commit=False) as consumer:
            at = consumer.committed(name, 1)
        assert target.partition(name, 1).read(at).value == middle.value
        source.partition(name, 0).append(b"later", key=b"z")


def test_the_copy_follows(source, target, name):
    source.create_topic(name, partitions=2, config={"retention.ms": -1})
    stop = threading.Event()
    options = {"follow": True, "stop": stop, "new_offsets": True}
    thread = threading.Thread(target=bridge.mirror, args=(source, target, [name]), kwargs=options)
    thread.start()
    try:
        transact(source, name)
        wanted = [len(committed(source, name, number)) for number in range(2)]
        deadline = time.monotonic() + 60
        while name not in target or [p.end_offset for p in target[name]] != wanted:
            assert time.monotonic() < deadline
            assert thread.is_alive()
            time.sleep(0.1)
    finally:
        stop.set()
        thread.join(60)
    for number in range(2):
        assert committed(target, name, number) == committed(source, name, number)


def test_groups_follow_in_the_copys_offsets(source, target, kafka, other_kafka, name):
    """Records behind gaps have other offsets there; a copier that is killed and started again goes on."""
    source.create_topic(name, partitions=2, config={"retention.ms": -1})
    transact(source, name)
    group = f"g-{name}"
    wheres = [row.offset for row in source.partition(name, 1).read_batch(0, read_committed=True)]
    assert wheres != list(range(len(wheres)))
    words = ["mirror", kafka, other_kafka, "--topic", name, "--follow", "--new-offsets", "--groups"]
    for round_, index in enumerate((3, 6)):
        commit(source, group, {(name, 1): logflume.OffsetAndMetadata(wheres[index], f"{round_}")})
        command = [sys.executable, "-m", "logflume", *words]
        copier = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + 90
            while name not in target or _stands(target, group, name) != (index, f"{round_}"):
                assert time.monotonic() < deadline
                assert copier.poll() is None
                time.sleep(0.2)
        finally:
            copier.kill()
            copier.wait()
    there, here = target.partition(name, 1).read(6), source.partition(name, 1).read(wheres[6])
    assert (there.value, there.timestamp) == (here.value, here.timestamp)


def _stands(log: logflume.Log, group: str, topic: str) -> tuple[int, str] | None:
    with log.consumer(group=group, enable_auto_commit=False) as consumer:
        entry = consumer.committed_entry(topic, 1)
    return None if entry is None else (entry.offset, entry.metadata)
