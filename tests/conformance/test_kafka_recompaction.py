"""Compacted again and again by a real Kafka and by us, each time from the same bytes: the same stays.

Between two runs more is written, transactions overlap, and the time of tombstones and markers passes.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from conformance.test_kafka_compaction import configure, shape, wait_for_cleaner
from support.cleaning import batches_of, compact
from support.kafka_peer import Broker, up
from support.partitions import opened, read_all

pytestmark = [pytest.mark.peers, pytest.mark.timeout(400)]

TOPICS = ("overlapping", "keyed")
RUNS = 4
RETENTION_MS = 500
NEVER = str(100 * 86_400_000)
SETTINGS = (
    "log.cleaner.backoff.ms=200", "log.cleaner.dedupe.buffer.size=2097152",
    "transaction.state.log.num.partitions=1", "offsets.topic.num.partitions=1",
)  # fmt: skip


class Stage(NamedTuple):
    """One run: the partition before it and behind it, where it began, and when it was over (ms)."""

    before: Path
    after: Path
    first_dirty: int
    now_ms: int


Stages = dict[str, list[Stage]]


def overlap(address: str, run: int, at: int) -> None:
    """Three writers whose transactions overlap in all ways; each third one is aborted."""
    from confluent_kafka import Producer

    common = {"bootstrap.servers": address, "linger.ms": 1000}
    writers = [Producer({**common, "transactional.id": f"writer-{n}"}) for n in range(3)]
    for writer in writers:
        writer.init_transactions(30)
    for turn in range(12):
        writer = writers[turn % 3]
        if turn >= 3:
            writer.abort_transaction(30) if turn % 4 == run % 4 else writer.commit_transaction(30)
        writer.begin_transaction()
        for number in range(8):
            key = b"key %d" % ((turn * 5 + number) % 11)
            value = None if number == 7 else b"%d %d %d" % (run, turn, number)
            writer.produce("overlapping", value, key, 0, timestamp=at + turn * 2000 + number)
        writer.flush(60)
    for number, writer in enumerate(writers):
        writer.commit_transaction(30) if number else writer.abort_transaction(30)
    producer = Producer(common)
    producer.produce("overlapping", b"%d" % run, b"last", 0, timestamp=at + 90_000)
    producer.flush(60)


def keyed(address: str, run: int, at: int) -> None:
    """Tombstones, keys that come back, batches that lose all of their records."""
    from confluent_kafka import Producer

    for part in range(4):
        producer = Producer(
            {"bootstrap.servers": address, "linger.ms": 1000, "enable.idempotence": True}
        )
        for number in range(12):
            key = b"key %d" % ((run + part * 3 + number) % 9)
            value = None if (number + part) % 5 == 0 else b"%d %d %d" % (run, part, number)
            producer.produce("keyed", value, key, 0, timestamp=at + part * 10_000 + number)
        producer.flush(60)


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stages]:
    where = tmp_path_factory.mktemp("again")
    broker = Broker(where / "peer")
    found: Stages = {topic: [] for topic in TOPICS}
    try:
        address = up(broker.where, *(f"--set={setting}" for setting in SETTINGS))
        for topic in TOPICS:
            configure(
                address, topic, cleanup_policy="compact", segment_ms="5000", retention_ms="-1",
                delete_retention_ms=str(RETENTION_MS), min_cleanable_dirty_ratio="0.0001",
                min_compaction_lag_ms=NEVER,
            )  # fmt: skip
        for run in range(RUNS):
            # Later than the markers, which have the time of day: so that segments are rolled.
            at = int(time.time() * 1000) + (run + 1) * 600_000
            overlap(address, run, at)
            keyed(address, run, at)
            broker.down()
            before = where / f"before {run}"
            for topic in TOPICS:
                shutil.copytree(broker.data / f"{topic}-0", before / topic / "t-0")
            cleaned = _cleaned(broker.data)
            address = broker.up()
            ends = {}
            for topic in TOPICS:
                ends[topic] = int(max((before / topic / "t-0").glob("*.log")).stem)
                configure(address, topic, min_compaction_lag_ms="0")
            wait_for_cleaner(broker.data, ends)
            for topic in TOPICS:
                configure(address, topic, min_compaction_lag_ms=NEVER)
            now = int(time.time() * 1000)
            broker.down()
            for topic in TOPICS:
                after = where / f"after {run}" / topic
                shutil.copytree(broker.data / f"{topic}-0", after)
                found[topic].append(Stage(before / topic, after, cleaned.get(topic, 0), now))
            time.sleep(2 * RETENTION_MS / 1000)
            address = broker.up()
        yield found
    finally:
        broker.down(wipe=True)


def _cleaned(data: Path) -> dict[str, int]:
    path = data / "cleaner-offset-checkpoint"
    lines = path.read_text().splitlines()[2:] if path.exists() else []
    return {line.split()[0]: int(line.split()[2]) for line in lines}


@pytest.mark.parametrize("run", range(RUNS))
@pytest.mark.parametrize("topic", TOPICS)
def test_the_same_stays(stages: Stages, topic: str, run: int, tmp_path: Path) -> None:
    stage = stages[topic][run]
    shutil.copytree(stage.before, tmp_path, dirs_exist_ok=True)
    with opened(tmp_path, segment_bytes=1 << 30, allow_gaps=True) as log:
        compact(log, now=stage.now_ms, retention=RETENTION_MS, first_dirty=stage.first_dirty)
        visible = [row[:2] for row in read_all(log)]
        aborted = log.aborted(0, log.end_offset)
        producers = log.producers()
    ours, theirs = batches_of(tmp_path / "t-0", sealed=True), batches_of(stage.after, sealed=True)
    assert [shape(b) for b in ours] == [shape(b) for b in theirs]
    sealed = sorted(stage.after.glob("*.txnindex"))[:-1]
    for index in sealed:
        assert (tmp_path / "t-0" / index.name).read_bytes() == index.read_bytes(), index.name
    # What Kafka has made of it says the same to us.
    shutil.copytree(stage.after, tmp_path / "theirs" / "t-0")
    with opened(tmp_path / "theirs", segment_bytes=1 << 30, allow_gaps=True) as log:
        assert [row[:2] for row in read_all(log)] == visible
        assert log.aborted(0, log.end_offset) == aborted
        assert {p[:3] for p in log.producers()} == {p[:3] for p in producers}
        readers: list[Any] = [log.reader(read_committed=True)]
        while readers[0].read(1000):
            pass
        assert readers[0].position == log.end_offset
