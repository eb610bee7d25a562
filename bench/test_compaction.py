"""Compaction beside reading and writing the same bytes: every segment read, half of it written and synced."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy
import pytest

import logflume
from bench.entrants import TOPIC, log_with_topic
from bench.harness import Contest, Contestant, Job
from bench.payload import json_lines, values

SEGMENT_BYTES = 8 << 20


@contextmanager
def dirty(where: Path, payload: list[bytes], codec: str) -> Iterator[logflume.Log]:
    """Every key twice, in no order; all of it sealed and on disk."""
    order = numpy.random.default_rng(3).permutation(len(payload)) // 2
    config = {
        "cleanup.policy": "compact",
        "segment.bytes": SEGMENT_BYTES,
        "compression.type": codec,
    }
    with log_with_topic(where, config=config) as log:
        with log.producer() as producer:
            producer.send_many(TOPIC, payload, [b"user-%08d" % n for n in order.tolist()])
        log.partition(TOPIC, 0).roll()
        yield log


@pytest.mark.parametrize("codec", ["producer", "lz4", "zstd"])
def test_compact(contest: Contest, where: Path, codec: str) -> None:
    total = 1_000_000 if contest.scale.name == "full" else 200_000
    payload = values(100, total) if codec == "producer" else json_lines(total // 4)
    with dirty(where, payload, codec) as log:
        sealed = log.partition(TOPIC, 0).segments()[:-1]
        size, count = sum(segment.size for segment in sealed), len(payload)

        @contextmanager
        def compacting(place: Path) -> Iterator[Job]:
            with dirty(place, payload, codec) as fresh:
                yield lambda: fresh.compact(force=True)

        @contextmanager
        def copying(place: Path) -> Iterator[Job]:
            def job() -> None:
                for segment in sealed:
                    data = Path(segment.path).read_bytes()
                    fd = os.open(place / Path(segment.path).name, os.O_WRONLY | os.O_CREAT, 0o644)
                    os.write(fd, memoryview(data)[: len(data) // 2])
                    os.fdatasync(fd)
                    os.close(fd)

            yield job

        contest.run(
            f"Compact, {codec.replace('producer', 'no codec')}",
            [
                Contestant("compact", "logflume", count, compacting),
                Contestant("read, write half, sync", "limit", count, copying),
            ],
            about="every key twice, values of 100 bytes (lines of JSON where a codec packs them), checksums"
            " checked, indexes written, all on disk at the end; records before",
        )
        for score in contest.benchmark.extra_info["contest"]["contestants"]:
            seconds = numpy.median(score["wall"]) * count / 1e9
            contest.benchmark.extra_info[f"MB/s {score['name']}"] = round(size / seconds / 1e6)
