"""Batches into DuckDB and Polars: a filter and an aggregate over all records."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import numpy
import polars
import pyarrow
import pytest

import logflume
from bench.entrants import TOPIC, log_with_topic
from bench.harness import Contest, Contestant, Job
from bench.payload import packed
from bench.test_read import fixed

QUERY = 'SELECT count(*), max("offset") FROM records WHERE "offset" % 10 = 0'


def in_duckdb(source: Any) -> None:
    """DuckDB reads whatever has an Arrow stream."""
    with duckdb.connect() as db:
        db.register("records", source)
        db.execute(QUERY).fetchall()


def in_polars(source: Any) -> None:
    frame = polars.DataFrame(source)
    chosen = frame.filter(polars.col("offset") % 10 == 0)
    chosen.select(polars.len(), polars.col("offset").max())


@pytest.mark.parametrize("engine", ["DuckDB", "Polars"])
def test_aggregate(contest: Contest, where: Path, engine: str) -> None:
    query: Callable[[Any], None] = {"DuckDB": in_duckdb, "Polars": in_polars}[engine]
    count = 10_000_000 if contest.scale.name == "full" else 500_000
    data, _offsets = packed(20, count)
    stamps = 1_700_000_000_000 + numpy.arange(count)
    values = numpy.frombuffer(data, dtype="V20")
    with log_with_topic(where) as log:
        log.partition(TOPIC, 0).append_many(values, timestamps=stamps)
        del data

        @contextmanager
        def streamed(_: Path) -> Iterator[Job]:
            with log.consumer(auto_offset_reset="earliest") as consumer:
                consumer.assign([(TOPIC, 0)])

                def job() -> None:
                    query(read_all(consumer, count))

                yield job

        table = pyarrow.table(
            {
                "offset": numpy.arange(count),
                "timestamp": stamps,
                "value": pyarrow.FixedSizeBinaryArray.from_buffers(
                    pyarrow.binary(20), count, [None, pyarrow.py_buffer(values)]
                ),
            }
        )
        path = str(where / "records.arrow")
        with pyarrow.OSFile(path, "wb") as file, pyarrow.ipc.new_file(file, table.schema) as out:
            out.write_table(table, max_chunksize=100_000)
        in_memory = table

        def mapped() -> None:
            with pyarrow.memory_map(path) as file:
                query(pyarrow.ipc.open_file(file).read_all())

        contest.run(
            f"Read into {engine}",
            [
                Contestant("poll_batch", "logflume", count, streamed),
                fixed("Arrow table in memory", "limit", count, lambda: query(in_memory)),
                fixed("pyarrow map", "peer", count, mapped),
            ],
            about=f"{count:,} records of 20 bytes: a filter on the offset, then count and maximum,"
            f" in {engine} through the Arrow C stream",
        )


def read_all(consumer: logflume.Consumer, left: int) -> pyarrow.Table:
    """All batches as one table, without copying a value."""
    tables = []
    while left > 0:
        batch = consumer.poll_batch(1.0)
        if batch is not None:
            tables.append(pyarrow.table(batch))
            left -= len(batch)
    return pyarrow.concat_tables(tables)
