"""Reading in order: columns, records, values only, poll."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow
import pyarrow.compute

import logflume
from bench.entrants import TOPIC, log_with_topic
from bench.harness import Contest, Contestant, Goal, Job
from bench.limits import limits
from bench.payload import values
from bench.peers import FramedFile, Lmdb, Rocks, Sqlite, Store


def fixed(name: str, role: str, count: int, job: Job) -> Contestant:
    """A contestant that needs nothing opened."""

    @contextmanager
    def open_(_: Path) -> Iterator[Job]:
        yield job

    return Contestant(name, role, count, open_)  # type: ignore[arg-type] # a Role


def consuming(log: logflume.Log, name: str, count: int, job: Callable[..., None]) -> Contestant:
    """A consumer at the start of the partition; `job(consumer, count)`."""

    @contextmanager
    def open_(_: Path) -> Iterator[Job]:
        with log.consumer(auto_offset_reset="earliest") as consumer:
            consumer.assign([(TOPIC, 0)])
            yield lambda: job(consumer, count)

    return Contestant(name, "logflume", count, open_)


def by_records(consumer: logflume.Consumer, left: int) -> None:
    for record in consumer:
        record.value  # noqa: B018 - the bytes are made by the property
        left -= 1
        if not left:
            break


def by_poll(consumer: logflume.Consumer, left: int) -> None:
    while left > 0:
        for record in consumer.poll(1.0):
            record.value  # noqa: B018
            left -= 1


def by_batches(consumer: logflume.Consumer, left: int) -> None:
    while left > 0:
        batch = consumer.poll_batch(1.0)
        left -= len(batch) if batch is not None else 0


def by_values(consumer: logflume.Consumer, left: int) -> None:
    while left > 0:
        batch = consumer.poll_batch(1.0, max_records=10_000)
        if batch is not None:
            for _ in batch.values.iter_bytes():
                left -= 1


@contextmanager
def stored(where: Path, size: int, count: int) -> Iterator[logflume.Log]:
    with log_with_topic(where) as log:
        log.partition(TOPIC, 0).append_many(values(size, count))
        yield log


@contextmanager
def segment_bytes(path: str | Path, size: int | None = None) -> Iterator[memoryview]:
    """A mapped segment."""
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
        whole = memoryview(mapped)
        view = whole[:size]
        yield view
        view.release()
        whole.release()


@contextmanager
def mapped_segment(log: logflume.Log) -> Iterator[memoryview]:
    """The first segment up to where its records end."""
    segment = log.partition(TOPIC, 0).segments()[0]
    with segment_bytes(segment.path, segment.size) as view:
        yield view


def arrow_file(where: Path, records: list[bytes]) -> Contestant:
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


def test_columns(contest: Contest, where: Path, size: int) -> None:
    count = contest.scale.count(40e6, size)
    with stored(where, size, count) as log, mapped_segment(log) as segment:
        partition = log.partition(TOPIC, 0)

        def read() -> None:
            reader, left = partition.reader(), count
            while left:
                left -= len(reader.read(100_000, 4 << 20))

        def copy() -> None:
            bytearray(segment)

        contest.run(
            "Read as columns",
            [
                fixed("read batches", "logflume", count, read),
                consuming(log, "poll_batch", count, by_batches),
                fixed("C loop, CRC checked", "limit", count, lambda: limits.decode(segment)),
                fixed("memcpy of the segment", "limit", count, copy),
                arrow_file(where, values(size, count)),
            ],
            about="offsets, timestamps and places of keys and values, checksums checked; no Python object"
            " for each record. pyarrow maps its file without decoding and computes the lengths",
            x=("bytes of a value", size),
            goals=[
                Goal("read batches", "≥ 45 M/s", rate=45e6),
                Goal("poll_batch", "≥ 45 M/s", rate=45e6),
            ]
            if size == 100
            else [],
        )


def test_batches(contest: Contest, where: Path, size: int) -> None:
    """For those who forward records: nothing is decoded."""
    count = contest.scale.count(40e6, size)
    with stored(where, size, count) as log, mapped_segment(log) as segment:
        partition = log.partition(TOPIC, 0)

        def pieces(log: logflume.Log, *, check: bool = True) -> None:
            reader, left = log.partition(TOPIC, 0).batches(check_crcs=check), count
            while left:
                left -= reader.read().record_count  # type: ignore[union-attr] # there are more

        def each() -> None:
            assert sum(batch.count for batch in partition.batches()) == count

        @contextmanager
        def anew(_: Path) -> Iterator[Job]:
            with logflume.open(where / "log") as other:
                yield lambda: pieces(other)

        contest.run(
            "Whole batches",
            [
                fixed("pieces of 1 MiB", "logflume", count, lambda: pieces(log)),
                fixed("a Batch each", "logflume", count, each),
                fixed("pieces, never checked", "logflume", count, lambda: pieces(log, check=False)),
                Contestant("pieces, checked for the first time", "logflume", count, anew),
                fixed("C loop, CRC checked", "limit", count, lambda: limits.decode(segment)),
                fixed("memcpy of the segment", "limit", count, lambda: bytearray(segment)),
                arrow_file(where, values(size, count)),
            ],
            about="`partition.batches()`: views of whole batches, nothing decoded. Checksums were checked before by"
            " this process, except where it says so. pyarrow maps its file and computes the lengths",
            x=("bytes of a value", size),
            goals=[Goal("pieces of 1 MiB", "≥ 200 M/s", rate=200e6)] if size == 100 else [],
        )


def peer_reading(kind: type[Store], where: Path, records: list[bytes]) -> tuple[Contestant, Store]:
    place = where / kind.__name__
    place.mkdir()
    store = kind(place)
    store.put_many(records)

    def job() -> None:
        for _ in store.read_all():
            pass

    return fixed(kind.name, "peer", len(records), job), store


def test_records(contest: Contest, where: Path, size: int) -> None:
    count = contest.scale.count(9e6, size)
    some = values(size, contest.scale.count(4e6, size))
    with stored(where, size, count) as log, mapped_segment(log) as segment:
        peers = [peer_reading(kind, where, some) for kind in (FramedFile, Lmdb, Rocks, Sqlite)]

        def c_values() -> None:
            for _ in limits.Values(segment):
                pass

        contest.run(
            "Read record by record",
            [
                consuming(log, "for record in consumer", count, by_records),
                consuming(log, "poll", count, by_poll),
                consuming(log, "values only", count, by_values),
                fixed("C iterator of bytes", "limit", count, c_values),
                *(contestant for contestant, _ in peers),
            ],
            about="every record's `value` is touched as `bytes`; `values only`: `.values.iter_bytes()` of batches",
            x=("bytes of a value", size),
            goals=[
                Goal("for record in consumer", "≥ 9 M/s", rate=9e6),
                Goal("values only", "≥ 18 M/s", rate=18e6),
            ]
            if size == 100
            else [],
        )
        for _, store in peers:
            store.close()
