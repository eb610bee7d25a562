"""Pieces of a partition in an archive: runs of whole batches, one object each; which are due to become one."""

from __future__ import annotations

from logflume._native.batches import BatchScan
from logflume._native.hashing import xxh3_128
from logflume.errors import CorruptRecord
from logflume.types import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from typing_extensions import Buffer

    from logflume._native.batches import Batch

__all__ = ["OBJECT_BYTES", "Piece", "batches_of", "checksum", "due", "piece_of"]

OBJECT_BYTES = 32 << 20
"""An object is closed when it has so many bytes."""
_WHOLE_BYTES = 8 << 20
"""One of so many bytes is never rewritten to make it larger."""
_SMALL_BYTES = 64 << 10
_FACTOR = 8
_WHOLE = 99


class Piece(NamedTuple):
    """One object: batches as they were in the log, one behind the other. Immutable once written."""

    base_offset: int
    end_offset: int
    """Behind its last batch."""
    size: int
    """Bytes."""
    records: int
    """As the batches' headers say, markers included."""
    min_timestamp: int
    max_timestamp: int
    """ms since 1970."""
    last_position: int
    """Where its last batch begins."""
    checksum: str
    """XXH3-128 of all its bytes."""

    def key(self, topic: str, partition: int) -> str:
        """The object's name: the same bytes have the same one, so that writing twice changes nothing."""
        return (
            f"data/{topic}/{partition}/{self.base_offset:020d}-{self.end_offset:020d}"
            f"-{self.checksum[:16]}.batches"
        )


def checksum(data: Buffer) -> str:
    """XXH3-128, as text."""
    return f"{xxh3_128(data):032x}"


def batches_of(data: Buffer, name: str) -> Iterator[Batch]:
    """The batches of a piece, with their checksums compared. Raises CorruptRecord naming `name`."""
    scan = BatchScan(data, path=name)
    for batch in scan:
        if not batch.crc_ok:
            raise CorruptRecord(path=name, position=batch.position, reason="crc mismatch")
        yield batch
    if scan.missing or scan.zeroes or scan.position != len(memoryview(data)):
        raise CorruptRecord(path=name, position=scan.position, reason="not a whole batch")


def piece_of(data: Buffer, name: str) -> Piece:
    """What there is to know of batches that become a piece. Raises CorruptRecord."""
    first: Batch | None = None
    last: Batch | None = None
    records, low, high = 0, 1 << 62, -1
    for batch in batches_of(data, name):
        first = first or batch
        last = batch
        records += batch.count
        if batch.count:
            low = min(low, batch.base_timestamp)
            high = max(high, batch.max_timestamp)
    assert first is not None
    assert last is not None
    return Piece(
        first.base_offset,
        last.last_offset + 1,
        len(memoryview(data)),
        records,
        min(low, high),
        high,
        last.position,
        checksum(data),
    )


def due(pieces: Sequence[Piece]) -> int:
    """How many of the last pieces are to become one: 0, or eight and more of about one size.

    So a byte is written again only when its object becomes some eight times larger, however often the tail is saved.
    """
    tiers = [_tier(piece.size) for piece in pieces]
    for tier in sorted(set(tiers) - {_WHOLE}, reverse=True):
        run = alike = 0
        for each in reversed(tiers):
            if each > tier:
                break
            run += 1
            alike += each == tier
        if alike >= _FACTOR:
            return run
    return 0


def _tier(size: int) -> int:
    if size >= _WHOLE_BYTES:
        return _WHOLE
    tier = 0
    while size >= _SMALL_BYTES:
        size //= _FACTOR
        tier += 1
    return tier
