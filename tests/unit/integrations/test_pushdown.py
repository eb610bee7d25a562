"""Filters of Polars and DuckDB: the same rows as without push-down, and small windows where they can be."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import logflume
from logflume.client.scan import Scan
from logflume.integrations import arrow, arrow_filter, polars, polars_filter
from logflume.integrations.window import Interval

T0 = 1_700_000_000_000
BEGIN = datetime.fromtimestamp(T0 / 1000, UTC)
COUNT = 20_000
Gone = list[range]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[logflume.Log]:
    with logflume.open(tmp_path / "log") as log:
        log.create_topic("t", partitions=2)
        for number in range(2):
            log.partition("t", number).append_many(
                np.arange(COUNT, dtype="<i8"), timestamps=T0 + np.arange(COUNT) * 1000
            )
        log.partition("t", 1).append(None, key=b"k")
        yield log


@pytest.fixture
def gone_over(monkeypatch: pytest.MonkeyPatch) -> Gone:
    """The offsets that partitions were read over."""
    found: Gone = []
    windows = Scan._windows

    def noted(self: Scan, number: int, end: int) -> list[range]:
        chosen = windows(self, number, end)
        found.extend(chosen)
        return chosen

    monkeypatch.setattr(Scan, "_windows", noted)
    return found


def sql(query: str, rows: Any) -> list[Any]:
    """DuckDB finds `rows` by its name."""
    with duckdb.connect() as db:
        return list(db.sql(query).fetchall())


C = pl.col
POLARS = [
    (C("offset").is_between(1000, 1010), 11),
    ((C("offset") >= 1000) & (C("offset") < 1010) & (C("partition") == 1), 10),
    ((C("timestamp") >= BEGIN) & (C("timestamp") < BEGIN + timedelta(seconds=30)), 30),
    ((C("offset") == 5) | (C("offset") == 70), 66),
    (pl.lit(50) > C("offset"), 50),
    (C("offset").is_between(10, 20) & (C("value").bin.size() == 8), 11),
]
SQL = [
    ('"offset" between 1000 and 1010', 11),
    ('"offset" >= 1000 and "offset" < 1010 and partition = 1', 10),
    (
        f"timestamp >= to_timestamp({T0 // 1000}) and timestamp < to_timestamp({T0 // 1000 + 30})",
        30,
    ),
    ('"offset" = 5 or "offset" = 70', 66),
    ('"offset" in (5, 70)', 66),
    ('50 > "offset"', 50),
    ('"offset" between 10 and 20 and octet_length(value) = 8', 11),
]
UNBOUNDED_POLARS = [
    C("value").is_null(),
    C("offset") % 1000 == 0,
    ~(C("offset") > 5),
    (C("offset") > 5) | C("key").is_not_null(),
    C("timestamp").is_null(),
    C("offset").cast(pl.Int8, strict=False) == 5,
    C("timestamp").dt.second() == 7,
]
UNBOUNDED_SQL = [
    "value is null",
    '"offset" % 1000 = 0',
    "key is not null",
    "timestamp is null",
    "true",
]


@pytest.mark.parametrize(("predicate", "most"), POLARS)
def test_polars_reads_only_the_window(
    log: logflume.Log, gone_over: Gone, predicate: pl.Expr, most: int
) -> None:
    found = polars.scan(log["t"]).filter(predicate).collect()
    read = [len(offsets) for offsets in gone_over if offsets]
    assert read
    assert max(read) <= most
    assert found.equals(log["t"].scan().to_polars().filter(predicate))
    assert found.height > 0


@pytest.mark.parametrize("predicate", UNBOUNDED_POLARS)
def test_polars_gives_the_same_rows_for_what_has_no_bounds(
    log: logflume.Log, predicate: pl.Expr
) -> None:
    found = polars.scan(log["t"]).filter(predicate).collect()
    assert found.equals(log["t"].scan().to_polars().filter(predicate))


@pytest.mark.parametrize(("where", "most"), SQL)
def test_duckdb_reads_only_the_window(
    log: logflume.Log, gone_over: Gone, where: str, most: int
) -> None:
    query = f'select partition, "offset", value from rows where {where} order by all'
    found = sql(query, arrow.dataset(log["t"]))
    read = [len(offsets) for offsets in gone_over if offsets]
    assert read
    assert max(read) <= most
    assert found == sql(query, log["t"].scan().to_arrow())
    assert found


@pytest.mark.parametrize("where", UNBOUNDED_SQL)
def test_duckdb_gives_the_same_rows_for_what_has_no_bounds(log: logflume.Log, where: str) -> None:
    query = f'select count(*), sum("offset") from rows where {where}'
    found = sql(query, arrow.dataset(log["t"]))
    assert found == sql(query, log["t"].scan().to_arrow())


def test_rows_without_a_time_pass_a_filter_that_asks_for_them(tmp_path: Path) -> None:
    with logflume.open(tmp_path / "log") as log:
        log.create_topic("t")
        for when in (T0, -1, T0 + 5):
            log.partition("t", 0).append(b"x", timestamp=when)
        missing = pl.col("timestamp").is_null()
        assert polars.scan(log["t"]).filter(missing).collect()["offset"].to_list() == [1]
        assert (
            polars.scan(log["t"]).filter(missing | (C("timestamp") > BEGIN)).collect().height == 2
        )
        rows = arrow.dataset(log["t"])
        late = f"timestamp > to_timestamp({T0 / 1000})"
        for where, expected in (
            ("timestamp is null", 1),
            (f"timestamp is null or {late}", 2),
            (late, 1),
        ):
            assert sql(f"select count(*) from rows where {where}", rows) == [(expected,)]


def test_a_scans_own_window_holds_under_filters(log: logflume.Log) -> None:
    scan = log["t"].scan(["offset", "partition"], offsets={0: (10, 20)})
    assert polars.scan(scan).filter(C("offset") >= 15, C("offset") < 30).collect().height == 5 + 15
    query = 'select count(*) from rows where "offset" >= 15 and "offset" < 30'
    assert sql(query, arrow.dataset(scan)) == [(20,)]


def test_polars_lazy_frames_compose(log: logflume.Log) -> None:
    frame = polars.scan(log["t"])
    assert frame.select(pl.len()).collect().item() == 2 * COUNT + 1
    assert frame.head(3).collect().height == 3
    assert polars.scan(log["t"].scan(["value"])).select(pl.len()).collect().item() == 2 * COUNT + 1
    most = (
        frame.group_by("partition")
        .agg(C("offset").max())
        .sort("partition")
        .collect(engine="streaming")
    )
    assert most["offset"].to_list() == [COUNT - 1, COUNT]
    assert frame.filter(C("offset") < 100).head(7).collect().height == 7
    assert frame.filter(C("offset") > COUNT - 3).head(7).collect().height == 5


def test_the_dataset_serves_pyarrow(log: logflume.Log) -> None:
    rows = arrow.dataset(log["t"])
    small = pc.field("offset") < 3
    assert rows.count_rows(filter=small) == 6
    assert (
        rows.to_table(columns=["offset"], filter=small).column("offset").to_pylist()
        == [0, 1, 2] * 2
    )
    doubled = rows.to_table(
        columns={"twice": pc.field("offset") * 2}, filter=pc.field("partition") == 0
    )
    assert doubled.column("twice").to_pylist() == list(range(0, 2 * COUNT, 2))
    assert rows.head(2).num_rows == 2
    with pytest.raises(NotImplementedError):
        rows.get_fragments()


def test_bounds_of_a_pyarrow_filter(log: logflume.Log) -> None:
    rows, offset = arrow.dataset(log["t"]), pc.field("offset")
    time = pa.scalar(T0, pa.timestamp("ms", "UTC"))

    def bounds(expression: Any) -> dict[str, Interval]:
        return arrow_filter.window_of(expression, rows.schema, log["t"].scan())

    assert bounds((offset > 3) & (pc.field("timestamp") < time)) == {
        "offset": Interval(4, None),
        "timestamp": Interval(None, T0),
    }
    assert bounds((offset > 3) & (offset < 2)) == {"offset": Interval(0, 0)}
    assert bounds(pc.field("key") == b"k") == {}
    assert bounds(offset.isin([9, 4, 7])) == {"offset": Interval(4, 10)}


def test_bounds_of_a_polars_predicate() -> None:
    def bounds(predicate: pl.Expr) -> dict[str, Interval]:
        return polars_filter.window_of(predicate)

    assert bounds(pl.lit(3) < C("offset")) == {"offset": Interval(4, None)}
    assert bounds((C("offset") == 3) | (C("offset") <= 9)) == {"offset": Interval(None, 10)}
    assert bounds((C("offset") == 3) | (C("partition") == 9)) == {}
    assert bounds(C("offset") > 2.5) == {}
    assert bounds(C("offset").map_elements(lambda _: True, return_dtype=pl.Boolean)) == {}
    assert bounds(C("timestamp") >= BEGIN) == {"timestamp": Interval(T0, None)}
    between = BEGIN + timedelta(microseconds=500)
    assert bounds(C("timestamp") > between) == {"timestamp": Interval(T0, None)}
    assert bounds(C("timestamp") < between) == {"timestamp": Interval(None, T0 + 1)}
