"""Offline, byte for byte: a directory's topics in a stopped Kafka, and a stopped Kafka's directory in our hands."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

import logflume
from logflume import bridge, errors
from support import kafka_peer

pytestmark = [pytest.mark.peers, pytest.mark.slow, pytest.mark.timeout(400)]


def run(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "logflume", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


def committed(log: logflume.Log, topic: str, number: int = 0) -> list[tuple]:
    reader = log.partition(topic, number).reader(read_committed=True)
    found = []
    while len(batch := reader.read()):
        found += [(r.offset, r.timestamp, r.key, r.value, r.headers) for r in batch]
    return found


def everything(where: Path) -> dict[str, str]:
    """Each file below, by a hash of what is in it."""
    return {
        str(path.relative_to(where)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(where.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def broker(tmp_path):
    started = kafka_peer.Broker(tmp_path / "kafka")
    try:
        yield started
    finally:
        started.down(wipe=True)


def fill(log: logflume.Log) -> None:
    """Transactions of every kind over two topics, one of them compacted; a group that stands in the middle."""
    compacted = {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": 0}
    log.create_topic("plain", config={"retention.ms": -1})
    log.create_topic("table", config=compacted)
    with log.producer(transactional_id="app") as producer:
        for i in range(20):
            transaction = producer.transaction()
            producer.send("plain", b"%d" % i, headers=[("h", b"%d" % i)])
            producer.send("table", b"%d" % i, key=b"%d" % (i % 4))
            (transaction.abort if i % 4 == 1 else transaction.commit)()
    with log.producer(compression_type="zstd") as producer:
        producer.send_many("plain", [b"many %d" % i for i in range(500)])
    log.partition("table", 0).roll()
    log.partition("table", 0).append(b"last", key=b"l")
    log.compact("table", force=True)
    with log.consumer(group="g", enable_auto_commit=False) as consumer:
        consumer.commit({("plain", 0): logflume.OffsetAndMetadata(11, "note")})


def test_transactions_compacted_topics_producers_and_groups_are_handed_over(tmp_path, broker):
    topics = ["plain", "table"]
    with logflume.open(tmp_path / "source") as source:
        fill(source)
        with logflume.open(f"kafka://{broker.up()}") as cluster:
            cluster.create_topic("plain", partitions=1, config={"retention.ms": -1})
            cluster.create_topic("table", partitions=1, config={"cleanup.policy": "compact"})
            with cluster.consumer(group="other", enable_auto_commit=False) as consumer:
                consumer.commit({("plain", 0): 0})  # makes __consumer_offsets
        broker.down()
        with logflume.open(broker.data) as stopped:
            bridge.promote(source, stopped, topics)
            for topic in topics:
                mine, theirs = source.partition(topic, 0), stopped.partition(topic, 0)
                assert theirs.producers() == mine.producers()
                assert theirs.aborted(0, 1 << 40) == mine.aborted(0, 1 << 40)
        with logflume.open(f"kafka://{broker.up()}") as cluster:
            for topic in topics:
                assert committed(cluster, topic) == committed(source, topic)
                end = source.partition(topic, 0).end_offset
                assert cluster.partition(topic, 0).end_offset == end
                assert cluster.partition(topic, 0).last_stable_offset == end
            with cluster.consumer(group="g", enable_auto_commit=False) as consumer:
                assert consumer.committed("plain", 0) == 11
            # Kafka's own producers go on where ours ended, idempotent and transactional.
            with cluster.producer() as producer:
                assert producer.send("plain", b"next", partition=0).result(60).offset == end_of(
                    source
                )
            with cluster.producer(transactional_id="app") as producer, producer.transaction():
                producer.send("table", b"next", key=b"n")
            assert committed(cluster, "table")[-1][3] == b"next"
        broker.down()
        log_file = next((broker.data / "plain-0").glob("*.log"))
        kafka_peer.dump([log_file], "--deep-iteration")
        snapshots = sorted((broker.data / "plain-0").glob("*.snapshot"))
        assert snapshots
        kafka_peer.dump(snapshots)


def end_of(source: logflume.Log) -> int:
    return source.partition("plain", 0).end_offset


def test_a_stopped_kafkas_directory_is_read_without_a_trace_and_a_running_ones_is_refused(
    tmp_path, broker
):
    address = f"kafka://{broker.up()}"
    with logflume.open(address) as cluster:
        cluster.create_topic("t", partitions=2)
        with cluster.producer(transactional_id="x") as producer:
            for i in range(10):
                transaction = producer.transaction()
                producer.send("t", b"value %d" % i, key=b"%d" % i, partition=0).result(60)
                (transaction.abort if i == 3 else transaction.commit)()
        with cluster.consumer(group="g", enable_auto_commit=False) as consumer:
            consumer.commit({("t", 0): 5})
        expected = committed(cluster, "t")
    for words in (("ls",), ("cat", "t", "--max", 1), ("verify",), ("group", "ls")):
        for option in ((), ("--read-only",)):
            done = run("--dir", broker.data, *option, *words)
            assert done.returncode == 1
            assert "running Kafka" in done.stderr
    with pytest.raises(errors.DirectoryLocked):
        logflume.open(broker.data, read_only=True)
    broker.down()
    before = everything(broker.data)
    with logflume.open(broker.data, read_only=True) as log:
        assert committed(log, "t") == expected
        assert len(log.partition("t", 0).read_batch(0)) == 10
        assert log.partition("t", 0).aborted(0, 100)
    said = run("--dir", broker.data, "--read-only", "cat", "t", "--from", "beginning")
    assert said.stdout.count("value") == 10, said.stderr
    for words in (
        ("ls",),
        ("topic", "describe", "t"),
        ("group", "describe", "g"),
        ("verify",),
        ("du",),
        ("lag", "g"),
    ):
        done = run("--dir", broker.data, "--read-only", "--json", *words)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
    done = run("--dir", broker.data, "--read-only", "topic", "create", "u")
    assert done.returncode == 2
    assert "changes the directory" in done.stderr
    done = run("--read-only", "--json", "mirror", broker.data, tmp_path / "copy", "--topic", "t")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["records"] == 20
    assert everything(broker.data) == before
    with logflume.open(tmp_path / "copy") as copy:
        assert committed(copy, "t") == expected
    broker.up()
