"""RecordBatch, Record and ColumnView: what they say, that they copy nothing, and that they outlive the log."""

from __future__ import annotations

import copy
import gc
import pickle
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from logflume._native.columns import ColumnView, Record, RecordBatch
from logflume._native.consumer_core import Fetcher
from logflume._native.partition import Partition
from support.partitions import Handle, opened

VALUES = [b"zero", None, b"", b"three" * 100, b"\0\xff"]
KEYS = [None, b"one", b"", None, b"k" * 300]
STAMPS = [10, 11, -1, 13, 1 << 45]
HEADERS = [
    [],
    [("h", b"v")],
    [("a", None), ("a", b""), ("ü", b"x" * 200)],
    [],
    [(f"n{i}", b"%d" % i) for i in range(100)],
]


@pytest.fixture(params=[0, 3], ids=["plain", "lz4"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Partition]:
    with opened(tmp_path, compression=request.param) as partition:
        yield partition


@pytest.fixture
def batch(log: Partition) -> RecordBatch:
    log.append_many(VALUES, keys=KEYS, timestamps=STAMPS, headers=HEADERS)
    return log.read_batch(0)


def test_columns_say_what_was_appended(batch: RecordBatch) -> None:
    assert len(batch) == 5
    assert batch.offsets.tolist() == [0, 1, 2, 3, 4]
    assert batch.timestamps.tolist() == STAMPS
    assert batch.partitions.tolist() == [0] * 5
    assert batch.topic == "t"
    assert batch.row_topics == ["t"] * 5
    assert batch.values == VALUES
    assert batch.keys == KEYS
    assert batch.value_lengths.tolist() == [4, -1, 0, 500, 2]
    assert batch.nbytes == sum(len(b or b"") for b in VALUES + KEYS)


def test_records_say_the_same(batch: RecordBatch) -> None:
    for rows in (list(batch), batch.records(), [batch[i] for i in range(5)], batch[:]):
        assert [r.value for r in rows] == VALUES
        assert [r.key for r in rows] == KEYS
        assert [r.timestamp for r in rows] == STAMPS
        assert [r.offset for r in rows] == list(range(5))
        assert [r.headers for r in rows] == HEADERS
        assert {(r.topic, r.partition) for r in rows} == {("t", 0)}


def test_indexes_count_from_both_ends(batch: RecordBatch) -> None:
    for sequence in (batch, batch.values, batch.keys):
        items = list(sequence)
        for i in range(-5, 5):
            assert sequence[i] == items[i]
        for cut in (
            slice(1, 3),
            slice(None, None, -1),
            slice(-2, None),
            slice(7, 9),
            slice(4, 0, -2),
        ):
            assert sequence[cut] == items[cut]
        for i in (5, -6, 1 << 40):
            with pytest.raises(IndexError, match="of a batch of 5"):
                sequence[i]
        with pytest.raises(TypeError):
            sequence["0"]  # type: ignore[call-overload]
        assert sequence[np.int64(3)] == items[3]


def test_no_rows(log: Partition) -> None:
    batch = log.read_batch(0)
    assert len(batch) == len(batch.values) == 0
    assert (
        list(batch) == batch.records() == batch[:] == list(batch.values) == batch.row_topics == []
    )
    assert batch.topic is None
    assert batch.nbytes == 0
    assert repr(batch) == "RecordBatch(0 records)"
    for name, column in batch.to_numpy().items():
        assert len(column) == 0, name  # type: ignore[arg-type]
    assert batch.values.to_numpy("<i8").dtype == np.int64
    with pytest.raises(IndexError):
        batch[0]


def test_columns_have_their_types_and_are_read_only(batch: RecordBatch, log: Partition) -> None:
    for rows in (batch, log.read_batch(log.end_offset)):
        for name, kind in (
            ("offsets", np.int64),
            ("timestamps", np.int64),
            ("value_lengths", np.int32),
        ):
            column = getattr(rows, name)
            assert column.dtype.type is kind
            assert not column.flags.writeable
            with pytest.raises(ValueError, match="read-only"):
                column[:] = 0
            with pytest.raises(ValueError, match="WRITEABLE"):
                column.flags.writeable = True
        assert rows.partitions.dtype.type is np.int32


def test_columns_are_not_copied(batch: RecordBatch) -> None:
    assert batch.offsets.ctypes.data == batch.offsets.ctypes.data
    assert batch.offsets.base is not None
    long = batch.values[3]
    again = batch.values[3]
    assert long is not None
    assert again is not None
    assert np.frombuffer(long, "u1").ctypes.data == np.frombuffer(again, "u1").ctypes.data


def test_views_are_read_only_bytes(batch: RecordBatch) -> None:
    view = batch.values[0]
    assert isinstance(view, memoryview)
    assert (view.format, view.readonly, view.shape, view.strides) == ("B", True, (4,), (1,))
    assert view == b"zero"
    assert bytes(view[1:3]) == b"er"
    with pytest.raises(TypeError, match="read-only"):
        view[0] = 0
    with pytest.raises(ValueError, match="read-only"):
        np.frombuffer(view, "u1")[0] = 0
    assert batch.values[2] == b""
    assert hash(view) == hash(b"zero")
    assert batch.values[1] is None


def test_to_numpy(batch: RecordBatch) -> None:
    columns = batch.to_numpy()
    assert list(columns) == ["partition", "offset", "timestamp", "key", "value"]
    assert columns["value"].dtype == object
    assert columns["value"].tolist() == VALUES
    assert columns["key"].tolist() == KEYS
    assert columns["offset"].tolist() == [0, 1, 2, 3, 4]


def test_values_of_one_width_as_a_typed_array(log: Partition) -> None:
    rows = np.zeros(1000, dtype=[("a", "<i4"), ("b", "<f8")])
    rows["a"] = np.arange(1000)
    rows["b"] = rows["a"] / 3
    log.append_many(rows, keys=rows["a"].astype("<i8"))
    batch = log.read_batch(0)
    assert np.array_equal(batch.values.to_numpy(rows.dtype), rows)
    assert np.array_equal(batch.keys.to_numpy("<i8"), rows["a"])
    log.append(b"short")
    batch = log.read_batch(0)
    with pytest.raises(ValueError, match=r"row 1000 has 5 bytes, dtype .* has 12"):
        batch.values.to_numpy(rows.dtype)
    with pytest.raises(ValueError, match=r"row 1000 has -1 bytes"):
        batch.keys.to_numpy("<i8")
    with pytest.raises(ValueError, match="plain bytes"):
        batch.values.to_numpy(object)


def test_records_are_equal_by_what_they_say(log: Partition) -> None:
    log.append_many(VALUES, keys=KEYS, timestamps=STAMPS, headers=HEADERS)
    one, other = log.read_batch(0), log.read_batch(0)
    assert list(one) == list(other)
    assert one[0] != one[1]
    assert one[0] != "zero"
    assert len({*one, *other}) == 5
    assert one.values == other.values
    assert one.values != other.keys
    assert one.values != VALUES[:-1]
    with pytest.raises(TypeError, match="unhashable"):
        hash(one.values)


def test_shown(log: Partition) -> None:
    log.append(b"v", key=b"k", timestamp=5, headers=[("h", None)])
    batch = log.read_batch(0)
    assert repr(batch) == "RecordBatch(1 records of t-0)"
    assert repr(batch.keys) == "<keys of RecordBatch(1 records of t-0)>"
    assert (
        repr(batch[0])
        == "Record(topic='t', partition=0, offset=0, timestamp=5, key=b'k', value=b'v', headers=[('h', None)])"
    )


def test_nothing_can_be_set_or_made_by_hand(batch: RecordBatch) -> None:
    for thing, name in ((batch, "offsets"), (batch[0], "value"), (batch.values, "batch")):
        with pytest.raises(AttributeError):
            setattr(thing, name, None)
    for thing in (batch, batch.values):
        # They point into memory of this process.
        with pytest.raises(TypeError):
            pickle.dumps(thing)
        with pytest.raises(TypeError):
            copy.copy(thing)


def test_a_record_goes_to_another_process(batch: RecordBatch) -> None:
    for record in batch:
        for other in (pickle.loads(pickle.dumps(record)), copy.copy(record), copy.deepcopy(record)):
            assert other == record
            assert type(other) is Record
    odd = batch[2]
    assert pickle.loads(pickle.dumps(odd)).headers == odd.headers == HEADERS[2]
    assert pickle.loads(pickle.dumps([odd]))[0].offset == 2


def test_strings_that_numpy_pads_go_in_and_out(log: Partition) -> None:
    array = np.array([b"ab", b"abcd", b""])
    log.append_many(array)
    values = log.read_batch(0).values
    assert values.tolist() == array.tolist()
    assert values.to_numpy("S4").tolist() == array.tolist()
    assert values.to_numpy("S9").tolist() == array.tolist()
    for dtype in ("S3", "V4"):
        with pytest.raises(ValueError, match="dtype"):
            values.to_numpy(dtype)


def test_header_names_that_are_no_utf8_come_back_as_they_were(log: Partition) -> None:
    log.append(b"v", headers=[(b"\xff\x80", b"1")])
    record = log.read(0)
    assert record.headers == [("\udcff\udc80", b"1")]
    log.append(record.value, headers=record.headers)
    assert log.read(1).headers == record.headers


def test_rows_of_several_partitions(tmp_path: Path) -> None:
    handles = [Handle(tmp_path, name=name) for name in ("a-0", "b-3", "b-1")]
    for handle in handles:
        handle.log.append_many([handle.path.name.encode()] * 3)
    fetcher = Fetcher()
    fetcher.set_readers([handle.log.reader() for handle in handles])
    batch = fetcher.fetch(100, 1 << 20)
    assert batch is not None
    assert batch.topic is None
    assert batch.row_topics == ["a"] * 3 + ["b"] * 6
    assert batch.partitions.tolist() == [0] * 3 + [3] * 3 + [1] * 3
    assert [f"{r.topic}-{r.partition}".encode() for r in batch] == batch.values.tolist()
    assert repr(batch) == "RecordBatch(9 records of a-0, b-1, b-3)"
    for handle in handles:
        handle.close()


def mapped(directory: Path) -> bool:
    maps = Path("/proc/self/maps").read_text().splitlines()
    return any(str(directory) in line and ".log" in line for line in maps)


PARTS: dict[str, Callable[[RecordBatch], Any]] = {
    "record": lambda batch: batch[42],
    "view": lambda batch: batch.values[42],
    "cut of a view": lambda batch: batch.values[42][2:],  # type: ignore[index]
    "array": lambda batch: np.frombuffer(batch.values[42] or b"", "u1")[::2],
    "batch": lambda batch: batch,
    "column": lambda batch: batch.values,
    "iterator": iter,
}


@pytest.mark.parametrize("keep", PARTS)
def test_whatever_is_kept_keeps_the_mapping_and_only_that(tmp_path: Path, keep: str) -> None:
    with opened(tmp_path / "d") as partition:
        partition.append_many([b"value %d" % i for i in range(100)], timestamps=range(100))
        batch = partition.read_batch(0)
    shutil.rmtree(tmp_path / "d")
    thing = PARTS[keep](batch)
    del batch, partition
    gc.collect()
    assert mapped(tmp_path)
    if isinstance(thing, Record):
        assert (thing.value, thing.timestamp) == (b"value 42", 42)
    elif isinstance(thing, memoryview):
        assert b"value 42".endswith(bytes(thing))
    elif isinstance(thing, np.ndarray):
        assert thing.tobytes() == b"value 42"[::2]
    elif isinstance(thing, (RecordBatch, ColumnView)):
        assert len(thing) == 100
    else:
        assert next(thing).value == b"value 0"
    del thing
    gc.collect()
    assert not mapped(tmp_path)


def test_offsets_outlive_the_batch(tmp_path: Path) -> None:
    with opened(tmp_path) as partition:
        partition.append_many([b"x"] * 50_000)
        offsets = partition.read_batch(0, 50_000, 1 << 30).offsets[1::2]
    gc.collect()
    ballast = [bytes(400_000) for _ in range(20)]  # would land where the columns were
    assert offsets.tolist() == list(range(1, 50_000, 2))
    del ballast


def test_an_exported_batch_reads_on_as_before(batch: RecordBatch) -> None:
    """Its memory has changed hands, to those whom Arrow consumers may hold."""
    before = [*batch], batch.offsets
    stream = batch.__arrow_c_stream__()
    assert ([*batch], batch.offsets.tolist()) == (before[0], before[1].tolist())
    del stream
    gc.collect()
    assert ([*batch], batch.offsets.tolist()) == (before[0], before[1].tolist())
    record, offsets = batch[3], batch.offsets
    del batch
    gc.collect()
    assert record.value == VALUES[3]
    assert offsets.tolist() == [0, 1, 2, 3, 4]


some_bytes = st.none() | st.binary(max_size=30)
rows = st.lists(
    st.tuples(
        some_bytes,
        some_bytes,
        st.integers(-1, 1 << 50),
        st.lists(st.tuples(st.text(max_size=4), some_bytes), max_size=3),
    ),
    min_size=1,
    max_size=30,
)


@given(rows=rows, batch_bytes=st.integers(1, 2000), data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_rows_by_any_way(
    rows: list[tuple[bytes | None, bytes | None, int, list[tuple[str, bytes | None]]]],
    batch_bytes: int,
    data: st.DataObject,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    values, keys, stamps, headers = (list(column) for column in zip(*rows))
    compression = data.draw(st.sampled_from([0, 2, 4]))
    with opened(tmp_path_factory.mktemp("any"), compression=compression) as log:
        log.append_many(
            values, keys=keys, timestamps=stamps, headers=headers, batch_bytes=batch_bytes
        )
        batch = log.read_batch(0, 1000, 1 << 30)
        wanted = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=20))
        picked = log.lookup(wanted)
    assert (
        batch.values.tolist() == [None if v is None else bytes(v) for v in batch.values] == values
    )
    assert batch.keys.tolist() == keys
    assert batch.timestamps.tolist() == stamps
    assert [r.headers for r in batch] == headers
    assert picked.offsets.tolist() == wanted
    assert list(picked) == [batch[i] for i in wanted]
    assert picked.partitions.tolist() == [0] * len(wanted)


def test_bytes_one_by_one_are_the_list(tmp_path: Path) -> None:
    with opened(tmp_path, segment_bytes=4096, compression=3) as log:
        for n in range(300):
            log.append_many([b"v%d" % n, None, b""], keys=[None, b"k%d" % n, b""])
        reader = log.reader()
        batch = reader.read(1000, 1 << 20)
        for column in (batch.values, batch.keys):
            assert list(column.iter_bytes()) == column.tolist()
        assert list(log.read_batch(log.end_offset).values.iter_bytes()) == []
