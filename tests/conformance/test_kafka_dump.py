"""A real Kafka reads what the engine wrote: its dump tool, and a broker started on our segments."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.kafka_peer import Broker, dump, dumped_rows
from support.partitions import Handle, Row, opened, read_all

pytestmark = [pytest.mark.peers, pytest.mark.timeout(300)]

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
BASE_TIME = 1_700_000_000_000


def fill(log: Any, count: int = 3000) -> None:
    """Records of all shapes, printable so that the dump can be compared; rolls several times."""
    values: list[bytes | None] = [b"value %d %s" % (i, b"x" * (i % 97)) for i in range(count)]
    keys: list[bytes | None] = [b"key-%d" % (i % 50) for i in range(count)]
    values[::13] = [None] * len(values[::13])
    keys[::7] = [None] * len(keys[::7])
    headers = [[("source", b"web"), ("empty", None)] if i % 5 == 0 else None for i in range(count)]
    stamps = [BASE_TIME + i * 10 - (5000 if i % 29 == 0 else 0) for i in range(count)]
    half = count // 2
    log.append_many(
        values[:half], keys=keys[:half], headers=headers[:half], timestamps=stamps[:half],
        batch_bytes=3000,
    )  # fmt: skip
    for value, key, heads, stamp in list(zip(values, keys, headers, stamps))[half:]:
        log.append(value, key, heads, stamp)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, list[Row]]]:
    """A closed log of several segments for each codec."""
    out = {}
    for codec, name in enumerate(CODECS):
        where = tmp_path_factory.mktemp(name)
        settings = {"compression": codec, "segment_bytes": 1 << 16, "index_interval_bytes": 1024}
        with opened(where, **settings) as log:
            fill(log)
            rows = read_all(log)
            assert len(log.segments()) > 2
        out[name] = where / "t-0", rows
    return out


@pytest.mark.parametrize("name", CODECS)
def test_the_dump_tool_prints_every_record(
    written: dict[str, tuple[Path, list[Row]]], name: str
) -> None:
    where, rows = written[name]
    dumped = dumped_rows(dump(sorted(where.glob("*.log")), "--deep-iteration", "--print-data-log"))
    assert [row for row, _ in dumped] == [row._replace(headers=()) for row in rows]
    assert [names for _, names in dumped] == [
        ",".join(name for name, _ in row.headers) for row in rows
    ]


@pytest.mark.parametrize("flag", [None, "--verify-index-only", "--index-sanity-check"])
def test_the_dump_tool_agrees_with_the_indexes(
    written: dict[str, tuple[Path, list[Row]]], flag: str | None
) -> None:
    files = [
        path
        for where, _ in written.values()
        for ending in ("*.index", "*.timeindex")
        for path in sorted(where.glob(ending))
    ]
    assert len(files) >= 20
    assert all(path.stat().st_size for path in files if path.suffix == ".timeindex")
    out = dump(files, *([flag] if flag else []))
    assert out.count("Dumping") == len(files)
    if flag == "--index-sanity-check":
        assert out.count("passed sanity check") == len(files)


def test_the_check_itself_sees_damage(
    written: dict[str, tuple[Path, list[Row]]], tmp_path: Path
) -> None:
    data = bytearray((written["none"][0] / f"{0:020}.log").read_bytes())
    data[1000] ^= 1
    (tmp_path / f"{0:020}.log").write_bytes(data)
    with pytest.raises(AssertionError):
        dump([tmp_path / f"{0:020}.log"], "--deep-iteration")


def test_an_unclean_log_is_whole_for_the_dump_tool_after_recovery(tmp_path: Path) -> None:
    handle = Handle(tmp_path / "live", segment_bytes=1 << 16, index_interval_bytes=512)
    fill(handle.log)
    rows = read_all(handle.log)
    shutil.copytree(tmp_path / "live", tmp_path / "killed")
    handle.close()
    with opened(tmp_path / "killed", segment_bytes=1 << 16, index_interval_bytes=512) as log:
        assert not log.recovery.clean
    where = tmp_path / "killed" / "t-0"
    dumped = dumped_rows(dump(sorted(where.glob("*.log")), "--deep-iteration", "--print-data-log"))
    assert [row for row, _ in dumped] == [row._replace(headers=()) for row in rows]
    dump([*sorted(where.glob("*.index")), *sorted(where.glob("*.timeindex"))])


# A broker on our directory, and we on a stopped broker's


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    node = Broker(tmp_path_factory.mktemp("kafka") / "cluster")
    node.up()
    try:
        yield node
    finally:
        node.down(wipe=True)


def create(address: str, *topics: str) -> None:
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient({"bootstrap.servers": address})
    wanted = [NewTopic(topic, 1, 1, config={"retention.ms": "-1"}) for topic in topics]
    for future in admin.create_topics(wanted).values():
        future.result(60)


def produce(address: str, topic: str, rows: list[tuple[bytes | None, bytes | None, int]]) -> None:
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": address, "linger.ms": 50})
    for value, key, stamp in rows:
        producer.produce(topic, value, key, partition=0, timestamp=stamp)
    assert producer.flush(60) == 0


def consume(address: str, topic: str, count: int, start: int = 0) -> list[Row]:
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer(
        {"bootstrap.servers": address, "group.id": "t", "enable.auto.commit": False}
    )
    consumer.assign([TopicPartition(topic, 0, start)])
    rows: list[Row] = []
    deadline = time.monotonic() + 60
    while len(rows) < count and time.monotonic() < deadline:
        for message in consumer.consume(count, 1.0):
            assert message.error() is None, message.error()
            headers = tuple(message.headers() or ())
            rows.append(
                Row(
                    message.offset(),
                    message.timestamp()[1],
                    message.key(),
                    message.value(),
                    headers,
                )
            )
    low, high = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=10)
    assert (low, high) == (0, start + count)
    consumer.close()
    return rows


def offset_for_time(address: str, topic: str, when: int) -> int:
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer({"bootstrap.servers": address, "group.id": "t"})
    found = consumer.offsets_for_times([TopicPartition(topic, 0, when)], timeout=30)[0]
    consumer.close()
    return int(found.offset)


def test_a_topic_goes_from_hand_to_hand(broker: Broker) -> None:
    """`ours` is written by us before Kafka sees a record; `theirs` by Kafka, us, Kafka, and read by us."""
    address = broker.up()
    create(address, *(f"ours-{name}" for name in CODECS), "theirs")
    theirs = [(b"kafka %d" % i, b"k%d" % (i % 9), BASE_TIME + i) for i in range(500)]
    produce(address, "theirs", theirs)
    broker.down()

    written = {}
    for codec, name in enumerate(CODECS):
        settings = {"compression": codec, "segment_bytes": 1 << 16, "index_interval_bytes": 1024}
        handle = Handle(broker.data, name=f"ours-{name}-0", **settings)
        fill(handle.log)
        written[f"ours-{name}"] = read_all(handle.log)
        assert len(handle.log.segments()) > 2
        handle.close()
    handle = Handle(broker.data, name="theirs-0", segment_bytes=20_000)
    rows = read_all(handle.log)
    assert [(row.value, row.key, row.timestamp) for row in rows] == theirs
    ours = [b"logflume %d" % i for i in range(2000)]
    handle.log.append_many(ours, timestamps=[BASE_TIME + 1000 + i for i in range(2000)])
    rows = read_all(handle.log)
    assert [row.value for row in rows[500:]] == ours
    assert len(handle.log.segments()) > 1
    handle.close()

    address = broker.up()
    for topic, expected in written.items():
        assert consume(address, topic, len(expected)) == expected
        assert consume(address, topic, len(expected) - 1717, 1717) == expected[1717:]
        when = BASE_TIME + 20_000
        first = next(row.offset for row in expected if row.timestamp >= when)
        assert offset_for_time(address, topic, when) == first
    assert consume(address, "theirs", 2500) == rows
    more = [(b"again %d" % i, None, BASE_TIME + 9000 + i) for i in range(300)]
    produce(address, "theirs", more)
    broker.down()

    handle = Handle(broker.data, name="theirs-0")
    everything = read_all(handle.log)
    handle.close()
    assert everything[:2500] == rows
    assert [(row.value, row.key, row.timestamp) for row in everything[2500:]] == more
    assert [row.offset for row in everything] == list(range(2800))
