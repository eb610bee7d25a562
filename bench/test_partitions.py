"""How cost grows with partitions: writing to all of them by key, and opening them."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from zlib import crc32

import logflume
from bench.entrants import limit_writing
from bench.harness import Contest, Contestant, Job, fixed
from bench.limits import limits
from bench.payload import values
from bench.peers.framed_file import HEADER


@contextmanager
def files_by_key(where: Path, records: list[bytes], keys: list[bytes], many: int) -> Iterator[Job]:
    """What people write by hand: a buffered file for each partition, chosen by a checksum of the key."""
    with ExitStack() as stack:
        files = [stack.enter_context(open(where / str(i), "ab", 65536)) for i in range(many)]

        def job() -> None:
            pack = HEADER.pack
            for value, key in zip(records, keys, strict=True):
                frame = key + value
                files[crc32(key) % many].write(pack(len(frame), crc32(frame)) + frame)
            for file in files:
                file.flush()

        yield job


def test_partitions(contest: Contest, where: Path, partitions: int) -> None:
    """One log for all rounds: closing syncs each partition, which would take most of the time."""
    count = contest.scale.count(4e6)
    records = values(100, count)
    keys = [value[:8] for value in records]

    def c_calls(fd: int) -> Job:
        def job() -> None:
            limits.send_open(fd)
            send = limits.send_call
            for value in records:
                send("t", value)
            limits.send_close()

        return job

    @contextmanager
    def by_hand(place: Path) -> Iterator[Job]:
        with files_by_key(place, records, keys, partitions) as job:
            yield job

    with logflume.open(where / "log") as log:
        for topic in ("each", "lists"):
            log.create_topic(topic, partitions=partitions)
        producer = log.producer(acks=1)
        for topic in ("each", "lists"):
            producer.send_many(topic, records, keys=keys)  # all partitions are open from here on

        def each() -> None:
            send = producer.send
            for value, key in zip(records, keys, strict=True):
                send("each", value, key=key)
            producer.flush()

        def lists() -> None:
            producer.send_many("lists", records, keys=keys)

        contest.run(
            "Partitions of a topic",
            [
                fixed("send with key", "logflume", count, each),
                fixed("send_many(list, keys)", "logflume", count, lists),
                limit_writing("C call, one file", count, c_calls),
                Contestant('open("ab"), a file each', "peer", count, by_hand),
            ],
            about="one producer, keys spread over all partitions, all of them open; the C call knows no keys and has"
            " one file however many there are",
            x=("partitions", partitions),
        )


def test_opening(contest: Contest, where: Path) -> None:
    many = 2_000 if contest.scale.name == "full" else 200
    with logflume.open(where / "log") as log:
        log.create_topic("many", partitions=many)

    def open_all() -> None:
        with logflume.open(where / "log") as log:
            for number in range(many):
                log.partition("many", number)

    open_all()  # which makes their files
    files = sorted((where / "log").glob("many-*/*"))
    assert len(files) > many

    def map_all() -> None:
        for file in files:
            fd = os.open(file, os.O_RDWR)
            if os.fstat(fd).st_size:
                mmap.mmap(fd, 0).close()
            os.close(fd)

    contest.run(
        "Open many partitions",
        [
            fixed("open, partition(i), close", "logflume", many, open_all),
            fixed("open, stat, map, close", "limit", many, map_all),
        ],
        about=f"{many:,} empty partitions of one topic, all opened, then the log is closed; the limit does it to the"
        " files that they have",
        unit="partitions",
        warmup=False,
    )
