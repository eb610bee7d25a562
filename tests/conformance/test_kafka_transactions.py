"""Transactions beside a real Kafka: its dump tool reads our side files, we read the directory it leaves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from logflume._native.transactions import complete
from support.kafka_peer import FAULTS, Broker, run, up
from support.partitions import opened, read_all
from support.transactional import NOW, batch

pytestmark = [pytest.mark.peers, pytest.mark.timeout(300)]

PRODUCER = re.compile(
    r"producerId: (\d+) producerEpoch: (\d+) coordinatorEpoch: (-?\d+) "
    r"currentTxnFirstOffset: (\S+) lastTimestamp: (\d+) firstSequence: (-?\d+) "
    r"lastSequence: (-?\d+) lastOffset: (-?\d+) offsetDelta: (-?\d+)"
)
ABORTED = re.compile(
    r"version: (\d+) producerId: (\d+) firstOffset: (\d+) lastOffset: (\d+) lastStableOffset: (\d+)"
)


def dump(path: Path) -> str:
    out = run("tool", "kafka-dump-log", "--files", str(path))
    assert not [line for line in out.splitlines() if any(fault in line for fault in FAULTS)], out
    return out


def dumped_producers(path: Path) -> dict[int, tuple[int, int, int, int, int]]:
    """Of each: epoch, last sequence, last offset, coordinator epoch, first offset of its transaction (-1)."""
    found = {}
    for match in PRODUCER.finditer(dump(path)):
        producer, epoch, coordinator, first, _, _, sequence, offset, _ = match.groups()
        at = re.search(r"\d+", first)
        found[int(producer)] = (
            int(epoch),
            int(sequence),
            int(offset),
            int(coordinator),
            int(at.group()) if at else -1,
        )
    return found


def ours(log: Any) -> dict[int, tuple[int, int, int, int, int]]:
    return {
        p.producer_id: (
            p.epoch,
            p.last_sequence,
            p.last_offset,
            p.coordinator_epoch,
            p.txn_first_offset,
        )
        for p in log.producers()
    }


def test_kafkas_dump_tool_reads_our_snapshots_and_transaction_index(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        log.append_batches(batch(1, 0, 3))
        log.append_batches(batch(2, 0, 2, transactional=True))
        log.append_batches(batch(3, 7, transactional=True, epoch=4))
        complete(None, [log], producer_id=2, producer_epoch=1, coordinator_epoch=6, commit=False)
        log.append_batches(batch(2, 0, transactional=True, epoch=1))
        complete(None, [log], producer_id=2, producer_epoch=1, coordinator_epoch=6, commit=True)
        known, aborted = ours(log), log.aborted(0, 100)
        assert log.last_stable_offset == 5
    folder = tmp_path / "t-0"
    assert dumped_producers(folder / f"{9:020d}.snapshot") == known
    assert known[2] == (1, 0, 7, 6, -1)
    assert known[3] == (4, 7, 5, -1, 5)
    entries = [
        tuple(map(int, m.groups())) for m in ABORTED.finditer(dump(folder / f"{0:020d}.txnindex"))
    ]
    assert [(e[1], e[2], e[3]) for e in entries] == [tuple(a) for a in aborted] == [(2, 3, 6)]
    assert entries[0][4] == 5
    out = run(
        "tool", "kafka-dump-log", "--print-data-log", "--files", str(folder / f"{0:020d}.log")
    )
    assert "endTxnMarker: ABORT coordinatorEpoch: 6" in out
    assert "endTxnMarker: COMMIT coordinatorEpoch: 6" in out


@pytest.fixture(scope="module")
def left_behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, list[bytes]]]:
    """A stopped Kafka's directory, and the values that its own read_committed consumer got."""
    pytest.importorskip("confluent_kafka")
    from confluent_kafka import Consumer, Producer, TopicPartition
    from confluent_kafka.admin import AdminClient, NewTopic

    where = tmp_path_factory.mktemp("kafka")
    broker = Broker(where)
    try:
        address = up(where)
        common = {"bootstrap.servers": address}
        admin = AdminClient(common)
        admin.create_topics([NewTopic("t", 1, 1, config={"segment.bytes": "1048576"})])["t"].result(
            30
        )
        plain = Producer({**common, "enable.idempotence": True})
        one, two, last = (
            Producer({**common, "transactional.id": f"x{i}", "linger.ms": 0}) for i in range(3)
        )
        for producer in (one, two, last):
            producer.init_transactions(30)
        for i in range(12):
            plain.produce("t", b"plain %d" % i, partition=0)
            plain.flush(60)
            for producer in (one, two):
                producer.begin_transaction()
            for k in range(4):
                for name, producer in ((b"one", one), (b"two", two)):
                    producer.produce("t", b"%s %d.%d " % (name, i, k) + b"x" * 40_000, partition=0)
                    producer.flush(60)
            (one.abort_transaction if i % 3 == 0 else one.commit_transaction)(30)
            (two.abort_transaction if i % 4 == 1 else two.commit_transaction)(30)
        last.begin_transaction()
        last.produce("t", b"undecided", partition=0)
        last.flush(60)
        plain.produce("t", b"behind it", partition=0)
        plain.flush(60)
        consumer = Consumer({**common, "group.id": "g", "isolation.level": "read_committed"})
        consumer.assign([TopicPartition("t", 0, 0)])
        values: list[bytes] = []
        while (message := consumer.poll(3)) is not None:
            values.append(message.value())
        consumer.close()
        broker.down()
        yield broker.data, values
    finally:
        broker.down(wipe=True)


def test_we_read_what_a_stopped_kafka_left(
    left_behind: tuple[Path, list[bytes]], tmp_path: Path
) -> None:
    import shutil

    data, values = left_behind
    shutil.copytree(data / "t-0", tmp_path / "t-0")
    folder = tmp_path / "t-0"
    snapshots = sorted(folder.glob("*.snapshot"))
    indexes = {path: path.read_bytes() for path in sorted(folder.glob("*.txnindex"))}
    assert len(snapshots) > 2
    newest = dumped_producers(snapshots[-1])
    with opened(tmp_path, segment_bytes=1 << 20) as log:
        assert ours(log) == newest
        assert [value for value in newest.values() if value[4] >= 0]
        assert len(values) > 50
        reader = log.reader(read_committed=True)
        got = []
        while rows := [bytes(record.value) for record in reader.read(7)]:
            got += rows
        assert got == values
        assert log.last_stable_offset == log.open_transactions()[0].first_offset
        assert [row.value for row in read_all(log)][-2:] == [b"undecided", b"behind it"]
        aborted = log.aborted(0, log.end_offset)
        assert len(aborted) == 4 + 3
        entries = [
            tuple(map(int, m.groups()))
            for path, content in indexes.items()
            if content
            for m in ABORTED.finditer(dump(path))
        ]
        assert [(e[1], e[2], e[3]) for e in entries] == [tuple(a) for a in aborted]
    # Looked at segment by segment, ours are Kafka's to the byte: nothing was written anew.
    assert {path: path.read_bytes() for path in indexes if path.exists()} == {
        path: content for path, content in indexes.items() if path.exists()
    }
    # And from the log alone.
    for path in (*folder.glob("*.snapshot"), *folder.glob("*.txnindex"), folder / "logflume.state"):
        path.unlink()
    with opened(tmp_path, segment_bytes=1 << 20) as log:
        assert ours(log) == newest
        assert log.aborted(0, log.end_offset) == aborted
    for path, content in indexes.items():
        assert (path.read_bytes() if path.exists() else b"") == content


def test_the_markers_are_kafkas_bytes(
    left_behind: tuple[Path, list[bytes]], tmp_path: Path
) -> None:
    """A marker of Kafka's, and ours with the same time, ids and epochs."""
    from logflume._native.batches import BatchScan

    data, _ = left_behind
    content = min((data / "t-0").glob("*.log")).read_bytes()
    [theirs] = [b for b in BatchScan(content) if b.control][:1]
    [record] = theirs.records()
    coordinator = int.from_bytes(bytes(record.value)[2:6], "big")
    with opened(tmp_path) as log:
        log.append_batches(
            batch(theirs.producer_id, 0, transactional=True, epoch=theirs.producer_epoch)
        )
        complete(
            None,
            [log],
            producer_id=theirs.producer_id,
            producer_epoch=theirs.producer_epoch,
            coordinator_epoch=coordinator,
            commit=bytes(record.key)[3] == 1,
        )
    [_, mine] = BatchScan((tmp_path / "t-0" / f"{0:020d}.log").read_bytes())
    assert mine.base_timestamp == mine.max_timestamp >= NOW - 60_000
    # Offset, leader epoch, checksum and times aside.
    mask = [*range(8), *range(12, 16), *range(17, 21), *range(27, 43)]
    left, right = bytearray(bytes(theirs)), bytearray(bytes(mine))
    for at in mask:
        left[at] = right[at] = 0
    assert left == right
