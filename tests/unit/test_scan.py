"""Windows of topics: which rows, which columns, and that nothing outside is read."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

import logflume
from logflume import errors
from logflume.client import low_times
from logflume.client.scan import COLUMN_NAMES, Scan

T0 = 1_700_000_000_000
COUNT = 20_000


@pytest.fixture
def log(tmp_path: Path) -> Iterator[logflume.Log]:
    """Two partitions; value n of partition p is n * 2 + p, its time T0 + n."""
    with logflume.open(tmp_path / "log") as log:
        log.create_topic("t", partitions=2)
        for number in range(2):
            values = np.arange(COUNT, dtype="<i8") * 2 + number
            log.partition("t", number).append_many(values, timestamps=T0 + np.arange(COUNT))
        yield log


def rows(scan: Scan) -> list[tuple[int, int]]:
    return [(record.partition, record.offset) for batch in scan for record in batch]


def test_all_of_a_topic_comes_partition_by_partition(log: logflume.Log) -> None:
    assert rows(log["t"].scan()) == [(p, n) for p in range(2) for n in range(COUNT)]


def test_a_window_of_offsets(log: logflume.Log) -> None:
    topic = log["t"]
    expected = [(p, n) for p in range(2) for n in range(5, 900)]
    assert rows(topic.scan(offsets=(5, 900))) == rows(topic.scan(offsets=range(5, 900))) == expected
    assert rows(topic.scan(offsets=(COUNT - 2, None), partitions=[1])) == [
        (1, COUNT - 2),
        (1, COUNT - 1),
    ]
    assert rows(topic.scan(offsets={0: (0, 2), 1: (None, 1)})) == [(0, 0), (0, 1), (1, 0)]
    assert rows(topic.scan(offsets={0: (0, 2)}, partitions=[0, 1])) == [(0, 0), (0, 1)] + [
        (1, n) for n in range(COUNT)
    ]
    assert rows(topic.scan(offsets=(7, 7))) == rows(topic.scan(offsets=(9, 3))) == []
    assert rows(topic.scan(offsets=(COUNT + 5, COUNT + 9))) == []


def test_a_window_of_times(log: logflume.Log) -> None:
    topic, begin = log["t"], datetime.fromtimestamp(T0 / 1000, UTC)
    expected = [(p, n) for p in range(2) for n in range(1000, 1500)]
    assert rows(topic.scan(start=T0 + 1000, end=T0 + 1500)) == expected
    later = begin + timedelta(seconds=1)
    assert rows(topic.scan(start=later, end=later + timedelta(seconds=0.5))) == expected
    assert rows(topic.scan(start=T0 + COUNT)) == rows(topic.scan(end=T0)) == []
    assert rows(topic.scan(start=T0 + 10, end=T0 + 20, offsets=(15, 100), partitions=[1])) == [
        (1, n) for n in range(15, 20)
    ]


def test_the_window_tells_the_offsets_that_are_gone_over(log: logflume.Log) -> None:
    topic = log["t"]
    assert topic.scan(start=T0 + 1000, end=T0 + 1500, lateness_ms=0).window(0) == range(1000, 1500)
    assert topic.scan(start=T0 + 1000, end=T0 + 1500, lateness_ms=200).window(1) == range(
        1000, 1700
    )
    assert topic.scan(start=T0 + 1000, end=T0 + 1500).window(1) == range(1000, 1500)
    assert topic.scan(start=T0 + COUNT, end=T0 + COUNT + 1).window(1) == range(COUNT, COUNT)


def test_late_records_are_seen_as_far_as_lateness_says(tmp_path: Path) -> None:
    with logflume.open(tmp_path / "log") as log:
        log.create_topic("t")
        times = [T0, T0 + 10, T0 + 40, T0 + 11, T0 + 5000, T0 + 12]
        for when in times:
            log.partition("t", 0).append(b"x", timestamp=when)
        topic = log["t"]
        window = {"start": T0 + 10, "end": T0 + 20}
        assert rows(topic.scan(**window, lateness_ms=0)) == [(0, 1)]
        assert rows(topic.scan(**window, lateness_ms=100)) == [(0, 1), (0, 3)]
        assert rows(topic.scan(**window)) == [(0, 1), (0, 3), (0, 5)]


def test_by_default_a_window_has_its_late_records_and_leaves_out_what_has_none(
    tmp_path: Path,
) -> None:
    with logflume.open(tmp_path / "log") as log:
        log.create_topic("t", config={"segment.bytes": 4 << 20})
        partition, topic = log.partition("t", 0), log["t"]
        block = np.zeros(1000, dtype="V4096")
        for hour in range(4):
            partition.append_many(block, timestamps=T0 + hour * 3_600_000 + np.arange(1000))
        late = partition.append_many(block[:3], timestamps=[T0 + 5, T0 + 9_000_000, T0 + 6])
        partition.append_many(block, timestamps=T0 + 5 * 3_600_000 + np.arange(1000))
        expected = [(0, n) for n in range(10)] + [(0, late), (0, late + 2)]
        window = topic.scan(["offset"], start=T0, end=T0 + 10)
        assert rows(window) == expected
        read = window._windows(0, partition.end_offset)
        assert sum(map(len, read)) < 700  # two stretches of a MiB
        partition.append_many(block[:1], timestamps=[T0 + 7])
        assert rows(window) == [*expected, (0, partition.end_offset - 1)]
        frame = pl.DataFrame(window)
        assert frame["offset"].to_list() == [offset for _, offset in rows(window)]


def test_the_lowest_times_are_kept_in_a_file_that_may_be_lost_or_wrong(tmp_path: Path) -> None:
    path = tmp_path / "log"
    file = path / "t-0" / "logflume.lowtimes"
    with logflume.open(path) as log:
        log.create_topic("t")
        block = np.zeros(20_000, dtype="V200")
        stamps = T0 + np.arange(20_000)
        stamps[-1] = T0 + 1
        log.partition("t", 0).append_many(block, timestamps=stamps)
        assert len(rows(log["t"].scan(start=T0, end=T0 + 10))) == 11
        assert not file.exists()  # not durable yet: a power loss could put other records there
        log.partition("t", 0).sync()
        low_times.forget()
        assert len(rows(log["t"].scan(start=T0, end=T0 + 10))) == 11
    good = file.read_bytes()
    for bad in (b"", good[:-1], good[:-8] + bytes(8), b"nonsense" * 100):
        file.write_bytes(bad)
        low_times.forget()
        with logflume.open(path) as log:
            assert len(rows(log["t"].scan(start=T0, end=T0 + 10))) == 11
        assert file.read_bytes() == good
    with logflume.open(path) as log:  # and of a topic of that name made again nothing is known
        log.delete_topic("t")
        log.create_topic("t")
        log.partition("t", 0).append_many(block, timestamps=T0 + np.arange(20_000)[::-1])
        assert len(rows(log["t"].scan(start=T0, end=T0 + 10))) == 10


def test_any_times_give_the_records_that_a_filter_of_all_gives(tmp_path: Path) -> None:
    chance = np.random.default_rng(11)
    with logflume.open(tmp_path / "log") as log:
        log.create_topic("t", config={"segment.bytes": 1 << 20})
        partition = log.partition("t", 0)
        block = np.zeros(500, dtype="V1000")
        every = np.zeros(0, dtype=np.int64)
        for _ in range(12):
            spread = int(chance.choice([1, 1000, 100_000]))
            stamps = T0 + len(every) * 10 + chance.integers(-spread, spread, 500)
            partition.append_many(block, timestamps=stamps)
            every = np.concatenate([every, stamps])
            for _ in range(3):
                start, end = np.sort(T0 + chance.integers(-50_000, 120_000, 2)).tolist()
                wanted = np.flatnonzero((every >= start) & (every < end)).tolist()
                assert [n for _, n in rows(log["t"].scan(start=start, end=end))] == wanted


def test_read_committed_scans_decided_records_of_one_moment(tmp_path: Path) -> None:
    with logflume.open(tmp_path / "log") as log:
        log.create_topic("t", partitions=2)
        with log.producer(transactional_id="x") as producer, log.producer() as plain:
            with producer.transaction():
                for number in range(2):
                    producer.send("t", b"kept", partition=number)
            transaction = producer.transaction()
            transaction.__enter__()
            producer.send("t", b"aborted", partition=0)
            producer.flush()
            transaction.__exit__(ValueError, ValueError(), None)
            with producer.transaction():
                producer.send("t", b"open", partition=0)
                producer.flush()
                plain.send("t", b"behind", partition=0).result(60)
                committed = log["t"].scan(["value"], isolation_level="read_committed")
                assert committed.to_arrow()["value"].to_pylist() == [b"kept", b"kept"]
                assert committed.window(0).stop == log.partition("t", 0).last_stable_offset
                every = log["t"].scan(["value"]).to_arrow()["value"].to_pylist()
                assert every == [b"kept", b"aborted", b"open", b"behind", b"kept"]
            assert committed.narrowed(partitions=[0]).to_arrow()["value"].to_pylist() == [
                b"kept",
                b"open",
                b"behind",
            ]
        with pytest.raises(errors.InvalidConfig, match="read_committed"):
            log["t"].scan(isolation_level="serializable")


@pytest.mark.parametrize("codec", ["uncompressed", "lz4"])
def test_damage_outside_the_window_is_not_read(tmp_path: Path, codec: str) -> None:
    with logflume.open(tmp_path / "log") as log:
        log.create_topic("t", config={"compression.type": codec})
        noise = np.random.default_rng(1).integers(0, 1 << 60, COUNT)
        log.partition("t", 0).append_many(noise, timestamps=T0 + np.arange(COUNT))
    segment = next((tmp_path / "log" / "t-0").glob("*.log"))
    data = bytearray(segment.read_bytes())
    data[100] ^= 1  # in the first batch
    data[-10] ^= 1  # in the last
    segment.write_bytes(data)
    with logflume.open(tmp_path / "log") as log:
        topic = log["t"]
        middle = [(0, n) for n in range(9000, 11_000)]
        assert rows(topic.scan(offsets=(9000, 11_000))) == middle
        assert rows(topic.scan(start=T0 + 9000, end=T0 + 11_000, lateness_ms=0)) == middle
        with pytest.raises(errors.CorruptRecord):
            rows(topic.scan())
        for whole in (topic.scan().to_arrow, topic.scan().to_polars):
            with pytest.raises(errors.CorruptRecord):
                whole()
        with pytest.raises(OSError, match="CorruptRecord"):  # what Arrow makes of it
            pa.table(topic.scan())


def test_only_the_columns_asked_for_are_built_in_that_order(log: logflume.Log) -> None:
    scan = log["t"].scan(["value", "offset"], offsets=(3, 5))
    table = scan.to_arrow()
    assert table.column_names == ["value", "offset"]
    assert pa.schema(scan) == table.schema
    assert table.column("offset").to_pylist() == [3, 4, 3, 4]
    assert [int.from_bytes(v, "little") for v in table.column("value").to_pylist()] == [6, 8, 7, 9]
    for name in COLUMN_NAMES:
        assert log["t"].scan([name], offsets=(3, 5)).to_arrow().column_names == [name]


def test_each_column_is_the_batchs(tmp_path: Path) -> None:
    with logflume.open(tmp_path / "log") as log:
        log.create_topic("t")
        partition = log.partition("t", 0)
        partition.append(b"a", key=b"k", headers=[("h", b"1"), ("g", None)], timestamp=T0)
        partition.append(b"longer than twelve bytes", timestamp=T0 + 1)
        whole = partition.read_batch(0).to_arrow()
        for names in (["headers"], ["headers", "topic", "key"], list(reversed(whole.column_names))):
            assert log["t"].scan(names).to_arrow().to_pylist() == whole.select(names).to_pylist()


def test_an_empty_window_has_a_schema(log: logflume.Log) -> None:
    table = log["t"].scan(["offset", "key"], offsets=(4, 4)).to_arrow()
    assert table.num_rows == 0
    assert table.column_names == ["offset", "key"]
    assert log["t"].scan(["offset"], partitions=[]).to_arrow().num_rows == 0


def test_it_ends_where_the_log_ended_when_reading_began(log: logflume.Log) -> None:
    reading = iter(log["t"].scan(partitions=[0], batch_bytes=1))
    first = next(reading)
    log.partition("t", 0).append_many([b"new"] * 10)
    assert len(first) + sum(len(batch) for batch in reading) == COUNT
    assert len(rows(log["t"].scan(partitions=[0]))) == COUNT + 10


def test_a_window_follows_a_raised_start(log: logflume.Log) -> None:
    log.delete_records({("t", 0): 100})
    assert rows(log["t"].scan(offsets=(50, 102), partitions=[0])) == [(0, 100), (0, 101)]


def test_a_scan_reads_anew_each_time_and_from_any_thread(log: logflume.Log) -> None:
    scan = log["t"].scan(["offset"])
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda: found.append(pa.table(scan).num_rows)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [2 * COUNT] * 4
    assert scan.to_polars()["offset"].max() == COUNT - 1


def test_what_is_handed_out_outlives_the_log(tmp_path: Path) -> None:
    with logflume.open(tmp_path / "log") as log:
        log.create_topic("t")
        log.partition("t", 0).append_many([b"some value longer than inline"] * 1000)
        frame = log["t"].scan(["value"]).to_polars()
    assert frame.unique()["value"].to_list() == [b"some value longer than inline"]
    assert isinstance(frame, pl.DataFrame)


@pytest.mark.parametrize(
    "given",
    [
        {"columns": ["values"]},
        {"columns": []},
        {"columns": ["offset", "offset"]},
        {"offsets": (-1, 5)},
        {"offsets": range(0, 10, 2)},
        {"start": datetime(2024, 1, 1)},
        {"lateness_ms": -1},
    ],
)
def test_what_makes_no_window_is_refused(log: logflume.Log, given: dict[str, object]) -> None:
    with pytest.raises(errors.InvalidConfig):
        log["t"].scan(**given)


def test_a_partition_that_is_not_there_is_refused(log: logflume.Log) -> None:
    with pytest.raises(errors.UnknownTopicOrPartition):
        log["t"].scan(partitions=[2])
