"""Directories with transactions go from hand to hand: ours to Kafka's tools and broker, a stopped Kafka's to us."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import logflume
from support.kafka_peer import FAULTS, Broker, dump, run, up
from support.sides import KafkaSide, LogflumeSide, Place, Sent, Side, View

pytestmark = [pytest.mark.peers, pytest.mark.timeout(300)]

NOW = time.time_ns() // 1_000_000 - 600_000
SETTINGS = ("transaction.state.log.num.partitions=1", "offsets.topic.num.partitions=1")
PLACES: list[Place] = [("hand", 0), ("hand", 1)]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    made = Broker(tmp_path_factory.mktemp("hands") / "peer")
    try:
        yield made
    finally:
        made.down(wipe=True)


def rows(name: str, count: int) -> list[Sent]:
    return [Sent(NOW + i, b"%d" % (i % 3), f"{name} {i}".encode()) for i in range(count)]


def write(side: Side, name: str, topic: str = "hand") -> None:
    """One committed over both partitions, one aborted between its records, plain ones behind."""
    places = [(topic, 0), (topic, 1)]
    side.begin(f"{name}-1")
    side.begin(f"{name}-2")
    for place in places:
        side.add(f"{name}-1", place, rows(f"{name} committed", 5))
        side.add(f"{name}-2", place, rows(f"{name} aborted", 4))
        side.add(f"{name}-1", place, rows(f"{name} committed too", 3))
    side.end(f"{name}-2", commit=False)
    side.end(f"{name}-1", commit=True)
    for place in places:
        side.produce(place, rows(f"{name} plain", 2), "lz4")


def views(side: Side) -> list[View]:
    return [side.view(place) for place in PLACES]


def test_a_stopped_kafkas_transactions_are_read_and_ours_by_a_started_one(broker: Broker) -> None:
    kafka = KafkaSide(up(broker.where, *(f"--set={setting}" for setting in SETTINGS)))
    kafka.create("hand", 2, {"retention.ms": "-1"})
    write(kafka, "theirs")
    kafka.begin("theirs-open")
    kafka.add("theirs-open", PLACES[0], rows("open", 3))
    kafka.produce(PLACES[0], rows("behind the open one", 2), "none")
    theirs = views(kafka)
    assert theirs[0].stable < theirs[0].end
    kafka.close()
    broker.down()

    looking = LogflumeSide(broker.data, read_only=True)
    assert views(looking) == theirs
    looking.close()

    ours = LogflumeSide(broker.data)
    # What Kafka left open has no owner here: it is aborted, and hides nothing any more.
    ours.log.maintenance()
    write(ours, "ours")
    written = views(ours)
    assert [view.stable for view in written] == [view.end for view in written]
    assert len(written[0].committed) > len(theirs[0].committed) + 8
    ours.close()

    kafka = KafkaSide(broker.up())
    assert views(kafka) == written
    write(kafka, "again")
    both = views(kafka)
    kafka.close()
    broker.down()

    looking = LogflumeSide(broker.data, read_only=True)
    assert views(looking) == both
    looking.close()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Transactions of all codecs in a compacted topic of several segments, with offsets of a group; closed."""
    directory = tmp_path_factory.mktemp("ours")
    side = LogflumeSide(directory)
    config = {"cleanup.policy": "compact", "segment.bytes": "16384", "retention.ms": "-1",
              "index.interval.bytes": "512", "min.cleanable.dirty.ratio": "0.01"}  # fmt: skip
    side.create("t", 2, config)
    for number in range(40):
        side.begin("w")
        for place in (("t", 0), ("t", 1)):
            side.add("w", place, rows(f"round {number} " + "x" * 300, 5))
        side.add_offsets("w", "g", {("t", 0): number})
        side.end("w", commit=number % 3 > 0)
    side.log.compact(force=True)
    for number in range(3):
        write(side, f"later {number}", "t")
    side.close()
    return directory


def test_the_dump_tool_finds_no_fault_in_compacted_transactions(written: Path) -> None:
    logs = sorted(written.glob("t-*/*.log"))
    assert len(logs) >= 4
    out = run(
        "tool", "kafka-dump-log", "--deep-iteration", "--print-data-log",
        "--files", ",".join(map(str, logs)),
    )  # fmt: skip
    # Compaction leaves gaps between offsets.
    assert not [
        line
        for line in out.splitlines()
        if any(fault in line for fault in FAULTS if fault != " is followed by ")
    ]
    assert out.count("endTxnMarker: COMMIT") >= 3
    assert out.count("endTxnMarker: ABORT") >= 3
    dump([*written.glob("t-*/*.index"), *written.glob("t-*/*.timeindex")])


def test_the_dump_tool_reads_the_aborted_and_the_producers(written: Path) -> None:
    """`.txnindex` and `.snapshot` have what the log says."""
    with logflume.open(written, read_only=True) as log:
        partition = log.partition("t", 0)
        aborted = partition.aborted(0, partition.end_offset)
        producers = partition.producers()
    indexes = [path for path in sorted(written.glob("t-0/*.txnindex")) if path.stat().st_size]
    assert indexes
    listed = dump(indexes).replace(" ", "")
    for one in aborted:
        assert f"producerId:{one.producer_id}firstOffset:{one.first_offset}" in listed
    snapshot = max(written.glob("t-0/*.snapshot"))
    out = dump([snapshot])
    for state in producers:
        assert f"producerId: {state.producer_id} " in out
    assert out.count("producerId: ") == len(producers)


def test_the_dump_tool_decodes_the_state_of_transactions_and_groups(written: Path) -> None:
    states = sorted(written.glob("__transaction_state-*/*.log"))
    out = run(
        "tool", "kafka-dump-log", "--transaction-log-decoder", "--files", ",".join(map(str, states))
    )
    assert '"transactionStatus":4' in out  # CompleteCommit
    assert '"transactionStatus":5' in out  # CompleteAbort
    assert "Exception" not in out
    offsets = [path for path in written.glob("__consumer_offsets-*/*.log") if path.stat().st_size]
    out = run("tool", "kafka-dump-log", "--offsets-decoder", "--files", ",".join(map(str, offsets)))
    assert '"topic":"t"' in out.replace(" ", "")
    assert "Exception" not in out
