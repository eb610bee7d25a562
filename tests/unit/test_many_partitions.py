"""Topics of many partitions: what is done once a topic stays once, what waits for the disk waits together."""

from __future__ import annotations

from pathlib import Path

import pytest

import logflume
from logflume import Partition
from logflume._native.partition_log import arm_failpoints
from logflume.log import directory
from logflume.log.bulk_sync import sync_together
from logflume.log.topic_store import TopicStore

FIRST_SEGMENT = f"{0:020d}.log"
MANY = 20  # more than are synced one by one


def segment(root: Path, partition: int) -> Path:
    return root / f"t-{partition}" / FIRST_SEGMENT


def test_trim_cuts_the_zeroes_and_appending_goes_on(tmp_path: Path) -> None:
    with logflume.open(tmp_path) as log:
        log.create_topic("t", partitions=1)
        partition = log.partition("t", 0)
        partition.append(b"first")  # written through a map, into zeroes made before
        zeroed = segment(tmp_path, 0).stat().st_size
        partition.trim()
        trimmed = segment(tmp_path, 0).stat().st_size
        assert 0 < trimmed < zeroed
        assert segment(tmp_path, 0).with_suffix(".timeindex").exists()
        partition.append(b"second")
        partition.append_many([b"third"])
        assert [partition.read(offset).value for offset in range(3)] == [
            b"first",
            b"second",
            b"third",
        ]
    with logflume.open(tmp_path) as log:
        partition = log.partition("t", 0)
        assert partition.recovery.clean
        assert partition.read(2).value == b"third"


def test_all_are_trimmed_before_they_are_synced_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[list[int]] = []

    def together(partitions: list[Partition]) -> None:
        sizes.append([segment(tmp_path, n).stat().st_size for n in range(MANY)])
        sync_together(partitions)
        assert all(p.durable_offset == p.end_offset == 1 for p in partitions)

    monkeypatch.setattr(directory, "sync_together", together)
    with logflume.open(tmp_path) as log:
        log.create_topic("t", partitions=MANY)
        for n in range(MANY):
            log.partition("t", n).append(b"x")
    assert len(sizes) == 1
    assert sizes[0] == [segment(tmp_path, n).stat().st_size for n in range(MANY)]
    with logflume.open(tmp_path) as log:
        assert all(log.partition("t", n).recovery.clean for n in range(MANY))


def test_a_failed_trim_is_reported_by_close(tmp_path: Path) -> None:
    log = logflume.open(tmp_path)
    log.create_topic("t", partitions=MANY)
    for n in range(MANY):
        log.partition("t", n).append(b"x")
    index = segment(tmp_path, 3).with_suffix(".index.tmp")
    index.mkdir()  # where the index is written first
    with pytest.raises(logflume.errors.StorageError):
        log.close()
    index.rmdir()
    with logflume.open(tmp_path) as log:
        assert not log.partition("t", 3).recovery.clean
        assert log.partition("t", 3).read(0).value == b"x"
        assert log.partition("t", 4).recovery.clean


def test_deleting_reads_the_list_of_topics_as_often_for_many_partitions_as_for_few(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = 0
    read = TopicStore._read

    def counted(self: TopicStore) -> dict[str, logflume.log.topic_store.TopicEntry]:
        nonlocal reads
        reads += 1
        return read(self)

    found = []
    for partitions in (2, 200):
        with logflume.open(tmp_path) as log:
            log.create_topic("t", partitions=partitions)
        with logflume.open(tmp_path) as log, monkeypatch.context() as patch:
            reads = 0
            patch.setattr(TopicStore, "_read", counted)
            log.delete_topic("t")
            found.append(reads)
    assert found[0] == found[1] > 0
    assert not list(tmp_path.glob("t-*"))


@pytest.mark.parametrize("many", [True, False])
def test_a_sync_that_fails_among_many_is_told_by_its_partition_only(
    tmp_path: Path, many: bool
) -> None:
    with logflume.open(tmp_path) as log:
        log.create_topic("t", partitions=MANY)
        producer = log.producer(acks="all", linger_ms=60_000)
        deliveries = [producer.send("t", b"x", partition=n) for n in range(MANY)]
        keys = [b"%d" % n for n in range(500)]
        sync = (lambda: producer.send_many("t", keys, keys=keys)) if many else producer.flush
        arm_failpoints("sync.fdatasync:7:raise")
        with pytest.raises(logflume.errors.SyncFailed):
            sync()
        arm_failpoints("")
        bad = [p for p in log.directory.partitions("t") if p.durable_offset < p.end_offset]
        assert len(bad) == 1
        with pytest.raises(logflume.errors.SyncFailed):
            bad[0].append(b"more")
        failed = [delivery for delivery in deliveries if delivery.exception()]
        assert len(failed) == 1
    with logflume.open(tmp_path) as log:
        assert all(log.partition("t", n).read(0).value == b"x" for n in range(MANY))
