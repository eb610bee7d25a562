"""Compression of JSON lines, beside the bare library on blocks of 64 KiB."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import cramjam
import lz4.block  # type: ignore[import-untyped]
import lz4.frame  # type: ignore[import-untyped]
import pytest
import zstandard

import logflume
from bench.entrants import TOPIC, limit_writing, log_with_topic, opener, ours
from bench.harness import Contest, Contestant, Goal, Job, fixed
from bench.payload import blocks, json_lines
from bench.peers import Rocks
from bench.stored import by_records, consuming, reading
from bench.threads import in_threads

Pack = Callable[[bytes], bytes]
BARE: dict[str, tuple[Pack, Pack]] = {
    "lz4": (lz4.block.compress, lz4.block.decompress),
    "zstd": (zstandard.ZstdCompressor(3).compress, zstandard.ZstdDecompressor().decompress),
    "snappy": (
        lambda b: bytes(cramjam.snappy.compress_raw(b)),
        lambda b: bytes(cramjam.snappy.decompress_raw(b)),
    ),
    "gzip": (lambda b: zlib.compress(b, 6, 31), gzip.decompress),
}
RATES = {"lz4": 2.5e6, "zstd": 1e6, "snappy": 2e6, "gzip": 0.3e6}
GOALS = {"lz4": [Goal("send_many lz4", "≥ 0.85 of the limit", beside="bare lz4", share=0.85)]}


@pytest.mark.parametrize("codec", BARE)
def test_in(contest: Contest, codec: str) -> None:
    count = contest.scale.count(RATES[codec])
    lines = json_lines(count)
    plain = blocks(lines)
    pack = BARE[codec][0]

    def send_many(log: logflume.Log) -> Job:
        producer = log.producer(acks=1, compression_type=codec)
        return lambda: producer.send_many(TOPIC, lines)

    def bare(fd: int) -> Job:
        def job() -> None:
            for block in plain:
                os.write(fd, pack(block))

        return job

    entrants = [
        ours(f"send_many {codec}", count, send_many),
        limit_writing(f"bare {codec}", count, bare),
    ]
    if codec == "lz4":
        entrants += [*lz4_peers(lines)]
    contest.run(
        f"Compression: {codec}",
        entrants,
        about=f"JSON lines of 380 bytes to one partition with {codec}; the bare library packs blocks of"
        " 64 KiB of the lines, which are joined beforehand",
        goals=GOALS.get(codec, []),
    )


def lz4_peers(lines: list[bytes]) -> Iterator[Contestant]:
    def file(fd: int) -> Job:
        def job() -> None:
            with os.fdopen(os.dup(fd), "wb") as raw, lz4.frame.open(raw, "wb") as out:
                for line in lines:
                    out.write(line)

        return job

    yield limit_writing("lz4.frame file", len(lines), file, role="peer")
    some = lines[: len(lines) // 3]

    @opener
    def rocks(where: Path) -> Iterator[Job]:
        store = Rocks(where, lz4=True)

        def job() -> None:
            store.put_many(some)
            store.flush()

        yield job
        store.close()

    yield Contestant("RocksDB lz4", "peer", len(some), rocks)


def test_two_threads(contest: Contest) -> None:
    """What a second thread brings, beside what it brings the bare library on this machine."""
    count = contest.scale.count(2e6)
    lines = json_lines(count)
    plain = blocks(lines)

    def sending(threads: int) -> Callable[[logflume.Log], Job]:
        def prepare(log: logflume.Log) -> Job:
            producer = log.producer(acks=1, compression_type="lz4")
            jobs = [
                lambda i=i: producer.send_many(TOPIC, lines, partition=i) for i in range(threads)
            ]
            return lambda: in_threads(jobs)

        return prepare

    def bare() -> None:
        for block in plain:
            lz4.block.compress(block)

    ones, twos = (
        ("send_many lz4, 1 thread", "bare lz4, 1 thread"),
        ("send_many lz4, 2 threads", "bare lz4, 2 threads"),
    )
    contest.run(
        "Compression: lz4, two threads",
        [
            ours(twos[0], 2 * count, sending(2), partitions=2),
            ours(ones[0], count, sending(1), partitions=2),
            fixed(twos[1], "limit", 2 * count, lambda: in_threads([bare, bare])),
            fixed(ones[1], "limit", count, lambda: in_threads([bare])),
        ],
        about="JSON lines of 380 bytes, a partition each; the bare library's two threads say what this machine allows",
        cpu="unseen",
        goals=[Goal(twos[0], "≥ 1.8 × one thread", beside=ones[0], share=1.8)],
    )


@pytest.mark.parametrize("codec", BARE)
def test_out(contest: Contest, where: Path, codec: str) -> None:
    count = contest.scale.count(4e6)
    lines = json_lines(count)
    pack, unpack = BARE[codec]
    packed = [pack(block) for block in blocks(lines)]

    with log_with_topic(where, config={"compression.type": codec}) as log:
        log.partition(TOPIC, 0).append_many(lines)

        def views(partition: logflume.Partition) -> None:
            reader, seen = partition.reader(), 0
            while len(batch := reader.read(100_000, 4 << 20)):
                seen += len(batch)
            assert seen == count

        def bare() -> None:
            for block in packed:
                unpack(block)

        contest.run(
            f"Decompression: {codec}",
            [
                reading(where, "views", count, views),
                consuming(where, "records, value", count, by_records),
                fixed(f"bare {codec}", "limit", count, bare),
            ],
            about=f"reading JSON lines of 380 bytes packed with {codec}; the bare library unpacks blocks of"
            " 64 KiB and leaves the lines in them",
            goals=[
                Goal("views", "≥ 7 M lines/s", rate=7e6),
                Goal("records, value", "≥ 4 M/s", rate=4e6),
            ]
            if codec == "lz4"
            else [],
        )
