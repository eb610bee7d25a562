"""Into DuckDB and Polars: a filter and an aggregate over all records."""

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
from bench.harness import Contest, Contestant, Job, fixed
from bench.payload import packed

T0 = 1_700_000_000_000
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
    stamps = T0 + numpy.arange(count)
    values = numpy.frombuffer(data, dtype="V20")
    with log_with_topic(where) as log:
        log.partition(TOPIC, 0).append_many(values, timestamps=stamps)
        del data

        def opened(name: str, job: Callable[[logflume.Log], None]) -> Contestant:
            """On a log that is opened anew, so that all checksums are computed."""

            @contextmanager
            def open_(_: Path) -> Iterator[Job]:
                with logflume.open(where / "log") as fresh:
                    yield lambda: job(fresh)

            return Contestant(name, "logflume", count, open_)

        def scanned(columns: list[str]) -> Callable[[logflume.Log], None]:
            return lambda fresh: query(fresh[TOPIC].scan(columns))

        def polled(fresh: logflume.Log) -> None:
            with fresh.consumer(auto_offset_reset="earliest") as consumer:
                consumer.assign([(TOPIC, 0)])
                query(read_all(consumer, count))

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
                opened("scan", scanned(["offset", "timestamp", "value"])),
                opened("scan, columns of the query", scanned(["offset"])),
                opened("poll_batch", polled),
                fixed("Arrow table in memory", "limit", count, lambda: query(in_memory)),
                fixed("pyarrow map", "peer", count, mapped),
            ],
            about=f"{count:,} records of 20 bytes: a filter on the offset, then count and maximum,"
            f" in {engine} through the Arrow C stream. Our log is opened anew in each round and computes its checksums,"
            " pyarrow's file and table have none",
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
