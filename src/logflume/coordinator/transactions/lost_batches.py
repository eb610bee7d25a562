"""Batches of one partition that a power loss took, put back where they lay.

Transactions of several producers lie interleaved, and were decided in another order than they were written: all batches
go back in the order of their offsets, whoever was committed first. What ended a transaction before its producer's
next one lay in a gap between them, so its marker goes into a gap there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from logflume._native.partition import Partition

    Mark = Callable[[Partition, int, int, bool], None]

__all__ = ["Part", "put_back"]


@dataclass(slots=True)
class Part:
    """What one transaction wrote here. `commit`: None while a pledge is undecided. `batches`: (base offset, bytes)."""

    producer_id: int
    epoch: int
    first: int
    end: int
    commit: bool | None
    batches: tuple[tuple[int, bytes], ...] = ()


@dataclass(slots=True)
class _Walk:
    partition: Partition
    mark: Mark
    waiting: list[tuple[int, Part]] = field(default_factory=list)
    """Markers that are due: before which offset, and of what."""

    def end(self, part: Part) -> None:
        self.mark(self.partition, part.producer_id, part.epoch, bool(part.commit))

    def fill(self, offset: int) -> None:
        """Markers into the gap before `offset`, the most urgent ones first."""
        self.waiting.sort(key=lambda item: item[0])
        while self.waiting and self.partition.end_offset < offset:
            self.end(self.waiting.pop(0)[1])


def put_back(partition: Partition, parts: list[Part], mark: Mark) -> int:
    """Append what is missing and end what is decided; returns how many batches came back.

    `mark(partition, producer id, epoch, commit)` writes a marker. Nobody else has the partition open.
    """
    before = partition.end_offset
    by_producer: dict[int, list[Part]] = {}
    for part in sorted(parts, key=lambda part: part.first):
        by_producer.setdefault(part.producer_id, []).append(part)
    walk = _Walk(partition, mark)
    _await_open(walk, by_producer, before)
    following = {id(part): later for own in by_producer.values() for part, later in pairwise(own)}
    lost = sorted(
        ((base, data, part) for part in parts for base, data in part.batches if base >= before),
        key=lambda item: item[0],
    )
    for base, data, part in lost:
        walk.fill(base)
        partition.append_at(data, base)
        if base == part.batches[-1][0] and id(part) in following:
            walk.waiting.append((following[id(part)].first, part))
    for part in parts:
        _end_last(walk, part)
    return len(lost)


def _await_open(walk: _Walk, by_producer: Mapping[int, list[Part]], before: int) -> None:
    """What is open on the disk, below `before`, and has to end before its producer's next transaction."""
    for found in walk.partition.open_transactions():
        own = by_producer.get(found.producer_id, [])
        there = [part for part in own if part.first <= found.first_offset < part.end]
        later = [part for part in own if part.first > found.first_offset]
        if later and not there:
            # It was aborted: had it been committed, there would be a record of that before the next one's.
            gone = Part(found.producer_id, later[0].epoch, found.first_offset, 0, commit=False)
            walk.waiting.append((later[0].first, gone))
        elif there and all(base < before for base, _ in there[-1].batches) and later:
            walk.waiting.append((later[0].first, there[-1]))


def _end_last(walk: _Walk, part: Part) -> None:
    """A committed one that is still open, once all is there."""
    if part.commit and any(
        found.producer_id == part.producer_id and part.first <= found.first_offset < part.end
        for found in walk.partition.open_transactions()
    ):
        walk.end(part)
