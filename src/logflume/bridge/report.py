"""What a copier tells."""

from __future__ import annotations

from logflume.types import NamedTuple

__all__ = ["MirrorReport"]


class MirrorReport(NamedTuple):
    """What was copied of one partition, and where the copy ends (exclusive)."""

    topic: str
    partition: int
    records: int
    size: int
    end_offset: int
