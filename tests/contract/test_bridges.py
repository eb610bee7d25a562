"""Copies: directory to directory, to a cluster and back; killed in between; handed over to a Kafka, up or stopped."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import logflume
from logflume import bridge, errors
from support import kafka_peer

START_MS = 1_700_000_000_000


def fill(log: logflume.Log, topic: str, count: int = 3000) -> None:
    """Keys, nulls, headers, times and codecs, in three partitions."""
    log.create_topic(topic, partitions=3, config={"retention.ms": -1})
    with log.producer(compression_type="zstd") as producer:
        for i in range(count // 3):
            producer.send(
                topic,
                None if i % 50 == 7 else b"value %d" % i,
                key=b"key %d" % (i % 11),
                headers=[("h", b"%d" % i), ("n", None)] if i % 3 == 0 else None,
                timestamp=START_MS + i,
            )
    with log.producer() as producer:
        rest = range(count // 3, count)
        producer.send_many(
            topic, [b"value %d" % i for i in rest], keys=[b"key %d" % (i % 11) for i in rest]
        )


def ends(log: logflume.Log, topic: str) -> list[int]:
    return [partition.end_offset for partition in log[topic]]


@pytest.fixture
def source(tmp_path: Path):
    with logflume.open(tmp_path / "source") as log:
        yield log


def test_a_copy_goes_on_where_it_ended(source, log, name):
    fill(source, name)
    reports = bridge.mirror(source, log, [name])
    assert [r.partition for r in reports] == [0, 1, 2]
    assert sum(r.records for r in reports) == 3000
    assert [r.end_offset for r in reports] == ends(source, name) == ends(log, name)
    assert bridge.compare(source, log, name) == 3000
    assert log[name].config.retention_ms == -1
    assert all(r.records == 0 for r in bridge.mirror(source, log, [name]))
    source.partition(name, 1).append(b"more", key=b"k", headers=[("x", b"y")])
    assert sum(r.records for r in bridge.mirror(source, log, [name])) == 1
    assert bridge.compare(source, log, name) == 3001


def test_a_copy_comes_back_the_same(source, log, name, tmp_path):
    fill(source, name)
    bridge.mirror(source, log, [name])
    with logflume.open(tmp_path / "third") as third:
        bridge.mirror(log, third, [name])
        assert ends(third, name) == ends(source, name)
        assert bridge.compare(source, third, name) == 3000


def test_following(source, log, name):
    fill(source, name, 300)
    stop = threading.Event()
    done: list[object] = []
    thread = threading.Thread(
        target=lambda: done.append(bridge.mirror(source, log, [name], follow=True, stop=stop))
    )
    thread.start()
    deadline = time.monotonic() + 60
    for number in range(3):
        source.partition(name, number).append_many([b"later"] * 10)
    source.alter_topic(name, partitions=4)
    source.partition(name, 3).append(b"in a new one")
    while name not in log or len(log[name]) < 4 or ends(log, name) != ends(source, name):
        assert time.monotonic() < deadline
        assert thread.is_alive()
        time.sleep(0.05)
    stop.set()
    thread.join(60)
    assert done
    assert bridge.compare(source, log, name) == 331


def test_a_copy_that_somebody_wrote_to_is_refused(source, log, name):
    fill(source, name, 300)
    bridge.mirror(source, log, [name])
    log.partition(name, 0).append(b"not of the source")
    with pytest.raises(errors.CopyDiffers) as caught:
        bridge.mirror(source, log, [name])
    assert (caught.value.topic, caught.value.partition) == (name, 0)
    source.partition(name, 0).append(b"another")
    with pytest.raises(errors.CopyDiffers):
        bridge.mirror(source, log, [name])
    with pytest.raises(errors.CopyDiffers):
        bridge.compare(source, log, name)


def test_more_partitions_in_the_copy_are_refused(source, log, name):
    source.create_topic(name, partitions=1)
    log.create_topic(name, partitions=2)
    with pytest.raises(errors.InvalidPartitions):
        bridge.mirror(source, log, [name])


def test_promote_takes_the_groups_along(source, log, name):
    fill(source, name)
    with source.consumer(
        name, group=f"g-{name}", auto_offset_reset="earliest", enable_auto_commit=False
    ) as reader:
        reader.poll(1, max_records=100)
        reader.commit({(name, 0): 7, (name, 2): logflume.OffsetAndMetadata(9, "note")})
    report = bridge.promote(source, log, [name])
    assert report.compared == 3000
    assert report.groups == (f"g-{name}",)
    with log.consumer(group=f"g-{name}", enable_auto_commit=False) as reader:
        assert [reader.committed(name, n) for n in range(3)] == [7, None, 9]
        reader.assign([(name, 2)])
        assert reader.poll(20, max_records=1)[0].offset == 9


def test_a_gap_goes_into_a_directory_and_not_into_a_cluster(source, log, name):
    fill(source, name, 300)
    source.delete_records({(name, 0): 5})
    if log.engine.is_remote:
        with pytest.raises(errors.OffsetGap) as caught:
            bridge.mirror(source, log, [name])
        assert caught.value.offset == 5
    else:
        bridge.mirror(source, log, [name])
        assert ends(log, name) == ends(source, name)
        assert log.partition(name, 0).read(5) == source.partition(name, 0).read(5)


COPIER = """
import sys, logflume
from logflume import bridge
with logflume.open(sys.argv[1]) as source, logflume.open(sys.argv[2]) as target:
    bridge.mirror(source, target, [sys.argv[3]], on_progress=lambda *_: print("step", flush=True))
"""


@pytest.mark.crash
def test_a_killed_copy_neither_loses_nor_doubles(tmp_path, address, name):
    with logflume.open(tmp_path / "source") as source:
        fill(source, name, 30)
        with source.producer() as producer:
            for _ in range(40):
                producer.send_many(name, [bytes(200)] * 20_000)
        total = sum(ends(source, name))
        command = [sys.executable, "-c", COPIER, str(tmp_path / "source"), address, name]
        steps = 0
        for wanted in (1, 3, 5):
            child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            for _ in range(wanted):
                steps += child.stdout.readline() == "step\n"
            child.send_signal(signal.SIGKILL)
            child.wait()
            child.stdout.close()
        assert steps == 9, "it was done before it was killed"
        with logflume.open(address) as target:
            assert 0 < sum(ends(target, name)) < total
            bridge.mirror(source, target, [name])
            assert ends(target, name) == ends(source, name)
            assert bridge.compare(source, target, name) == total


def run(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "logflume", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


def test_the_commands(tmp_path, address, name):
    with logflume.open(tmp_path / "source") as source:
        fill(source, name, 300)
    done = run("mirror", tmp_path / "source", address, "--topic", name, "--verify")
    assert done.returncode == 0, done.stderr
    assert "300 records are the same" in done.stderr + done.stdout
    done = run("promote", tmp_path / "source", address, "--topic", name, "--json")
    assert done.returncode == 0, done.stderr
    assert '"compared": 300' in re.sub(r"\s+", " ", done.stdout) or '"compared":300' in done.stdout
    done = run("mirror", tmp_path / "nowhere-such", address, "--topic", "none")
    assert done.returncode == 1
    assert "none" in done.stderr


@pytest.mark.peers
@pytest.mark.slow
@pytest.mark.timeout(240)
def test_topics_are_handed_over_into_a_stopped_kafkas_directory(source, tmp_path):
    fill(source, "t")
    source.delete_records({("t", 1): 5})  # a gap at the start, which only this way keeps
    with source.consumer(
        "t", group="g", auto_offset_reset="earliest", enable_auto_commit=False
    ) as reader:
        reader.poll(1, max_records=1)
        reader.commit({("t", 0): 3})
    broker = kafka_peer.Broker(tmp_path / "kafka")
    try:
        with logflume.open(f"kafka://{broker.up()}") as cluster:
            cluster.create_topic("t", partitions=3, config={"retention.ms": -1})
        broker.down()
        with logflume.open(broker.data) as stopped:
            with pytest.raises(errors.UnknownTopicOrPartition):
                bridge.promote(source, stopped, ["t", "not-made-there"])
            assert ends(stopped, "t") == [0, 0, 0]
            report = bridge.promote(source, stopped, ["t"])
            assert report.compared == 2995
        with logflume.open(broker.data, read_only=True) as forensic:
            assert "t" in forensic.topics()
            assert forensic.partition("t", 0).read(3) == source.partition("t", 0).read(3)
        with logflume.open(f"kafka://{broker.up()}") as cluster:
            assert ends(cluster, "t") == ends(source, "t")
            assert bridge.compare(source, cluster, "t") == 2995
            at = cluster.partition("t", 0).append(b"goes on")
            assert at == source.partition("t", 0).end_offset
    finally:
        broker.down(wipe=True)
