"""Producer.send, one call a record, acks=1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import logflume
from bench.entrants import TOPIC, limit_writing, ours, peer_writing
from bench.harness import Contest, Goal, Job
from bench.limits import limits
from bench.payload import values
from bench.peers import FramedFile, Lmdb, PersistQueue, Rocks, Sqlite

GOALS = [
    Goal("send", "≥ 8 M/s", rate=8e6),
    Goal("send with key", "≥ 6 M/s", rate=6e6),
    Goal("send", "≥ 5 × the hand-written file", beside='open("ab")', share=5),
    Goal("send", "≥ 17 × RocksDB", beside="RocksDB", share=17),
]
PARTITIONS = 4


def sending(
    records: list[bytes], each: Callable[[Any, list[bytes]], None], **config: object
) -> Callable[[logflume.Log], Job]:
    """`each(send, records)` is the loop; the flush at the end is part of the time."""

    def prepare(log: logflume.Log) -> Job:
        producer = log.producer(acks=1, **config)
        producer.send(TOPIC, b"").result(10)  # the topic is known from here on

        def job() -> None:
            each(producer.send, records)
            producer.flush()

        return job

    return prepare


def plain(send: Any, records: list[bytes]) -> None:
    for value in records:
        send(TOPIC, value)


def with_headers(send: Any, records: list[bytes]) -> None:
    headers = [("trace", b"0123456789abcdef")]
    for value in records:
        send(TOPIC, value, headers=headers)


def keeping(send: Any, records: list[bytes]) -> None:
    kept = [send(TOPIC, value) for value in records]
    kept[-1].result(10)


def test_send(contest: Contest, size: int) -> None:
    count = contest.scale.count(7e6, size)
    keyed_count = contest.scale.count(5e6, size)
    records = values(size, count)
    some = records[:keyed_count]
    keys = [value[:8] for value in some]

    def keyed(send: Any, records: list[bytes]) -> None:
        for value, key in zip(records, keys, strict=True):
            send(TOPIC, value, key=key)

    def c_calls(fd: int) -> Job:
        def job() -> None:
            send = limits.send_call
            limits.send_open(fd)
            for value in records:
                send(TOPIC, value)
            limits.send_close()

        return job

    variants = [
        ours("send", count, sending(records, plain), partitions=PARTITIONS),
        ours(
            "send with key",
            keyed_count,
            sending(some, keyed),
            partitions=PARTITIONS,
        ),
    ]
    if size == 100:
        variants += [
            ours(
                "send with header", keyed_count, sending(some, with_headers), partitions=PARTITIONS
            ),
            ours(
                "send, deliveries kept", keyed_count, sending(some, keeping), partitions=PARTITIONS
            ),
            ours(
                "send lz4",
                keyed_count,
                sending(some, plain, compression_type="lz4"),
                partitions=PARTITIONS,
            ),
        ]
    contest.run(
        "Producer.send per call",
        [
            *variants,
            limit_writing("C call", count, c_calls),
            *(
                peer_writing(kind, "each", contest.scale, size)
                for kind in (FramedFile, Lmdb, Rocks, Sqlite, PersistQueue)
            ),
        ],
        about="`producer.send(topic, value)`, acks=1, 4 partitions, `flush()` at the end;"
        " the peers put record by record, SQLite and LMDB in one transaction",
        x=("bytes of a value", size),
        goals=GOALS if size == 100 else [],
    )
