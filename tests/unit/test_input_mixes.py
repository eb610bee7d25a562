"""Columns beside lists, headers and times of other kinds: read item by item, to the same records."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from logflume._native.input_columns import Packed
from logflume._native.partition import Partition
from logflume.errors import InvalidTimestamp
from support.partitions import opened

VALUES: list[bytes] = [b"v%03d" % i for i in range(50)]
COLUMNS: dict[str, Any] = {
    "list": VALUES,
    "tuple": tuple(VALUES),
    "iterator": None,
    "numpy": np.array(VALUES),
    "objects": np.array(VALUES, dtype=object),
    "arrow": pa.array(VALUES, pa.binary_view()),
    "chunked": pa.chunked_array([VALUES[:20], VALUES[20:]]),
    "polars": pl.Series(VALUES),
    "packed": Packed(b"".join(VALUES), np.arange(51) * 4),
}


def column(name: str) -> Any:
    return iter(VALUES) if name == "iterator" else COLUMNS[name]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Partition]:
    with opened(tmp_path) as partition:
        yield partition


@pytest.mark.parametrize("keys", COLUMNS)
@pytest.mark.parametrize("values", COLUMNS)
def test_any_values_with_any_keys(log: Partition, values: str, keys: str) -> None:
    log.append_many(column(values), keys=column(keys))
    batch = log.read_batch(0)
    assert batch.values.tolist() == batch.keys.tolist() == VALUES


@pytest.mark.parametrize("values", COLUMNS)
def test_columns_with_headers(log: Partition, values: str) -> None:
    headers = [[("n", b"%d" % i)] if i % 2 else None for i in range(50)]
    log.append_many(column(values), keys=column(values), headers=headers)
    batch = log.read_batch(0)
    assert batch.values.tolist() == batch.keys.tolist() == VALUES
    assert [r.headers for r in batch] == [h or [] for h in headers]


MS = [1_700_000_000_000 + 1001 * i for i in range(50)]
STAMPS: dict[str, Any] = {
    "list": MS,
    "int64": np.array(MS),
    "big-endian": np.array(MS, dtype=">i8"),
    "uint64": np.array(MS, dtype="u8"),
    "strided": np.repeat(MS, 3)[::3],
    "objects": np.array(MS, dtype=object),
    "datetime64[ms]": np.array(MS, dtype="M8[ms]"),
    "datetime64[ns]": np.array(MS, dtype="M8[ms]").astype("M8[ns]"),
    "arrow int64": pa.array(MS),
    "arrow ms": pa.array(MS, pa.timestamp("ms", "UTC")),
    "arrow us": pa.array(MS, pa.timestamp("ms")).cast(pa.timestamp("us")),
    "arrow chunked": pa.chunked_array([MS[:7], MS[7:]], pa.timestamp("ms")),
    "polars": pl.Series(MS).cast(pl.Datetime("ms", "UTC")),
    "polars us": pl.Series(MS).cast(pl.Datetime("ms")).cast(pl.Datetime("us")),
}


@pytest.mark.parametrize("values", ["list", "numpy", "arrow"])
@pytest.mark.parametrize("stamps", STAMPS)
def test_times_of_any_kind_are_milliseconds(log: Partition, values: str, stamps: str) -> None:
    log.append_many(column(values), timestamps=STAMPS[stamps])
    assert log.read_batch(0).timestamps.tolist() == MS


@pytest.mark.parametrize("values", ["list", "numpy", "arrow"])
def test_times_that_are_none(log: Partition, values: str) -> None:
    nat = np.array(MS, dtype="M8[ms]")
    nat[7] = "NaT"
    for missing in (nat, pa.array([*MS[:7], None, *MS[8:]], pa.timestamp("ms"))):
        with pytest.raises(InvalidTimestamp, match="row 7"):
            log.append_many(column(values), timestamps=missing)
    for wrong in (np.array(MS) / 2, np.array(MS, dtype="M8[ms]").reshape(2, 25), np.array(["x"] * 50),
                  np.array([1 << 63] * 50, dtype="u8"), np.array([True] * 50)):  # fmt: skip
        with pytest.raises(TypeError, match="timestamps"):
            log.append_many(column(values), timestamps=wrong)
    assert log.end_offset == 0


def test_a_list_may_leave_times_out(log: Partition) -> None:
    before = datetime.now(UTC).timestamp() * 1000 - 1
    log.append_many([b"a", b"b"], timestamps=[5, None])
    stamps = log.read_batch(0).timestamps
    assert stamps[0] == 5
    assert stamps[1] >= before
