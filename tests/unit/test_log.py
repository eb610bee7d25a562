"""A log directory through its public face: topics, settings, upkeep, life, bad input."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest

import logflume
from logflume import errors


@pytest.fixture
def log(tmp_path):
    with logflume.open(tmp_path / "data") as opened:
        yield opened


def test_topics_are_kafka_directories(log):
    log.create_topic("t", partitions=2, config={"retention.ms": 1000})
    names = sorted(os.listdir(log.path))
    assert {"t-0", "t-1", "meta.properties"} <= set(names)
    assert re.search(r"cluster\.id=\S{22}", (log_file(log, "meta.properties")).read_text())
    metadata = log_file(log, "t-0", "partition.metadata").read_text()
    assert metadata == f"version: 0\ntopic_id: {log['t'].topic_id}"
    assert log_file(log, "t-1", "leader-epoch-checkpoint").read_text() == "0\n1\n0 0\n"


def log_file(log, *parts):
    from pathlib import Path

    return Path(log.path, *parts)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../x", "a b", "é", "x" * 250, "a\n"])
def test_names_that_kafka_refuses(log, name):
    with pytest.raises(errors.InvalidTopicName):
        log.create_topic(name)
    assert log.topics() == []


def test_names_that_collide_in_kafka_metrics(log):
    log.create_topic("a.b")
    with pytest.raises(errors.InvalidTopicName):
        log.create_topic("a_b")


@pytest.mark.parametrize("count", [0, -1, 10_001])
def test_impossible_partition_counts(log, count):
    with pytest.raises(errors.InvalidPartitions):
        log.create_topic("t", partitions=count)


def test_unknown_settings_name_the_nearest(log):
    with pytest.raises(errors.UnknownConfig, match=r"retention\.ms"):
        log.create_topic("t", config={"retention.mss": 1})


def test_alter_adds_partitions_and_changes_settings_at_once(log):
    log.create_topic("t")
    log.partition("t", 0).append(b"x" * 900)
    log.alter_topic("t", partitions=3, config={"segment.bytes": 1024})
    assert len(log["t"]) == 3
    log.partition("t", 0).append(b"x" * 900)
    assert len(log.partition("t", 0).segments()) == 2
    with pytest.raises(errors.InvalidPartitions):
        log.alter_topic("t", partitions=2)
    log.alter_topic("t", config={"segment.bytes": None})
    assert log["t"].config.segment_bytes == 1 << 30


def test_another_opener_sees_topics_and_settings_without_reopening(log):
    with logflume.open(log.path) as other:
        log.create_topic("t")
        assert other.topics() == ["t"]
        other.partition("t", 0).append(b"1")
        log.alter_topic("t", config={"max.message.bytes": 300})
        assert other["t"].config.max_message_bytes == 300
        with pytest.raises(errors.RecordTooLarge):
            other.partition("t", 0).append(b"x" * 400)


def test_delete_topic_with_its_files_also_for_those_who_have_it_open(log):
    log.create_topic("t")
    with logflume.open(log.path) as other, other.consumer("t") as consumer:
        partition = other.partition("t", 0)
        partition.append(b"kept in view")
        batch = partition.read_batch(0)
        log.delete_topic("t")
        assert not [name for name in os.listdir(log.path) if name.startswith("t-")]
        with pytest.raises(errors.UnknownTopicOrPartition):
            partition.append(b"lost?")
        assert len(consumer.poll(0.1)) == 1  # its map outlives the file
        with pytest.raises(errors.UnknownTopicOrPartition):
            consumer.poll(0.1)
        assert bytes(batch.values[0]) == b"kept in view"
    with pytest.raises(errors.UnknownTopicOrPartition):
        log.delete_topic("t")
    log.create_topic("t")
    assert log.partition("t", 0).end_offset == 0


def test_a_deletion_that_was_interrupted_is_finished_by_the_next_opener(tmp_path):
    path = tmp_path / "data"
    with logflume.open(path) as log:
        log.create_topic("t")
        log.create_topic("u")
        log.partition("t", 0).append(b"x")
    store = path / "logflume-topics.json"
    document = json.loads(store.read_text())
    document["topics"]["t"]["deleting"] = True
    store.write_text(json.dumps(document))
    with logflume.open(path) as log:
        assert log.topics() == ["u"]
        assert not (path / "t-0").exists()


def test_a_topic_whose_directories_were_not_made_is_whole_when_opened(tmp_path):
    with logflume.open(tmp_path / "data") as log:
        log.create_topic("t", partitions=2)
    for name in os.listdir(tmp_path / "data" / "t-1"):
        os.unlink(tmp_path / "data" / "t-1" / name)
    os.rmdir(tmp_path / "data" / "t-1")
    with logflume.open(tmp_path / "data") as log:
        assert log.partition("t", 1).append(b"x") == 0


def test_delete_records(log):
    log.create_topic("t")
    partition = log.partition("t", 0)
    partition.append_many([b"%d" % i for i in range(10)])
    assert log.delete_records({("t", 0): 4}) == {("t", 0): 4}
    with pytest.raises(errors.OffsetOutOfRange):
        partition.read(3)
    assert partition.read(4).value == b"4"
    with pytest.raises(errors.OffsetOutOfRange):
        log.delete_records({("t", 0): 11})
    assert log.delete_records({("t", 0): -1}) == {("t", 0): 10}
    path = log.path
    log.close()
    # Also without the state file, which is only a hint: Kafka's checkpoint has it.
    os.unlink(os.path.join(path, "t-0", "logflume.state"))
    with logflume.open(path) as again:
        assert again.partition("t", 0).start_offset == 10


def test_retention_by_time_and_by_size(log):
    log.create_topic("old", config={"retention.ms": 1000, "segment.bytes": 1024})
    log.create_topic("big", config={"retention.bytes": 3000, "segment.bytes": 1024})
    for name in ("old", "big"):
        for i in range(10):
            log.partition(name, 0).append(b"x" * 600, timestamp=1_000_000 + i)
    assert set(log.maintenance(now_ms=1_000_500)) == {("big", 0)}
    sizes = [s.size for s in log.partition("big", 0).segments()]
    assert 3000 <= sum(sizes) < 3000 + 1024
    removed = log.maintenance(now_ms=1_002_000)
    assert removed["old", 0][0] == 10
    assert log.partition("old", 0).start_offset == log.partition("old", 0).end_offset == 10
    assert log.partition("old", 0).append(b"after") == 10


def test_closed_log_raises_and_views_stay(log):
    log.create_topic("t")
    partition = log.partition("t", 0)
    partition.append_many([b"abc"] * 1000)
    batch = partition.read_batch(0)
    view = batch.values[999]
    record = partition.read(500)
    log.close()
    log.close()
    assert bytes(view) == b"abc"
    assert record.value == b"abc"
    for call in (
        log.topics,
        lambda: partition.append(b"x"),
        lambda: partition.read(0),
        lambda: partition.end_offset,
        lambda: log.create_topic("u"),
        lambda: log.producer(),
        lambda: log.consumer("t"),
    ):
        with pytest.raises(errors.Closed):
            call()


def test_read_only_opening_changes_nothing(tmp_path):
    path = tmp_path / "data"
    with logflume.open(path) as log:
        log.create_topic("t")
        log.partition("t", 0).append_many([b"1", b"2"])
    before = {p: p.stat().st_mtime_ns for p in path.rglob("*") if p.is_file()}
    with logflume.open(path, read_only=True) as log:
        assert [bytes(v) for v in log.partition("t", 0).read_batch(0).values] == [b"1", b"2"]
        with pytest.raises(errors.ReadOnlyDirectory):
            log.partition("t", 0).append(b"3")
        with pytest.raises(errors.ReadOnlyDirectory):
            log.create_topic("u")
    assert {p: p.stat().st_mtime_ns for p in path.rglob("*") if p.is_file()} == before


def test_a_directory_of_a_newer_format(tmp_path):
    path = tmp_path / "data"
    logflume.open(path).close()
    (path / "logflume-topics.json").write_text('{"version": 99, "topics": {}}')
    with pytest.raises(errors.UnsupportedFormat, match="99"):
        logflume.open(path)


def test_addresses_are_refused_by_name():
    with pytest.raises(errors.UnsupportedByEngine, match="s3://"):
        logflume.open("s3://bucket")


def test_a_running_kafka_keeps_us_out(tmp_path):
    """Kafka locks all of `.lock` with a process-wide lock; another process does so here."""
    path = tmp_path / "data"
    path.mkdir()
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.lockf(f, fcntl.LOCK_EX);"
            " print('held', flush=True); sys.stdin.read()",
            str(path / ".lock"),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(errors.DirectoryLocked):
            logflume.open(path)
    finally:
        holder.communicate()
    logflume.open(path).close()


def test_fork_gives_the_child_a_working_log(log):
    log.create_topic("t")
    producer = log.producer(linger_ms=10_000)
    producer.send("t", b"gathered before the fork")
    partition = log.partition("t", 0)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            partition.append(b"child")
            with log.producer() as own:
                own.send("t", b"child's producer").result()
            log.close()
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0
    producer.flush()
    values = [bytes(v) for v in partition.read_batch(0).values]
    assert sorted(values) == [b"child", b"child's producer", b"gathered before the fork"]


def test_forgotten_log_is_flushed_and_clean_at_exit(tmp_path):
    script = (
        "import logflume, sys; log = logflume.open(sys.argv[1]); log.create_topic('t');"
        " log.producer(linger_ms=60_000).send('t', b'last words')"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "data")], check=True)
    with logflume.open(tmp_path / "data") as log:
        assert log.partition("t", 0).read(0).value == b"last words"
        assert all(report.clean for report in log.recovery())


def test_internal_topics_belong_to_logflume(log):
    with pytest.raises(errors.InvalidTopicName):
        log.create_topic("__consumer_offsets")
    with log.consumer(group="g") as consumer:
        consumer.commit({("t", 0): 1}, wait=False)
    with log.producer() as producer, pytest.raises(errors.InvalidTopicName):
        producer.send("__consumer_offsets", b"junk")


def test_create_topic_that_may_exist(log):
    log.create_topic("t", partitions=3)
    assert len(log.create_topic("t", exist_ok=True)) == 3


def test_times_are_whole_milliseconds(log):
    log.create_topic("t")
    with log.producer() as producer:
        for bad in (1.5, "now"):
            with pytest.raises(TypeError):
                producer.send("t", b"x", timestamp=bad)
            with pytest.raises(TypeError):
                producer.send_many("t", [b"x"], timestamps=[bad])
        with pytest.raises(errors.InvalidTimestamp):
            producer.send("t", b"x", timestamp=-5)
        assert producer.send_many("t", (b"%d" % i for i in range(3))) == 3


def test_places_that_are_no_directories(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.StorageError, match="not a directory"):
        logflume.open(tmp_path / "file")
    with pytest.raises(errors.StorageError, match="no such directory"):
        logflume.open(tmp_path / "missing", read_only=True)


def test_a_producer_of_a_log_that_is_only_read_is_refused_at_once(tmp_path):
    logflume.open(tmp_path / "data").close()
    with logflume.open(tmp_path / "data", read_only=True) as log:
        for options in ({}, {"acks": 0}, {"acks": 1}, {"transactional_id": "t"}):
            with pytest.raises(errors.ReadOnlyDirectory):
                log.producer(**options)


def test_what_is_no_file_is_named(tmp_path):
    with logflume.open(tmp_path / "data") as log:
        log.create_topic("t")[0].append(b"v")
    checkpoint = tmp_path / "data/t-0/leader-epoch-checkpoint"
    checkpoint.unlink()
    for make in (checkpoint.mkdir, lambda: checkpoint.symlink_to(checkpoint.name)):
        make()
        log = logflume.open(tmp_path / "data")
        with log, pytest.raises(errors.StorageError, match="leader-epoch-checkpoint"):
            log.partition("t", 0)
        if checkpoint.is_symlink():
            checkpoint.unlink()
        else:
            checkpoint.rmdir()
