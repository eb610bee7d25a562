"""Reading in order: as columns, and record by record."""

from __future__ import annotations

from pathlib import Path

import pyarrow
import pyarrow.compute

import logflume
from bench.entrants import TOPIC
from bench.harness import Contest, Contestant, Goal, fixed
from bench.limits import limits
from bench.payload import values
from bench.peers import FramedFile, Lmdb, Rocks, Sqlite
from bench.stored import (
    by_batches,
    by_poll,
    by_records,
    by_values,
    consuming,
    on_segment,
    peers_reading,
    reading,
    stored,
)

KEY, HEADERS = b"key-of-8", [("trace", b"0123456789abcdef")]


def arrow_map(where: Path, records: list[bytes]) -> Contestant:
    """pyarrow maps its file: no decoding, no checksum."""
    path = str(where / "records.arrow")
    table = pyarrow.table({"value": pyarrow.array(records, pyarrow.binary())})
    with pyarrow.OSFile(path, "wb") as file, pyarrow.ipc.new_file(file, table.schema) as out:
        out.write_table(table, max_chunksize=65536)

    def job() -> None:
        with pyarrow.memory_map(path) as file:
            for i in range((reader := pyarrow.ipc.open_file(file)).num_record_batches):
                column = reader.get_batch(i).column(0)
                pyarrow.compute.binary_length(column)

    return fixed("pyarrow map", "peer", len(records), job)


def into_arrow(consumer: logflume.Consumer, left: int) -> None:
    while left > 0:
        if (batch := consumer.poll_batch(1.0)) is not None:
            left -= pyarrow.table(batch).num_rows


def into_numpy(consumer: logflume.Consumer, left: int) -> None:
    while left > 0:
        if (batch := consumer.poll_batch(1.0)) is not None:
            left -= len(batch.values.to_numpy("S100"))


def test_columns(contest: Contest, where: Path, size: int) -> None:
    count = contest.scale.count(40e6, size)

    def read(partition: logflume.Partition) -> None:
        reader, left = partition.reader(), count
        while left:
            left -= len(reader.read(100_000, 4 << 20))

    ways = [
        reading(where, "read batches", count, read),
        reading(where, "read batches, checked before", count, read, again=True),
        consuming(where, "poll_batch", count, by_batches),
    ]
    if size == 100:
        ways += [
            consuming(where, "poll_batch, pyarrow.table", count, into_arrow),
            consuming(where, "poll_batch, numpy of fixed width", count, into_numpy),
        ]
    with stored(where, size, count) as log:
        contest.run(
            "Read as columns",
            [
                *ways,
                on_segment(log, "C loop, CRC checked", count, limits.decode),
                on_segment(log, "memcpy of the segment", count, bytearray),
                arrow_map(where, values(size, count)),
            ],
            about="offsets, timestamps and places of keys and values; no Python object for each record. Each round"
            " opens the log anew: all checksums are computed, but where it says that they were before, as happens once"
            " in a process. pyarrow maps its file without checksums or decoding, and computes the lengths",
            x=("bytes of a value", size),
            goals=[
                Goal("read batches", "≥ 45 M/s, CRC checked", rate=45e6),
                Goal("poll_batch", "≥ 45 M/s, CRC checked", rate=45e6),
            ]
            if size == 100
            else [],
        )


def test_records(contest: Contest, where: Path, size: int) -> None:
    count = contest.scale.count(9e6, size)
    some = values(size, contest.scale.count(4e6, size))
    kinds = (FramedFile, Lmdb, Rocks, Sqlite)

    def c_values(segment: memoryview) -> None:
        for _ in limits.Values(segment):
            pass

    with stored(where, size, count) as log, peers_reading(kinds, where, some) as (peers, _):
        contest.run(
            "Read record by record",
            [
                consuming(where, "for record in consumer", count, by_records),
                consuming(where, "poll", count, by_poll),
                consuming(where, "values only", count, by_values),
                on_segment(log, "C iterator of bytes", count, c_values),
                *peers,
            ],
            about="every record's `value` is touched as `bytes`; `values only`: `.values.iter_bytes()` of batches. Each"
            " round opens the log anew and computes its checksums",
            x=("bytes of a value", size),
            goals=[
                Goal("for record in consumer", "≥ 9 M/s", rate=9e6),
                Goal("values only", "≥ 18 M/s", rate=18e6),
            ]
            if size == 100
            else [],
        )


def whole(consumer: logflume.Consumer, left: int) -> None:
    for record in consumer:
        record.key, record.value, record.headers, record.offset, record.timestamp  # noqa: B018
        left -= 1
        if not left:
            break


def test_whole_records(contest: Contest, where: Path) -> None:
    """Keys and headers, too."""
    count = contest.scale.count(3e6)
    payload = values(100, count)
    with stored(where, 100, 0) as log:
        keys, headers = [KEY] * count, [HEADERS] * count
        log.partition(TOPIC, 0).append_many(payload, keys=keys, headers=headers)
        with peers_reading((Sqlite,), where, payload) as (_, (sqlite,)):
            assert isinstance(sqlite, Sqlite)
            sqlite.db.execute("ALTER TABLE records ADD key BLOB")
            sqlite.db.execute("ALTER TABLE records ADD headers BLOB")
            sqlite.db.execute("UPDATE records SET key = ?, headers = ?", (KEY, HEADERS[0][1]))

            def rows() -> None:
                for _ in sqlite.db.execute("SELECT * FROM records ORDER BY number"):
                    pass

            contest.run(
                "Read record by record, with keys and headers",
                [
                    consuming(where, "all of a record", count, whole),
                    consuming(where, "poll_batch", count, by_batches),
                    consuming(where, "value alone", count, by_records),
                    on_segment(log, "C loop, CRC checked", count, limits.decode),
                    fixed("SQLite (WAL)", "peer", count, rows),
                ],
                about="keys of 8 bytes, one header of 16, values of 100; key, value, headers, offset and timestamp are"
                " touched. SQLite's rows have a number, the value, the key, and the header's value without its name",
            )
