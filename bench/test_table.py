"""Tables: loading, restarting from a checkpoint, look-ups, following with callbacks, memory of a key."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lmdb
import numpy
import pytest

import logflume
from bench.entrants import TOPIC, log_with_topic
from bench.harness import Amount, Contest, Contestant, Job, fixed
from bench.payload import values
from bench.programs import start

HOT = 20_000


def rows(contest: Contest) -> tuple[list[bytes], list[bytes]]:
    """Keys and values of 100 bytes; every key twice, in no order."""
    total = 400_000 if contest.scale.name == "full" else 200_000
    order = numpy.random.default_rng(3).permutation(total) // 2
    return [b"user-%08d" % n for n in order.tolist()], values(100, total)


@contextmanager
def stored(
    where: Path, keys: list[bytes], payload: list[bytes], **topic: Any
) -> Iterator[logflume.Log]:
    with log_with_topic(where, **topic) as log:
        with log.producer(acks=1) as producer:
            producer.send_many(TOPIC, payload, keys)
        yield log


@contextmanager
def lmdb_with(where: Path, pairs: dict[bytes, bytes]) -> Iterator[Any]:
    env = lmdb.open(str(where / "lmdb"), map_size=8 << 30, sync=False, metasync=False)
    with env.begin(write=True) as txn:
        txn.cursor().putmulti(sorted(pairs.items()))
    yield env
    env.close()


def test_loading(contest: Contest, where: Path) -> None:
    keys, payload = rows(contest)
    total = len(keys)
    pairs = dict(zip(keys, payload))
    with stored(where, keys, payload) as log, lmdb_with(where, pairs) as env:
        log.table(TOPIC).checkpoint()

        def from_lmdb() -> dict[bytes, bytes]:
            with env.begin() as txn:
                return dict(txn.cursor())

        contest.run(
            "Table: loading",
            [
                fixed(
                    "log.table, whole log",
                    "logflume",
                    total,
                    lambda: log.table(TOPIC, checkpoint=False),
                ),
                fixed("log.table, checkpoint", "logflume", len(pairs), lambda: log.table(TOPIC)),
                fixed("dict(zip(keys, values))", "limit", total, lambda: dict(zip(keys, payload))),
                fixed("LMDB to dict", "peer", len(pairs), from_lmdb),
            ],
            about=f"{total:,} records of 100 bytes, {len(pairs):,} keys; the whole log counts records, the others"
            " keys; the limit has its bytes objects already",
        )


def test_checkpoint(contest: Contest, where: Path) -> None:
    keys, payload = rows(contest)
    with stored(where, keys, payload) as log, log.table(TOPIC) as table:
        file = where / "plain"
        data = b"".join(payload)

        def plain() -> None:
            with open(file, "wb") as out:
                out.write(data[: len(data) // 2])

        contest.run(
            "Table: saving a checkpoint",
            [
                fixed("table.checkpoint", "logflume", len(table), table.checkpoint),
                fixed("write of the values", "limit", len(table), plain),
            ],
            about=f"{len(table):,} keys with values of 100 bytes, synced; the limit is not",
            unit="keys",
        )


@pytest.mark.parametrize("keys_asked", ["hot", "random"])
def test_look_ups(contest: Contest, where: Path, keys_asked: str) -> None:
    """Hot: keys that fit the processor's caches. Random: all of them, where memory decides."""
    keys, payload = rows(contest)
    pairs = dict(zip(keys, payload))
    count = HOT if keys_asked == "hot" else len(keys) // 2
    # Copies, so that nobody finds a key by identity.
    asked = [bytes(bytearray(key)) for key in (keys[:HOT] if keys_asked == "hot" else keys[:count])]

    def each(find: Callable[[bytes], object]) -> Job:
        def job() -> None:
            for key in asked:
                find(key)

        return job

    with (
        stored(where, keys, payload) as log,
        stored(where / "four", keys, payload, partitions=4) as four,
        lmdb_with(where, pairs) as env,
        env.begin() as txn,
    ):
        tables = [
            fixed("table.get", "logflume", count, each(log.table(TOPIC).get)),
            fixed(
                "table.get, manual", "logflume", count, each(log.table(TOPIC, follow="manual").get)
            ),
            fixed("table.get, 4 partitions", "logflume", count, each(four.table(TOPIC).get)),
        ]
        contest.run(
            f"Table: look-up, {keys_asked} keys",
            [
                *tables,
                fixed("dict.get", "limit", count, each(pairs.get)),
                fixed("LMDB, one transaction", "peer", count, each(txn.get)),
            ],
            about=f"values of 100 bytes of {len(pairs):,} keys; `table.get` looks each time whether the log has grown",
            unit="calls",
        )


def test_following(contest: Contest, where: Path) -> None:
    keys, payload = rows(contest)
    share = len(keys) // 10
    with stored(where, keys, payload) as log, log.producer(acks=1) as producer:

        def following(name: str, *, heard: bool) -> Contestant:
            @contextmanager
            def open_(_: Path) -> Iterator[Job]:
                table = log.table(TOPIC, follow="manual", checkpoint=False)
                if heard:
                    table.on_change(lambda *_: None)
                producer.send_many(TOPIC, payload[:share], keys[:share])
                yield table.refresh

            return Contestant(name, "logflume", share, open_)

        contest.run(
            "Table: following",
            [following("refresh", heard=False), following("refresh, a callback", heard=True)],
            about=f"{share:,} records of 100 bytes read into a table of {len(keys) // 2:,} keys",
        )


def test_writing(contest: Contest, where: Path) -> None:
    keys, payload = rows(contest)
    count = contest.scale.count(7e5)
    some = list(zip(keys, payload))[:count]

    @contextmanager
    def table(where: Path) -> Iterator[Job]:
        with log_with_topic(where) as log:
            made = log.table(TOPIC, acks=1)

            def job() -> None:
                for key, value in some:
                    made.put(key, value)
                made.flush()

            yield job

    @contextmanager
    def changelog(where: Path) -> Iterator[Job]:
        with log_with_topic(where) as log:
            made = log.changelog(TOPIC, 0, acks=1)

            def job() -> None:
                for key, value in some:
                    made.get(key)
                    made[key] = value
                made.flush()

            yield job

    @contextmanager
    def peer(where: Path) -> Iterator[Job]:
        with lmdb_with(where, {}) as env:

            def job() -> None:
                with env.begin(write=True) as txn:
                    for key, value in some:
                        txn.put(key, value)

            yield job

    contest.run(
        "Table: writing",
        [
            Contestant("table.put", "logflume", count, table),
            Contestant("changelog get and set", "logflume", count, changelog),
            Contestant("LMDB, one transaction", "peer", count, peer),
        ],
        about="keys in no order, values of 100 bytes, acks=1; LMDB keeps nothing before its transaction ends",
    )


@pytest.mark.parametrize("value_bytes", [16, 100, 1024, 16384])
def test_values_in_memory_or_in_the_log(contest: Contest, where: Path, value_bytes: int) -> None:
    """What docs/decisions/012 rests on."""
    count = max(2000, min(100_000, (64 << 20) // value_bytes))
    keys = [b"user-%08d" % n for n in range(count)]
    asked = [bytes(bytearray(key)) for key in keys[: HOT // 4]]
    with stored(where, keys, values(value_bytes, count)) as log:
        log.create_topic("empty")

        def looking(name: str, inline: int) -> Contestant:
            table = log.table(TOPIC, follow="manual", checkpoint=False, inline_bytes_max=inline)

            def job() -> None:
                for key in asked:
                    table.get(key)

            return fixed(name, "logflume", len(asked), job)

        contest.run(
            "Table: look-up, values in memory or in the log",
            [looking("in memory", 1 << 30), looking("in the log", 0)],
            about=f"{count:,} keys in no order",
            unit="calls",
            x=("bytes of a value", value_bytes),
        )


@pytest.mark.parametrize("value_bytes", [16, 100, 1024, 16384])
def test_memory_of_a_key(contest: Contest, where: Path, value_bytes: int) -> None:
    count = max(2000, min(200_000, (64 << 20) // value_bytes))
    keys = [b"user-%08d" % n for n in range(count)]
    with stored(where, keys, values(value_bytes, count)) as log:
        log.create_topic("empty")

    def loaded(name: str, inline: int) -> Contestant:
        @contextmanager
        def open_(_: Path) -> Iterator[Job]:
            def job() -> Amount:
                out, _ = start("table_memory", where / "log", inline).communicate()
                return Amount(json.loads(out)["bytes"])

            yield job

        return Contestant(name, "logflume", 1, open_)

    contest.run(
        "Table: memory of a key",
        [loaded("value in memory", 1 << 30), loaded("value in the log", 0)],
        about="bytes of a process's own memory for each key of 13 bytes with its value",
        unit="bytes",
        x=("bytes of a value", value_bytes),
        rounds=2,
        warmup=False,
    )
