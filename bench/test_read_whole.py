"""Whole batches, for those who forward records: nothing is decoded."""

from __future__ import annotations

from pathlib import Path

import logflume
from bench.harness import Contest, Goal
from bench.limits import limits
from bench.payload import values
from bench.stored import on_segment, reading, stored
from bench.test_read import arrow_map


def test_batches(contest: Contest, where: Path, size: int) -> None:
    count = contest.scale.count(40e6, size)

    def pieces(partition: logflume.Partition, *, check: bool = True) -> None:
        reader, left = partition.batches(check_crcs=check), count
        while left:
            left -= reader.read().record_count  # type: ignore[union-attr] # there are more

    def unchecked(partition: logflume.Partition) -> None:
        pieces(partition, check=False)

    def each(partition: logflume.Partition) -> None:
        assert sum(batch.count for batch in partition.batches()) == count

    with stored(where, size, count) as log:
        contest.run(
            "Whole batches",
            [
                reading(where, "pieces of 1 MiB", count, pieces, again=True),
                reading(where, "a Batch each", count, each, again=True),
                reading(where, "pieces, checked for the first time", count, pieces),
                reading(where, "pieces, never checked", count, unchecked),
                on_segment(log, "C loop, CRC checked", count, limits.decode),
                on_segment(log, "memcpy of the segment", count, bytearray),
                arrow_map(where, values(size, count)),
            ],
            about="`partition.batches()`: views of whole batches. Checksums were computed before, as happens once in a"
            " process, except where it says so; the limits read every byte. pyarrow maps its file and computes the"
            " lengths",
            x=("bytes of a value", size),
            goals=[Goal("pieces of 1 MiB", "≥ 200 M/s", rate=200e6)] if size == 100 else [],
        )
