"""Where an archive's partitions are cut for a restore to a time: each transaction whole, or not ended at all."""

from __future__ import annotations

from itertools import pairwise

from logflume._native.batches import encode_batch
from logflume.bridge.archive.pieces import batches_of
from logflume.types import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from logflume._native.batches import Batch
    from logflume._native.columns import Record
    from logflume.bridge.archive.archive import Archive
    from logflume.bridge.archive.partition import ArchivePartition
    from logflume.bridge.archive.pieces import Piece
    from logflume.types import TopicPartition

    Ending = tuple[int, int, int]

__all__ = ["Part", "cuts_at", "parts_of"]


class Part(NamedTuple):
    """Whole batches, or the part of one that lies between two offsets."""

    data: bytes
    base_offset: int
    records: int


def parts_of(view: memoryview, start: int, stop: int) -> Iterator[Part]:
    """The batches between two offsets, of which the first and the last may be parts, encoded anew."""
    for batch in batches_of(view, "restore"):
        if batch.last_offset < start:
            continue
        if batch.base_offset >= stop:
            return
        if batch.base_offset >= start and batch.last_offset < stop:
            yield Part(bytes(batch.view), batch.base_offset, batch.count)
        else:
            yield from _part(batch, start, stop)


def _part(batch: Batch, start: int, stop: int) -> Iterator[Part]:
    """Consecutive offsets make one batch: compaction may have left holes."""
    records = [record for record in batch.records() if start <= record.offset < stop]
    for run in _consecutive(records):
        base = run[0].offset
        sequence = batch.base_sequence
        if sequence >= 0:
            sequence = (sequence + base - batch.base_offset) & 0x7FFFFFFF
        data = encode_batch(
            run,
            codec=batch.codec,
            base_offset=base,
            leader_epoch=batch.leader_epoch,
            producer_id=batch.producer_id,
            producer_epoch=batch.producer_epoch,
            base_sequence=sequence,
            append_time=batch.max_timestamp if batch.append_time else None,
            transactional=batch.transactional,
        )
        yield Part(data, base, len(run))


def _consecutive(records: list[Record]) -> list[list[Record]]:
    runs = [[record] for record in records[:1]]
    for before, record in pairwise(records):
        if record.offset == before.offset + 1:
            runs[-1].append(record)
        else:
            runs.append([record])
    return runs


def cuts_at(
    archive: Archive, wheres: Iterable[TopicPartition], until: int
) -> dict[TopicPartition, int]:
    """Where each partition ends at a time (ms since 1970), exclusive, maybe inside of a batch.

    That is its first record at or after `until`, its end where there is none.

    Times of records are their producers' and need not rise. So a transaction's marker that was written before
    `until` may lie behind the cut of one partition and before that of another: the other is cut before it, too.
    """
    partitions = {where: archive.partition(*where) for where in wheres}
    cuts = {where: _first_at(partition, until) for where, partition in partitions.items()}
    while True:
        missed = set()
        for where, partition in partitions.items():
            for _, ending in _endings(partition, cuts[where], None, until):
                missed.add(ending)
        moved = False
        for where, partition in partitions.items():
            for offset, ending in _endings(partition, 0, cuts[where], until) if missed else ():
                if ending in missed:
                    cuts[where], moved = offset, True
                    break
        if not moved:
            return cuts


def _first_at(partition: ArchivePartition, until: int) -> int:
    for piece in partition.pieces:
        if piece.max_timestamp < until:
            continue
        for batch in _batches(partition, piece):
            if not batch.count or batch.max_timestamp < until:
                continue
            if batch.control or batch.append_time:
                return batch.base_offset
            for record in batch.records():
                if record.timestamp >= until:
                    return record.offset
    return partition.end_offset


def _endings(
    partition: ArchivePartition, start: int, stop: int | None, until: int
) -> Iterator[tuple[int, Ending]]:
    """Markers from `start` to `stop` that were written before `until`: offset, and whose transaction's end it is.

    All partitions' markers of one transaction have the same time.
    """
    for piece in partition.pieces:
        if piece.end_offset <= start or piece.min_timestamp >= until:
            continue
        for batch in _batches(partition, piece):
            if stop is not None and batch.base_offset >= stop:
                return
            if batch.control and batch.base_offset >= start and batch.max_timestamp < until:
                yield (
                    batch.base_offset,
                    (batch.producer_id, batch.producer_epoch, batch.max_timestamp),
                )


def _batches(partition: ArchivePartition, piece: Piece) -> Iterator[Batch]:
    return batches_of(partition.fetch(piece), piece.key(partition.topic, partition.partition))
