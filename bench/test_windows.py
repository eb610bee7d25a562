"""One percent of a log, by offsets and by times, through DuckDB, Polars and Arrow: its time, and what it reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import numpy
import polars
import pyarrow
from pyarrow import parquet

import logflume
from bench.entrants import TOPIC, log_with_topic
from bench.harness import Amount, Contest, Contestant, Goal, Job, fixed
from bench.pages import bytes_read, forget
from bench.payload import packed
from logflume.client import low_times
from logflume.integrations import arrow
from logflume.integrations import polars as lazy

T0 = 1_700_000_000_000
WHOLE = "the whole log"


def windows(log: logflume.Log, count: int) -> dict[str, Callable[[], object]]:
    """A window of one percent in the middle, in every way there is."""
    first = count // 2
    stop = first + count // 100
    begin, end = datetime.fromtimestamp(T0 / 1000, UTC), timedelta(milliseconds=1)
    topic = log[TOPIC]
    columns = ["offset", "value"]
    offset, time = polars.col("offset"), polars.col("timestamp")

    def in_sql() -> None:
        with duckdb.connect() as db:
            db.register("records", arrow.dataset(topic))
            db.execute(
                f'SELECT count(value) FROM records WHERE "offset" >= {first} AND "offset" < {stop}'
            )
            assert db.fetchall() == [(count // 100,)]

    def lazily() -> None:
        within = (time >= begin + first * end) & (time < begin + stop * end)
        chosen = lazy.scan(topic).filter(within)
        assert chosen.select(polars.col("value").count()).collect().item() == count // 100

    def by_offset() -> None:
        assert topic.scan(columns, offsets=(first, stop)).to_arrow().num_rows == count // 100

    def by_time() -> None:
        window = topic.scan(columns, start=T0 + first, end=T0 + stop)
        assert window.to_arrow().num_rows == count // 100

    def bounded() -> None:
        frame = lazy.scan(topic).filter(offset.is_between(first, stop - 1))
        assert frame.select(polars.col("value").count()).collect().item() == count // 100

    return {
        "scan, offsets": by_offset,
        "scan, times": by_time,
        "Polars, filter on offsets": bounded,
        "Polars, filter on times": lazily,
        "DuckDB, WHERE": in_sql,
    }


@contextmanager
def analysed(where: Path, count: int, size: int) -> Iterator[None]:
    """A closed log of `count` values, a millisecond apart."""
    data, _offsets = packed(size, count)
    with log_with_topic(where) as log:
        stamps = T0 + numpy.arange(count)
        log.partition(TOPIC, 0).append_many(
            numpy.frombuffer(data, dtype=f"V{size}"), timestamps=stamps
        )
    yield


def test_window(contest: Contest, where: Path) -> None:
    count, size = (10_000_000 if contest.scale.name == "full" else 500_000), 20
    few = count // 100
    with analysed(where, count, size), logflume.open(where / "log") as log:
        stamps = T0 + numpy.arange(count)
        path = str(where / "records.parquet")
        values = pyarrow.FixedSizeBinaryArray.from_buffers(
            pyarrow.binary(size), count, [None, pyarrow.py_buffer(packed(size, count)[0])]
        )
        table = pyarrow.table({"offset": numpy.arange(count), "timestamp": stamps, "value": values})
        parquet.write_table(
            table, path, row_group_size=100_000, compression="none", use_dictionary=False
        )
        del table, values
        within = [("offset", ">=", count // 2), ("offset", "<", count // 2 + few)]

        def pruned() -> None:
            found = parquet.read_table(path, columns=["offset", "value"], filters=within)
            assert found.num_rows == few

        contest.run(
            "Read a window of one percent",
            [
                *(fixed(name, "logflume", few, job) for name, job in windows(log, count).items()),
                fixed("Parquet, row groups pruned", "peer", few, pruned),
            ],
            about=f"offset and value of {few:,} of {count:,} records of {size} bytes, from the middle of the log;"
            " the file has the same columns in row groups of 100,000",
        )


def test_window_bytes(contest: Contest, where: Path) -> None:
    """What a window brings from the disk, with nothing of the log in memory before."""
    count, size = (10_000_000 if contest.scale.name == "full" else 500_000), 20
    with analysed(where, count, size):
        folder = where / "log" / f"{TOPIC}-0"
        first_ever = "scan, times, the first ever"

        def reading(name: str, role: str, which: str) -> Contestant:
            @contextmanager
            def open_(_: Path) -> Iterator[Job]:
                forget(folder.iterdir())
                with logflume.open(where / "log") as log:
                    jobs = windows(log, count)
                    if which == first_ever:  # nothing is known yet of what lies behind the window
                        (folder / "logflume.lowtimes").unlink(missing_ok=True)
                        low_times.forget()
                    jobs[first_ever] = jobs["scan, times"]
                    jobs["whole"] = lambda: log[TOPIC].scan(["offset", "value"]).to_arrow()

                    def job() -> Amount:
                        before = bytes_read()
                        jobs[which]()
                        return Amount((bytes_read() - before) / 1e6)

                    yield job

            return Contestant(name, role, 1, open_)  # type: ignore[arg-type] # a Role

        with logflume.open(where / "log") as log:
            names = [*windows(log, count), first_ever]
        contest.run(
            "Bytes read for a window of one percent",
            [
                *(reading(name, "logflume", name) for name in names),
                reading(WHOLE, "peer", "whole"),
            ],
            about=f"from the disk, indexes and read-ahead included, for one percent of {count:,} records of {size}"
            " bytes",
            unit="MB",
            goals=[
                Goal(name, "about 1 % of the bytes (≤ 2 %)", beside=WHOLE, share=50)
                for name in names
                if name != first_ever and contest.scale.name == "full"
            ],
            cpu="unseen",
        )
