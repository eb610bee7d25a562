"""Lists of bytes: Partition.append_many and Producer.send_many."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow

import logflume
from bench.entrants import TOPIC, limit_writing, ours, peer_writing
from bench.harness import Contest, Contestant, Goal, Job
from bench.limits import limits
from bench.payload import values
from bench.peers import FramedFile, Lmdb, Rocks, Sqlite

HEADERS = [("trace", b"0123456789abcdef")]
LOOP = "C loop, write()"
GOALS = {
    100: [
        Goal("append_many(list)", "≥ 14 M/s", rate=14e6),
        Goal("append_many(list)", "≥ 0.65 of the C loop", beside=LOOP, share=0.65),
        Goal("send_many(list)", "≥ 14 M/s", rate=14e6),
        Goal("send_many(list)", "≥ 0.65 of the C loop", beside=LOOP, share=0.65),
    ],
    1024: [
        Goal("append_many(list)", "≥ 0.9 of the C loop", beside=LOOP, share=0.9),
        Goal("send_many(list)", "≥ 0.9 of the C loop", beside=LOOP, share=0.9),
    ],
}


def arrow_ipc(records: list[bytes]) -> Contestant:
    """pyarrow: an array made of the list, written as one stream of batches of 64 Ki rows."""

    @contextmanager
    def open_(where: Path) -> Iterator[Job]:
        schema = pyarrow.schema([("value", pyarrow.binary())])
        with pyarrow.OSFile(str(where / "records.arrow"), "wb") as file:

            def job() -> None:
                with pyarrow.ipc.new_stream(file, schema) as stream:
                    for at in range(0, len(records), 65536):
                        column = pyarrow.array(records[at : at + 65536], pyarrow.binary())
                        stream.write_batch(pyarrow.record_batch([column], schema=schema))

            yield job

    return Contestant("pyarrow IPC", "peer", len(records), open_)


def test_lists(contest: Contest, size: int) -> None:
    count = contest.scale.count(12e6, size)
    records = values(size, count)
    keys = [value[:8] for value in records]

    def append_many(log: logflume.Log) -> Job:
        partition = log.partition(TOPIC, 0)
        return lambda: partition.append_many(records)

    def send_many(log: logflume.Log) -> Job:
        producer = log.producer(acks=1)
        producer.send(TOPIC, b"").result(
            10
        )  # the topic is known from here on, as the peers' files are open
        return lambda: producer.send_many(TOPIC, records)

    def send_many_keyed(log: logflume.Log) -> Job:
        producer = log.producer(acks=1)
        producer.send(TOPIC, b"").result(10)
        return lambda: producer.send_many(TOPIC, records, keys=keys)

    def append_headers(log: logflume.Log) -> Job:
        partition = log.partition(TOPIC, 0)
        return lambda: partition.append_many(records, keys=keys, headers=headers)

    headers = [HEADERS] * count
    ways = [
        ours("append_many(list)", count, append_many),
        ours("send_many(list)", count, send_many, partitions=4),
        ours("send_many(list, keys)", count, send_many_keyed, partitions=4),
    ]
    if size == 100:
        ways.append(ours("append_many(list, keys, headers)", count, append_headers))
    contest.run(
        "Lists of records",
        [
            *ways,
            limit_writing(LOOP, count, lambda fd: lambda: limits.encode_list(records, fd)),
            limit_writing(
                "C loop in RAM", count, lambda fd: lambda: limits.encode_list(records, -1)
            ),
            arrow_ipc(records),
            *(
                peer_writing(kind, "many", contest.scale, size)
                for kind in (FramedFile, Lmdb, Rocks, Sqlite)
            ),
        ],
        about="a list of `bytes`, acks=1; the C loop encodes the same batches with their CRC32C",
        x=("bytes of a value", size),
        goals=GOALS.get(size, []),
    )
