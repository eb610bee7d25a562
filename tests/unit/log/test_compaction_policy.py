"""When a partition is compacted, and how far: Kafka's rules and its checkpoint."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import logflume
from logflume import errors
from logflume._native.partition_log import arm_failpoints
from logflume.client.log import Log
from logflume.log.checkpoints import read_offsets
from logflume.types import TopicPartition

NOW = 1_700_000_000_000
DAY = 86_400_000


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    with logflume.open(tmp_path / "data") as opened:
        yield opened


def checkpoint(log: Log) -> dict[TopicPartition, int]:
    return read_offsets(f"{log.path}/cleaner-offset-checkpoint")


def create(log: Log, name: str = "t", **config: object) -> None:
    log.create_topic(name, config={"cleanup.policy": "compact", **config})


def put(log: Log, count: int, *, topic: str = "t", at: int = NOW, keys: int = 5) -> None:
    """So many records of 1000 bytes, and a roll."""
    partition = log.partition(topic, 0)
    for i in range(count):
        partition.append(b"x" * 1000, key=b"%d" % (i % keys), timestamp=at)
    partition.roll()


def offsets(log: Log, topic: str = "t") -> list[int]:
    return [record.offset for record in log.partition(topic, 0).read_batch(0)]


def test_maintenance_compacts_from_the_dirty_ratio_on(log: Log) -> None:
    create(log, **{"min.cleanable.dirty.ratio": 0.5})
    put(log, 10)
    assert log.maintenance(now_ms=NOW) == {("t", 0): (0, pytest.approx(5 * 1070, abs=200))}
    assert offsets(log) == list(range(5, 10))
    assert checkpoint(log) == {TopicPartition("t", 0): 10}
    put(log, 4)  # 4 of 9 kB
    assert log.maintenance(now_ms=NOW) == {}
    assert offsets(log) == list(range(5, 14))
    put(log, 2)
    assert log.maintenance(now_ms=NOW)
    assert offsets(log) == [9, 12, 13, 14, 15]
    assert checkpoint(log) == {TopicPartition("t", 0): 16}
    assert log.maintenance(now_ms=NOW) == {}


def test_only_topics_with_the_policy(log: Log) -> None:
    log.create_topic("t")
    put(log, 10)
    assert log.maintenance(now_ms=NOW) == {}
    assert log.compact(force=True) == []
    log.alter_topic("t", config={"cleanup.policy": "compact,delete", "retention.ms": DAY})
    assert log.maintenance(now_ms=NOW)[("t", 0)][1] > 0
    assert offsets(log) == list(range(5, 10))
    assert log.maintenance(now_ms=NOW + DAY + 1)[("t", 0)][0] == 1
    assert log.partition("t", 0).start_offset == 10
    # What was compacted stays readable when it is compacted no more.
    put(log, 10)
    log.compact("t", now_ms=NOW)
    log.alter_topic("t", config={"cleanup.policy": "delete"})
    log.partition("t", 0).append(b"keys are not needed any more")
    assert [r.offset for r in log.partition("t", 0).read_batch(10)] == [*range(15, 21)]


def test_the_young_stay_as_they_are(log: Log) -> None:
    create(log, **{"min.compaction.lag.ms": DAY})
    put(log, 10, at=NOW - 2 * DAY)
    put(log, 10, at=NOW - DAY + 1000)
    put(log, 10, at=NOW - 2 * DAY)  # old ones behind young ones wait too
    (report,) = log.compact("t", now_ms=NOW)
    assert (report.end_offset, offsets(log)) == (10, list(range(5, 30)))
    log.compact("t", now_ms=NOW + 1000)
    assert offsets(log) == list(range(25, 30))


def test_the_old_do_not_wait_for_the_ratio(log: Log) -> None:
    create(log, **{"max.compaction.lag.ms": DAY, "min.cleanable.dirty.ratio": 0.9})
    put(log, 10, at=NOW, keys=10)
    log.compact("t", now_ms=NOW, force=True)
    put(log, 2, at=NOW)
    assert log.maintenance(now_ms=NOW + DAY) == {}
    assert log.maintenance(now_ms=NOW + DAY + 1) != {}
    assert offsets(log) == list(range(2, 12))
    assert log.maintenance(now_ms=NOW + 2 * DAY) == {}


def test_the_lag_rolls_the_active_segment(log: Log) -> None:
    create(log, **{"max.compaction.lag.ms": DAY})
    partition = log.partition("t", 0)
    for at in (NOW, NOW + DAY, NOW + DAY + 1):
        partition.append(b"x", key=b"k", timestamp=at)
    assert len(partition.segments()) == 2


def test_a_checkpoint_from_elsewhere_is_not_believed(log: Log) -> None:
    create(log)
    put(log, 10)
    for wrong in (11, 1 << 40):
        Path(log.path, "cleaner-offset-checkpoint").write_text(f"0\n1\nt 0 {wrong}\n")
        (report,) = log.compact("t", now_ms=NOW, force=True)
        assert report.end_offset == 10
    assert offsets(log) == list(range(5, 10))


def test_a_deleted_topic_leaves_no_checkpoint(log: Log) -> None:
    create(log)
    create(log, "other")
    for topic in ("t", "other"):
        put(log, 10, topic=topic)
    log.maintenance(now_ms=NOW)
    log.delete_topic("t")
    assert checkpoint(log) == {TopicPartition("other", 0): 10}
    create(log)
    put(log, 10)
    log.maintenance(now_ms=NOW)
    assert offsets(log) == list(range(5, 10))


def test_a_topic_deleted_meanwhile_is_passed_over(log: Log) -> None:
    create(log)
    partition = log.partition("t", 0)
    partition.append_many([b"x" * 1000] * 5, keys=[b"k"] * 5)
    partition.roll()
    arm_failpoints("compact.write:1:sleep=0.5")
    try:
        found: list[object] = []
        thread = threading.Thread(target=lambda: found.append(log.compact(force=True)))
        thread.start()
        while not list(Path(partition.path).glob("*.cleaned")):
            assert thread.is_alive()
        log.delete_topic("t")
        thread.join()
    finally:
        arm_failpoints("")
    assert found == [[]]
    assert not [name for name in os.listdir(log.path) if name.startswith("t-")]


def test_a_topic_of_the_same_name_begins_at_zero(log: Log) -> None:
    create(log)
    put(log, 10)
    log.delete_records({("t", 0): 7})
    log.delete_topic("t")
    create(log)
    assert log.partition("t", 0).end_offset == 0


def test_a_small_map_is_told_in_the_report(tmp_path: Path) -> None:
    with logflume.open(tmp_path / "small", log_cleaner_dedupe_buffer_size=1024) as log:
        create(log)
        put(log, 200, keys=100)
        (report,) = log.compact("t", now_ms=NOW)
        assert report.passes > 2
        assert report.keys >= 100
        assert offsets(log) == list(range(100, 200))


def test_an_unknown_topic(log: Log) -> None:
    with pytest.raises(errors.UnknownTopicOrPartition):
        log.compact("nowhere")


def test_a_read_only_log_is_not_compacted(log: Log) -> None:
    create(log)
    put(log, 10)
    log.close()
    with logflume.open(log.path, read_only=True) as reader, pytest.raises(errors.ReadOnlyDirectory):
        reader.maintenance()


def test_records_without_a_key_are_refused(log: Log) -> None:
    create(log)
    partition = log.partition("t", 0)
    with log.producer() as producer:
        for call in (
            lambda: partition.append(b"x"),
            lambda: partition.append_many([b"x", b"y"], keys=[b"k", None]),
            lambda: partition.append_many([b"x"]),
            lambda: producer.send("t", b"x"),
            lambda: producer.send_many("t", [b"x"]),
            lambda: producer.send_many("t", [b"x"], keys=[None]),
        ):
            with pytest.raises(errors.InvalidRecord, match="no key") as caught:
                call()
            assert caught.value.code == 87
        producer.send("t", b"x", key=b"")
    assert partition.end_offset == 1


def test_in_the_background_when_asked_for(log: Log) -> None:
    create(log)
    put(log, 10)
    upkeep = log.start_maintenance(0.02)
    deadline = time.monotonic() + 60
    while offsets(log) != list(range(5, 10)):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    again = log.start_maintenance(60)
    assert not upkeep.running
    assert again.running
    log.close()
    assert not again.running
    with pytest.raises(errors.InvalidConfig), logflume.open(log.path) as reopened:
        reopened.start_maintenance(0)


def test_a_failure_in_the_background_is_logged_and_tried_again(
    log: Log, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[int] = []

    def fail() -> None:
        calls.append(1)
        raise errors.DiskFull(path="/d")

    monkeypatch.setattr(log, "maintenance", fail)
    upkeep = log.start_maintenance(0.01)
    deadline = time.monotonic() + 60
    while len(calls) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    upkeep.stop()
    assert "maintenance_failed" in caplog.text
