"""Look-ups in a partition that was just opened: the first in a batch, and later ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy
import pytest

import logflume
from bench.entrants import TOPIC, log_with_topic
from bench.harness import Contest, Contestant, Goal, Job
from bench.limits import limits
from bench.payload import values
from bench.stored import mapped_segment
from bench.test_lookup import records_stored


def one_of_each(log: logflume.Log) -> list[int]:
    """A random offset in each batch, in no order."""
    generator = numpy.random.default_rng(3)
    batches = [(b.base_offset, b.last_offset + 1) for b in log.partition(TOPIC, 0).batches()]
    found = [int(generator.integers(first, end)) for first, end in batches]
    generator.shuffle(found)
    return found[:2000]


@pytest.mark.parametrize("codec", ["uncompressed", "lz4"])
@pytest.mark.parametrize("batch_kib", [4, 64])
def test_first(contest: Contest, where: Path, codec: str, batch_kib: int) -> None:
    """A freshly opened partition: only the sparse index is there, the pages are in memory."""
    total = records_stored(contest)
    with log_with_topic(where, config={"compression.type": codec}) as log:
        partition = log.partition(TOPIC, 0)
        partition.append_many(values(100, total), batch_bytes=batch_kib << 10)
        offsets = one_of_each(log)

    def opened(name: str, *, again: bool) -> Contestant:
        @contextmanager
        def open_(_: Path) -> Iterator[Job]:
            with logflume.open(where / "log") as log:
                partition = log.partition(TOPIC, 0)
                partition.read(0)
                if again:
                    partition.lookup(offsets)
                    partition.lookup(offsets)

                def each() -> None:
                    for offset in offsets:
                        partition.read(offset)

                yield each

        return Contestant(name, "logflume", len(offsets), open_)

    @contextmanager
    def in_c(_: Path) -> Iterator[Job]:
        with logflume.open(where / "log") as log, mapped_segment(log) as segment:
            limits.read_open(segment)

            def each() -> None:
                find = limits.read_first
                for offset in offsets:
                    find(offset)

            yield each
            limits.read_open(b"")  # lets go of the map

    later = Goal("later look-up", "≤ 500 ns", at_most=500)
    first = {
        "uncompressed": Goal("first look-up", "≤ 900 ns", at_most=900),
        "lz4": Goal("first look-up", "≤ 15 µs", at_most=15_000),
    }
    contest.run(
        f"First look-up, {codec}",
        [
            opened("first look-up", again=False),
            opened("later look-up", again=True),
            *(
                [Contestant("C call, sum and walk", "limit", len(offsets), in_c)]
                if codec == "uncompressed"
                else []
            ),
        ],
        about=f"one random offset in each of {len(offsets):,} batches of records of 100 bytes, {codec}, just after"
        " opening; pages are in memory. The batch is summed and walked; the C call does no more than that",
        unit="calls",
        x=("KiB of a batch", batch_kib),
        goals=[first[codec], later],
    )
