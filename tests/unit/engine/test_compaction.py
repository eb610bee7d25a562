"""What compaction keeps of plain records: the latest of each key, as it was, at its offset."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from logflume import errors
from logflume._native.compaction import compact_once, first_timestamp
from logflume._native.partition_log import arm_failpoints
from model import batch_twin
from support.cleaning import NOW, batches_of, compact
from support.partitions import Row, opened, read_all

HOUR = 3_600_000


@pytest.fixture(autouse=True)
def no_failpoint_stays() -> object:
    yield
    arm_failpoints("")


def test_the_latest_of_each_key_stays_at_its_offset(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        log.append_many([b"1", b"2", b"3"], keys=[b"a", b"b", b"a"], timestamps=[10, 20, 30])
        log.append_many([b"4", b"5"], keys=[b"c", b"b"], timestamps=[5, 6])
        log.roll()
        log.append_many([b"6"], keys=[b"c"], timestamps=[7])
        (done,) = compact(log)
        rows = read_all(log)
        assert [(r.offset, r.timestamp, r.key, r.value) for r in rows] == [
            (2, 30, b"a", b"3"),
            (3, 5, b"c", b"4"),
            (4, 6, b"b", b"5"),
            (5, 7, b"c", b"6"),  # the active segment is not looked at, and hides nothing
        ]
        assert (done.next_dirty, done.uncleanable, done.keys) == (5, 5, 3)
        assert (done.records_read, done.records_removed) == (5, 2)
        assert log.read(0).offset == 2
        assert log.offset_for_time(20) == 2
    with opened(tmp_path) as log:
        assert log.recovery.clean
        assert read_all(log) == rows


@pytest.mark.parametrize("codec", range(5))
def test_headers_times_and_codec_stay(codec: int, tmp_path: Path) -> None:
    with opened(tmp_path, compression=codec) as log:
        for i in range(40):
            headers = [[("n", b"%d" % i), ("null", None)], None][i % 2 :][:1] * 2
            log.append_many(
                [b"old", b"new %d " % i + b"x" * 100],
                keys=[b"same", b"%d" % i],
                timestamps=[1000 - i, 2000 + i],
                headers=headers,
            )
        log.roll()
        log.append(b"", key=b"")
        before = {row.offset: row for row in read_all(log)}
        compact(log)
        rows = read_all(log)
        assert rows == [before[row.offset] for row in rows]
        assert [row.offset for row in rows] == sorted([*range(1, 80, 2), 78, 80])
        kept = batches_of(log.path, sealed=True)
    assert {batch.codec for batch in kept} == {codec}
    # Base and last offset of a batch are what they were; the largest time is that of what is left.
    assert [(b.base_offset, b.last_offset) for b in kept] == [(i, i + 1) for i in range(0, 80, 2)]
    assert [b.max_timestamp for b in kept] == [2000 + i for i in range(40)]


def test_the_time_of_the_append_stays(tmp_path: Path) -> None:
    with opened(tmp_path, append_time=True) as log:
        log.append_many([b"1", b"2"], keys=[b"a", b"b"], timestamps=[1, 2])
        log.append_many([b"3", None], keys=[b"a", b"c"], timestamps=[1, 2])
        log.roll()
        before = {row.offset: row for row in read_all(log)}
        compact(log)
        assert read_all(log) == [before[1], before[2], before[3]]
        assert all(batch.append_time for batch in batches_of(log.path))


def test_a_tombstone_stays_for_delete_retention_ms_from_the_first_pass_on(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        log.append_many([b"1", b"2", None], keys=[b"a", b"b", b"a"], timestamps=[10, 20, 1 << 41])
        log.roll()
        compact(log, now=NOW, retention=HOUR)
        rows = [Row(1, 20, b"b", b"2"), Row(2, 1 << 41, b"a", None)]
        assert read_all(log) == rows
        (batch,) = batches_of(log.path)
        assert batch.attributes & batch_twin.DELETE_HORIZON
        assert batch.base_timestamp == NOW + HOUR
        compact(log, now=NOW + HOUR - 1, retention=HOUR)
        assert read_all(log) == rows
        compact(log, now=NOW + HOUR, retention=HOUR)
        assert read_all(log) == rows[:1]
        assert log.end_offset == 3


def test_a_tombstone_hides_what_was_before_it_even_in_other_segments(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        for value in (b"1", b"2", None):
            log.append_many([value], keys=[b"a"])
            log.roll()
        log.append_many([b"x"], keys=[b"b"])
        log.roll()
        compact(log, retention=0)
        assert [(row.offset, row.key) for row in read_all(log)] == [(2, b"a"), (3, b"b")]
        compact(log, now=NOW + 1, retention=0)
        assert [(row.offset, row.key) for row in read_all(log)] == [(3, b"b")]


def test_records_without_a_key_go(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        log.append_many([b"1", b"2", b"3"], keys=[None, b"", None])
        log.roll()
        compact(log)
        assert [(row.offset, row.key) for row in read_all(log)] == [(1, b"")]


def test_the_last_offset_is_told_by_an_empty_batch(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        log.append_many([b"1"], keys=[b"a"], timestamps=[77])
        log.append_many([b"2", b"3"], keys=[None, None], timestamps=[88, 99])
        log.roll()
        compact(log)
        batches = batches_of(log.path)
        assert [(b.base_offset, b.last_offset, len(b.records)) for b in batches] == [
            (0, 0, 1),
            (1, 2, 0),
        ]
        assert batches[1].max_timestamp == 99
        assert log.read_batch(1).offsets.tolist() == []


@pytest.mark.parametrize("keys", [1, 2, 5, 17, 10_000])
def test_a_small_map_takes_more_passes_to_the_same_end(keys: int, tmp_path: Path) -> None:
    """`keys` slots of 32 bytes; one record a pass at worst."""
    with opened(tmp_path, segment_bytes=2000) as log:
        for i in range(100):
            numbers = [(i * 7 + k * 3) % 23 for k in range(3)]
            log.append_many([b"%d" % i] * 3, keys=[b"%d" % number for number in numbers])
        end = log.segments()[-1].base_offset
        rows = read_all(log)
        latest = {row.key: row for row in rows if row.offset < end}
        passes = compact(log, map_bytes=keys * 32)
        assert (len(passes) > 1) == (keys < 23)
        expected = sorted(latest.values()) + [row for row in rows if row.offset >= end]
        assert read_all(log) == expected


def test_segments_that_became_small_become_one(tmp_path: Path) -> None:
    with opened(tmp_path, segment_bytes=5000, index_interval_bytes=200) as log:
        for i in range(2000):
            log.append_many([b"x" * 50], keys=[b"%d" % (i % 30)], timestamps=[i])
        before = len(log.segments())
        compact(log)
        compact(log)
        assert len(log.segments()) < before / 5
        rows = read_all(log)
        for row in rows:
            assert log.read(row.offset).value == row.value
            assert log.offset_for_time(row.timestamp) == row.offset
        files = {path.name for path in Path(log.path).iterdir()}
        assert {name.split(".", 1)[1] for name in files} <= {"log", "index", "timeindex", "state"}


def test_what_does_not_change_is_not_written(tmp_path: Path) -> None:
    with opened(tmp_path, segment_bytes=4000) as log:
        for i in range(200):
            log.append_many([b"x" * 50], keys=[b"%d" % i])
        inodes = {path.name: path.stat().st_ino for path in Path(log.path).glob("*.log")}
        (done,) = compact(log)
        assert done.segments_removed == done.bytes_removed == 0
        assert {p.name: p.stat().st_ino for p in Path(log.path).glob("*.log")} == inodes


def test_readers_and_their_views_live_on(tmp_path: Path) -> None:
    with opened(tmp_path, segment_bytes=3000) as log, opened(tmp_path, segment_bytes=3000) as other:
        for i in range(300):
            log.append_many([b"value %d" % i], keys=[b"%d" % (i % 10)])
        batch = other.read_batch(0, 40)
        reader = other.reader()
        first = [r.offset for r in reader.read(5)]
        record = other.read(3)
        compact(log)
        assert [r.value for r in batch] == [b"value %d" % i for i in range(40)]
        assert record.value == b"value 3"
        rest = []
        while rows := [r.offset for r in reader.read(7)]:
            rest += rows
        latest = [row.offset for row in read_all(log)]
        assert first == [0, 1, 2, 3, 4]
        assert rest == sorted(rest)
        assert set(latest) <= {*first, *rest}
        assert other.read(3).offset == latest[0]  # not what was cached before
        assert read_all(other) == read_all(log)


def test_gaps_are_read_whatever_the_settings_say(tmp_path: Path) -> None:
    """A topic may be compacted no more; another process may not know yet that it is."""
    with opened(tmp_path, allow_gaps=False) as log:
        log.append_many([b"1", b"2"], keys=[b"a", b"a"])
        log.roll()
        log.append_many([b"3", b"4"], keys=[b"a", b"a"])
        log.roll()
        with opened(tmp_path, allow_gaps=False) as other:
            compact(log)
            assert [row.offset for row in read_all(other)] == [3]
    with opened(tmp_path, allow_gaps=False) as log:
        assert [row.offset for row in read_all(log)] == [3]


def test_one_at_a_time(tmp_path: Path) -> None:
    with opened(tmp_path) as log, opened(tmp_path) as other:
        log.append_many([b"1", b"2"], keys=[b"a", b"a"])
        log.roll()

        def once(by: object) -> object:
            return compact_once(by, first_dirty=0, uncleanable=2, now_ms=NOW, delete_retention_ms=0, map_bytes=1024)  # type: ignore[arg-type]  # fmt: skip

        arm_failpoints("compact.write:1:sleep=0.7")
        found: list[object] = []
        thread = threading.Thread(target=lambda: found.append(once(log)))
        thread.start()
        while not list(Path(log.path).glob("*.cleaned")):
            assert thread.is_alive()
        assert once(other) is None
        assert once(log) is None
        log.append(b"3", key=b"b")  # writers do not wait
        assert thread.is_alive()
        thread.join()
        assert found[0] is not None
        assert once(other) is not None
        assert [row.offset for row in read_all(other)] == [1, 2]


def files_of(log: object) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in Path(log.path).iterdir() if p.suffix != ".state"}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("point", "error"),
    [
        ("compact.before_write", errors.StorageError),
        ("compact.write", errors.DiskFull),
        ("compact.before_sync", errors.StorageError),
        ("compact.sync", errors.SyncFailed),
        ("compact.after_sync", errors.StorageError),
        ("compact.before_swap", errors.StorageError),
        ("compact.half_renamed", errors.StorageError),
        ("compact.before_replace", errors.StorageError),
    ],
)
def test_an_error_before_the_swap_changes_nothing(
    point: str, error: type[Exception], tmp_path: Path
) -> None:
    with opened(tmp_path) as log:
        log.append_many([b"1", b"2"], keys=[b"a", b"a"])
        log.roll()
        before, rows = files_of(log), read_all(log)
        arm_failpoints(f"{point}:1:raise")
        with pytest.raises(error):
            compact(log)
        assert files_of(log) == before
        assert read_all(log) == rows
        log.append(b"3", key=b"b")
        compact(log)
        assert [row.offset for row in read_all(log)] == [1, 2]


def test_damage_is_reported_and_nothing_is_laundered(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        for i in range(10):
            log.append_many([b"value %d" % i], keys=[b"a"])
        log.roll()
        log.append(b"x", key=b"y")
    path = tmp_path / "t-0" / "00000000000000000000.log"
    data = bytearray(path.read_bytes())
    place = data.index(b"value 4")
    data[place] ^= 1
    path.write_bytes(data)
    with opened(tmp_path) as log:
        with pytest.raises(errors.CorruptRecord) as caught:
            compact(log)
        assert caught.value.path == str(path)
        assert caught.value.position <= place
        assert path.read_bytes() == data


def test_first_timestamp(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        assert first_timestamp(log, 0) == -1
        log.append_many([b"1", b"2"], keys=[b"a", b"b"], timestamps=[5, 9])
        assert first_timestamp(log, 0) == 9  # of the whole batch, as Kafka has it


def test_retention_may_take_segments_away_meanwhile(tmp_path: Path) -> None:
    """What was written for them is thrown away, and the pass begun anew with those that are left."""
    with opened(tmp_path, segment_bytes=1000) as log, opened(tmp_path, segment_bytes=1000) as other:
        for i in range(100):
            log.append_many([b"%d" % i], keys=[b"%d" % (i % 4)])
        start = log.segments()[3].base_offset
        arm_failpoints("compact.write:1:sleep=0.5")
        found: list[object] = []
        thread = threading.Thread(target=lambda: found.extend(compact(log)))
        thread.start()
        while not list(Path(log.path).glob("*.cleaned")):
            assert thread.is_alive()
        other.set_start_offset(start)
        assert other.delete_old_segments()[0] == 3
        thread.join()
        assert len(found) == 1
        assert other.start_offset == start
        end = log.segments()[-1].base_offset
        assert [r.offset for r in read_all(other)] == [*range(end - 4, end), *range(end, 100)]
        assert not [p.name for p in Path(log.path).iterdir() if p.suffix in (".cleaned", ".swap")]
