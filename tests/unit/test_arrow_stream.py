"""Batches through Arrow's C interfaces: pyarrow, Polars and DuckDB read what the records say, and nothing dangles."""

from __future__ import annotations

import gc
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from logflume._native.columns import RecordBatch
from logflume._native.consumer_core import Fetcher
from logflume._native.partition import Partition
from support.partitions import Handle, opened

CHUNK = 1 << 17
SCHEMA = pa.schema(
    [
        pa.field("topic", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("partition", pa.int32(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("timestamp", pa.timestamp("ms", "UTC")),
        pa.field("key", pa.binary_view()),
        pa.field("value", pa.binary_view()),
        pa.field(
            "headers",
            pa.list_(
                pa.field(
                    "item",
                    pa.struct(
                        [
                            pa.field("key", pa.string(), nullable=False),
                            pa.field("value", pa.binary_view()),
                        ]
                    ),
                    nullable=False,
                )
            ),
            nullable=False,
        ),
    ]
)

# Around the 12 bytes that a view holds itself and the 4 and 8 it is written in.
LENGTHS = [0, 1, 3, 4, 5, 7, 8, 9, 11, 12, 13, 16, 100, 5000]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Partition]:
    with opened(tmp_path) as partition:
        yield partition


def everything(partition: Partition) -> RecordBatch:
    return partition.read_batch(partition.start_offset, 10_000_000, 1 << 40)


def plain(batch: RecordBatch) -> list[tuple[Any, ...]]:
    return [(r.topic, r.partition, r.offset, r.timestamp, r.key, r.value, r.headers) for r in batch]


def of_table(table: pa.Table) -> list[tuple[Any, ...]]:
    """A table's rows in the form of plain()."""
    stamps = table["timestamp"].cast(pa.int64()).fill_null(-1).to_pylist()
    return [
        (
            row["topic"], row["partition"], row["offset"], stamp, row["key"], row["value"],
            [(h["key"], h["value"]) for h in row["headers"]],
        )
        for row, stamp in zip(table.drop(["timestamp"]).to_pylist(), stamps)
    ]  # fmt: skip


def various(log: Partition) -> RecordBatch:
    """Nulls, empties, every length around the limits, headers and missing timestamps."""
    values: list[bytes | None] = [bytes([65 + n % 26]) * n for n in LENGTHS]
    values += [None, b"", b"\0" * 12, b"\0" * 13]
    keys = [None, *values[:-1]]
    stamps = [-1 if i % 5 == 0 else 1_700_000_000_000 + i for i in range(len(values))]
    headers = [
        [("n", bytes(n)), ("none", None)] if n % 3 == 0 else None for n in range(len(values))
    ]
    log.append_many(values, keys=keys, timestamps=stamps, headers=headers)
    return everything(log)


def test_pyarrow_reads_what_the_records_say(log: Partition) -> None:
    batch = various(log)
    table = pa.table(batch)
    table.validate(full=True)
    assert table.schema == SCHEMA
    assert of_table(table) == plain(batch)


def test_polars_reads_what_the_records_say(log: Partition) -> None:
    batch = various(log)
    frame = pl.DataFrame(batch)
    assert frame["value"].to_list() == batch.values.tolist()
    assert frame["key"].to_list() == batch.keys.tolist()
    assert frame["timestamp"].null_count() == int((batch.timestamps == -1).sum())
    assert frame["headers"].to_list() == [
        [{"key": k, "value": v} for k, v in r.headers] for r in batch
    ]
    assert set(frame["topic"].cast(pl.String)) == {"t"}
    assert pl.from_arrow(batch).struct.unnest().equals(frame)


def test_duckdb_reads_what_the_records_say(log: Partition) -> None:
    batch = various(log)
    rows = duckdb.sql(
        'select topic, "partition", "offset", coalesce(epoch_ms("timestamp"), -1), key, value, headers from batch'
    ).fetchall()
    got = [(*row[:6], [(h["key"], h["value"]) for h in row[6]]) for row in rows]
    assert got == plain(batch)


@pytest.mark.parametrize("compression", [0, 3])
@given(data=st.data())
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_records(
    compression: int, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    some_bytes = st.none() | st.binary(max_size=40)
    header = st.tuples(st.text(max_size=5), some_bytes)
    record = st.tuples(
        some_bytes, some_bytes, st.integers(-1, 1 << 40), st.lists(header, max_size=3)
    )
    calls = data.draw(st.lists(st.lists(record, max_size=12), max_size=6))
    with opened(tmp_path_factory.mktemp("any"), compression=compression) as partition:
        for call in calls:
            values, keys, stamps, headers = (
                (list(column) for column in zip(*call)) if call else ([],) * 4
            )
            partition.append_many(values, keys=keys, timestamps=stamps, headers=headers)
            if data.draw(st.booleans()):
                partition.roll()
        first = data.draw(st.integers(0, partition.end_offset))
        batch = partition.read_batch(first, 1000, 1 << 30)
        wanted = (
            data.draw(st.lists(st.integers(0, partition.end_offset - 1), max_size=20))
            if partition.end_offset
            else []
        )
        picked = partition.lookup(wanted)
        for rows in (batch, picked):
            for table in (pa.table(rows), rows.to_arrow(views=False)):
                table.validate(full=True)
                assert of_table(table) == plain(rows)
            for view, column in ((rows.keys, "key"), (rows.values, "value")):
                array = pa.array(view)
                array.validate(full=True)
                assert array.to_pylist() == view.tolist(), column


def test_the_schema_is_the_same_when_there_is_nothing(log: Partition) -> None:
    batch = everything(log)
    assert pa.table(batch).schema == SCHEMA
    assert pa.table(batch).num_rows == 0
    assert pl.DataFrame(batch).shape == (0, 7)
    assert duckdb.sql("select count(*) from batch").fetchall() == [(0,)]
    assert pa.array(batch.values).to_pylist() == []


def test_rows_of_several_partitions_and_topics(tmp_path: Path) -> None:
    handles = [Handle(tmp_path, name=name) for name in ("a-0", "b-3", "a-7")]
    for k, handle in enumerate(handles):
        handle.log.append_many([b"%d-%d" % (k, i) + b"." * 20 for i in range(5)])
    fetcher = Fetcher()
    fetcher.set_readers([handle.log.reader() for handle in handles])
    batch = fetcher.fetch(100, 1 << 20)
    assert batch is not None
    table = pa.table(batch)
    table.validate(full=True)
    assert of_table(table) == plain(batch)
    assert table["topic"].chunk(0).dictionary.to_pylist() == ["a", "b"]
    counts = pl.DataFrame(batch).group_by("topic", "partition").len().sort("partition")
    assert counts.rows() == [("a", 0, 5), ("b", 3, 5), ("a", 7, 5)]
    for handle in handles:
        handle.close()


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Partition, np.ndarray]]:
    """300,000 records, more than two arrays of a stream; value i is i and i % 1000, then filling."""
    rows = np.zeros(300_000, dtype=[("i", "<i8"), ("group", "<i4"), ("fill", "S30")])
    rows["i"] = np.arange(len(rows))
    rows["group"] = rows["i"] % 1000
    rows["fill"] = b"x" * 30
    with opened(tmp_path_factory.mktemp("many"), segment_bytes=1 << 22) as partition:
        partition.append_many(rows, keys=np.ascontiguousarray(rows["group"]))
        yield partition, rows


def test_a_stream_has_arrays_of_bounded_size(many: tuple[Partition, np.ndarray]) -> None:
    partition, rows = many
    batch = everything(partition)
    table = pa.table(batch)
    table.validate(full=True)
    assert [chunk.num_rows for chunk in table.to_batches()] == [CHUNK, CHUNK, 300_000 - 2 * CHUNK]
    assert table["offset"].to_numpy().tolist() == list(range(300_000))
    assert b"".join(table["value"].to_pylist()) == rows.tobytes()


def test_filters_and_sums_are_right(many: tuple[Partition, np.ndarray]) -> None:
    partition, rows = many
    batch = everything(partition)
    frame = pl.DataFrame(batch)
    assert frame.filter(pl.col("offset") >= 299_990)["value"].to_list() == [
        row.tobytes() for row in rows[-10:]
    ]
    groups = frame.group_by("key").agg(pl.col("offset").sum(), pl.len())
    assert groups["len"].to_list() == [300] * 1000
    assert groups["offset"].sum() == 300_000 * 299_999 // 2
    wanted = rows[123_456].tobytes()
    found = duckdb.sql('select "offset" from batch where value = $v', params={"v": wanted})
    assert found.fetchall() == [(123_456,)]
    sums = duckdb.sql(
        'select key, count(*), sum("offset"), sum(octet_length(value)) from batch group by key order by min("offset")'
    ).fetchall()
    assert sums == [
        (np.int32(k).tobytes(), 300, 300 * k + 1000 * (299 * 300 // 2), 300 * 42)
        for k in range(1000)
    ]


def test_lookups_share_their_buffers(many: tuple[Partition, np.ndarray]) -> None:
    partition, rows = many
    wanted = np.random.default_rng(7).integers(0, 300_000, 5000)
    batch = partition.lookup(wanted)
    array = pa.array(batch.values)
    array.validate(full=True)
    assert array.to_pylist() == [rows[i].tobytes() for i in wanted]
    # Segments in turn are a part a row, but one buffer each.
    segments = {segment.path for segment in partition.segments()}
    assert 1 < len(array.buffers()) - 2 <= 2 * len(segments)


def test_headers_of_looked_up_rows(log: Partition) -> None:
    """A batch takes over the columns of one that was dropped, but not what was known of its headers."""
    log.append_many([b"plain"] * 100)
    log.append_many([b"value"] * 3, headers=[None, [("h", b"1")], [("h", None)]])
    wanted = [5, 101, 102]
    log.lookup(wanted)
    plain = log.read_batch(0, 100)
    assert pa.table(plain)["headers"].to_pylist() == [[]] * 100
    plain = log.read_batch(0, 100)
    del plain
    rows = log.lookup(wanted)
    assert pa.table(rows)["headers"].to_pylist() == [
        [],
        [{"key": "h", "value": b"1"}],
        [{"key": "h", "value": None}],
    ]


def address(view: memoryview | None) -> int:
    return np.frombuffer(view or b"", dtype=np.uint8).ctypes.data


def test_nothing_large_is_copied(log: Partition) -> None:
    log.append_many([b"first " * 10000])
    log.append_many([b"%05d " % i * 10 for i in range(1000)], timestamps=range(1000))
    batch = log.read_batch(1)
    table = pa.table(batch)
    for name, column in (("offset", batch.offsets), ("timestamp", batch.timestamps)):
        assert table[name].chunk(0).buffers()[1].address == column.ctypes.data
    data = table["value"].chunk(0).buffers()[2]
    # The buffer is what the rows cover of the segment, not the segment.
    assert data.address == address(batch.values[0])
    assert data.address + data.size == address(batch.values[-1]) + 60
    assert len(table["key"].chunk(0).buffers()) == 2, "null keys need no data buffer"


def test_a_consumer_may_ask_for_binary(log: Partition) -> None:
    batch = various(log)
    for kind in (pa.binary(), pa.large_binary()):
        wanted = pa.schema([("value", kind)])
        stream = batch.__arrow_c_stream__(wanted.__arrow_c_schema__())
        table = pa.RecordBatchReader._import_from_c_capsule(stream).read_all()
        table.validate(full=True)
        assert table.schema.field("value").type == kind
        assert table.schema.field("key").type == pa.binary_view()
        assert of_table(table) == plain(batch)
        column = pa.array(batch.keys, type=kind)
        assert column.type == kind
        assert column.to_pylist() == batch.keys.tolist()
    # What cannot be had is ignored: the consumer looks at the schema that it gets.
    odd = pa.schema([("value", pa.int32()), ("offset", pa.string())])
    stream = batch.__arrow_c_stream__(odd.__arrow_c_schema__())
    assert pa.RecordBatchReader._import_from_c_capsule(stream).schema == SCHEMA


def test_copies_for_those_who_know_no_views(log: Partition) -> None:
    batch = various(log)
    table = batch.to_arrow(views=False)
    table.validate(full=True)
    assert table.schema.field("value").type == pa.binary()
    assert table.schema.field("headers").type.value_type.field("value").type == pa.binary()
    assert of_table(table) == plain(batch) == of_table(batch.to_arrow())


@pytest.mark.parametrize(
    "name",
    [b"\xff", b"ok\x80", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"\xf0\x9f\x98\x80"],
)  # fmt: skip
def test_header_names_are_utf8_for_those_who_trust_it(log: Partition, name: bytes) -> None:
    log.append(b"v", headers=[(name, b"1"), ("ä", b"2")])
    table = pa.table(everything(log))
    table.validate(full=True)
    got = [h["key"] for h in table["headers"].to_pylist()[0]]
    try:
        assert got[0] == name.decode()
    except UnicodeDecodeError:
        assert "\ufffd" in got[0]
        kept = name.decode(errors="ignore")
        assert got[0].replace("\ufffd", "") == kept
    assert got[1] == "ä"


def mapped(directory: Path) -> bool:
    """Whether this process maps a segment below `directory`."""
    maps = Path("/proc/self/maps").read_text().splitlines()
    return any(str(directory) in line and ".log" in line for line in maps)


def test_a_column_keeps_the_mapping_and_only_that(tmp_path: Path) -> None:
    with opened(tmp_path) as partition:
        partition.append_many([b"value %d " % i * 5 for i in range(100)])
        batch = everything(partition)
        table = pa.table(batch)
        expected = batch.values.tolist()
    del batch, partition
    column = table["value"]
    del table
    gc.collect()
    assert mapped(tmp_path)
    assert column.to_pylist() == expected
    del column
    gc.collect()
    assert not mapped(tmp_path)


def test_a_capsule_nobody_takes_frees_everything(tmp_path: Path) -> None:
    with opened(tmp_path) as partition:
        partition.append_many([b"value"] * 10)
        batch = everything(partition)
    capsules = [batch.__arrow_c_stream__(), batch.values.__arrow_c_array__()]
    reader = pa.RecordBatchReader.from_stream(batch)  # its arrays never asked for
    del batch, partition
    gc.collect()
    assert mapped(tmp_path)
    del capsules, reader
    gc.collect()
    assert not mapped(tmp_path)


def test_released_in_threads_that_are_not_pythons(many: tuple[Partition, np.ndarray]) -> None:
    partition, _ = many
    for _ in range(5):
        batch = everything(partition)
        frame = pl.DataFrame(batch).lazy()
        del batch
        # Polars drops its columns in its own threads, while this one holds the GIL at times.
        assert frame.select(pl.col("value").bin.size().sum()).collect().item() == 300_000 * 42
        del frame


def test_one_batch_in_several_threads(many: tuple[Partition, np.ndarray]) -> None:
    partition, _ = many
    batch = everything(partition)
    sums: list[int] = []

    def read() -> None:
        for _ in range(3):
            table = pa.table(batch)
            sums.append(sum(map(len, table["value"].to_pylist()[::1000])))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sums == [300 * 42] * 12


SURVIVES = """
    import gc, os, shutil, sys
    import duckdb, polars as pl, pyarrow as pa
    from support.partitions import Handle
    from pathlib import Path

    directory = Path(sys.argv[1])
    handle = Handle(directory, compression=int(sys.argv[2]))
    handle.log.append_many([b"%07d" % i * 4 for i in range(200_000)])
    batch = handle.log.read_batch(0, 1_000_000, 1 << 40)
    assert len(batch) == 200_000
    frame, table, column = pl.DataFrame(batch), pa.table(batch), pa.array(batch.values)
    stream = pa.RecordBatchReader.from_stream(batch)
    relation = duckdb.sql("select sum(octet_length(value)), max(value) from batch")
    views = list(batch.values[:1000])
    del batch
    handle.close()
    shutil.rmtree(directory)
    gc.collect()
    ballast = [bytes(1 << 20) for _ in range(64)]   # reuses what was freed too early
    wanted = b"0199999" * 4
    assert frame["value"].max() == wanted
    assert frame["value"].bin.size().sum() == 200_000 * 28
    table.validate(full=True)
    assert table["value"][-1].as_py() == wanted == column[-1].as_py()
    assert stream.read_all()["value"][-1].as_py() == wanted
    assert relation.fetchall() == [(200_000 * 28, wanted)]
    assert bytes(views[999]) == b"0000999" * 4
    print("alive", flush=True)
    if sys.argv[3] == "exit":
        os._exit(0)
    # Else frames, tables and streams are dropped while the interpreter goes down.
    kept = [frame, table, column, stream, relation, views]
"""


@pytest.mark.parametrize("compression", [0, 3])
@pytest.mark.parametrize("end", ["exit", "shutdown"])
def test_after_the_log_is_closed_and_deleted(tmp_path: Path, compression: int, end: str) -> None:
    """In a process of its own: a dangling view would end it."""
    tests = str(Path(__file__).parents[1])
    code = f"import sys; sys.path.insert(0, {tests!r})\n" + textwrap.dedent(SURVIVES)
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", code, str(tmp_path / "d"), str(compression), end],
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr
