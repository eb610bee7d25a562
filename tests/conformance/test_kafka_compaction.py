"""The same log compacted by a real Kafka and by us: the same batches with the same records stay."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from model import batch_twin
from support.cleaning import batches_of, compact
from support.kafka_peer import FAULTS, Broker, dump, run, up
from support.partitions import opened, read_all

pytestmark = [pytest.mark.peers, pytest.mark.timeout(300)]

TOPICS = ("none", "gzip", "snappy", "lz4", "zstd", "transactions")
Logs = dict[str, tuple[Path, Path]]


def configure(address: str, topic: str, **config: str) -> None:
    from confluent_kafka.admin import (
        AdminClient,
        AlterConfigOpType,
        ConfigEntry,
        ConfigResource,
        NewTopic,
        ResourceType,
    )

    admin = AdminClient({"bootstrap.servers": address})
    values = {name.replace("_", "."): value for name, value in config.items()}
    if topic not in admin.list_topics(timeout=30).topics:
        admin.create_topics([NewTopic(topic, 1, 1, config=values)])[topic].result(60)
        return
    entries = [
        ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
        for name, value in values.items()
    ]
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)
    admin.incremental_alter_configs([resource])[resource].result(60)


def send(producer: Any, topic: str, start: int, count: int, at: int) -> None:
    """Keys of which some come often, some once, some never (None); every ninth value is a tombstone."""
    for i in range(start, start + count):
        key = None if i % 31 == 0 else b"often %d" % (i % 5) if i % 3 else b"once %d" % i
        value = None if i % 9 == 0 else b"value %d " % i + b"x" * (i % 60)
        headers = [("n", b"%d" % i)] if i % 4 == 0 else []
        producer.produce(
            topic, value=value, key=key, headers=headers, timestamp=at + i, partition=0
        )
    producer.flush(60)


def fill(address: str, topic: str) -> None:
    from confluent_kafka import Producer

    base = int(time.time() * 1000) - 3_600_000
    codec = topic if topic != "transactions" else "none"
    common = {"bootstrap.servers": address, "compression.type": codec, "linger.ms": 1000}
    if topic != "transactions":
        # New producer ids: of each the last batch stays, without its records where they are superseded.
        for part in range(6):
            producer = Producer({**common, "enable.idempotence": part % 2 == 0})
            send(producer, topic, part * 40, 40, base + part * 10_000)
        return
    # Markers have the time of day: records that are later roll segments, earlier ones would not.
    base += 3_700_000
    one, two = (Producer({**common, "transactional.id": f"{topic}-{n}"}) for n in "12")
    one.init_transactions(30)
    two.init_transactions(30)
    for part in range(8):
        producer, at = (one, two)[part % 2], base + part * 10_000
        producer.begin_transaction()
        send(producer, topic, part * 30, 15, at)
        if part in (1, 4):
            producer.abort_transaction(30)
            continue
        send(producer, topic, part * 30 + 15, 15, at)
        producer.commit_transaction(30)
    send(Producer(common), topic, 1000, 5, base + 100_000)


def wait_for_cleaner(data: Path, ends: dict[str, int]) -> None:
    deadline = time.monotonic() + 90
    while True:
        text = (data / "cleaner-offset-checkpoint").read_text()
        at = {line.split()[0]: int(line.split()[2]) for line in text.splitlines()[2:]}
        if all(at.get(topic) == end for topic, end in ends.items()):
            return
        assert time.monotonic() < deadline, (text, ends)
        time.sleep(0.5)


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Logs]:
    """Of each topic: the partition before, and as Kafka compacted it."""
    where = tmp_path_factory.mktemp("cleaner")
    broker = Broker(where / "peer")
    settings = ("log.cleaner.backoff.ms=200", "log.cleaner.dedupe.buffer.size=2097152",
                "transaction.state.log.num.partitions=1", "offsets.topic.num.partitions=1",
                "log.cleaner.min.compaction.lag.ms=0")  # fmt: skip
    common = {"segment_ms": "5000", "retention_ms": "-1", "delete_retention_ms": "86400000"}
    try:
        address = up(broker.where, *(f"--set={setting}" for setting in settings))
        for topic in TOPICS:
            configure(address, topic, cleanup_policy="delete", **common)
            fill(address, topic)
        broker.down()
        before = where / "before"
        for topic in TOPICS:
            shutil.copytree(broker.data / f"{topic}-0", before / topic / "t-0")
        address = broker.up()
        ends = {}
        for topic in TOPICS:
            policy = {"cleanup_policy": "compact", "min_cleanable_dirty_ratio": "0.0001"}
            configure(address, topic, **policy)
            ends[topic] = int(max((before / topic / "t-0").glob("*.log")).stem)
        wait_for_cleaner(broker.data, ends)
        broker.down()
        yield {topic: (before / topic, broker.data / f"{topic}-0") for topic in TOPICS}
    finally:
        broker.down(wipe=True)


def shape(batch: batch_twin.Batch) -> tuple[Any, ...]:
    """All of a batch but what no two compactions have in common: times of delete horizons, sizes."""
    return (
        batch.base_offset,
        batch.last_offset,
        batch.attributes,
        batch.max_timestamp,
        (batch.producer_id, batch.producer_epoch, batch.base_sequence),
        batch.leader_epoch,
        batch.records,
    )


@pytest.mark.parametrize("topic", TOPICS)
def test_the_same_batches_stay(logs: Logs, topic: str, tmp_path: Path) -> None:
    before, theirs = logs[topic]
    shutil.copytree(before, tmp_path, dirs_exist_ok=True)
    with opened(tmp_path, segment_bytes=1 << 30) as log:
        total = len(read_all(log))
        compact(log, now=int(time.time() * 1000), retention=86_400_000)
        rows = read_all(log)
        assert 10 < len(rows) < total
    ours = batches_of(tmp_path / "t-0", sealed=True)
    assert [shape(b) for b in ours] == [shape(b) for b in batches_of(theirs, sealed=True)]
    horizons = [b for b in ours if b.attributes & batch_twin.DELETE_HORIZON]
    assert horizons
    # Our files suit Kafka's own eyes, too; gaps it calls a fault, which they are elsewhere.
    files = sorted((tmp_path / "t-0").glob("*.log"))
    out = run("tool", "kafka-dump-log", "--deep-iteration", "--files", ",".join(map(str, files)))
    faults = [line for line in out.splitlines() if any(fault in line for fault in FAULTS)]
    assert all(" is followed by " in line for line in faults)
    dump([p for p in sorted((tmp_path / "t-0").glob("*index")) if p.suffix != ".txnindex"])
    for index in (tmp_path / "t-0").glob("*.txnindex"):
        assert index.read_bytes() == (theirs / index.name).read_bytes()


@pytest.mark.parametrize("topic", TOPICS)
def test_what_kafka_compacted_is_read(logs: Logs, topic: str, tmp_path: Path) -> None:
    _, theirs = logs[topic]
    shutil.copytree(theirs, tmp_path / "t-0")
    with opened(tmp_path, allow_gaps=True) as log:
        records = [r for b in batches_of(tmp_path / "t-0") if not b.control for r in b.records]
        assert [row.offset for row in read_all(log)] == [record.offset for record in records]
        # There is nothing left to do, but for tombstones whose time comes.
        compact(log, now=int(time.time() * 1000))
        assert [row.offset for row in read_all(log)] == [record.offset for record in records]
