"""How much compression saves, from batches all over a segment."""

from __future__ import annotations

from logflume.cli.segment_scan import SegmentScan
from logflume.errors import LogflumeError

__all__ = ["Packing"]

SAMPLE_BYTES = 32 << 20
"""About so many stored bytes are unpacked at most: the ratio of a large log is an estimate."""

HEADER_BYTES = 61
"""Of a batch: never compressed."""


class Packing:
    """Unpacks every n-th batch, so that a budget lasts for `total` bytes."""

    def __init__(self, total: int, *, sample_bytes: int = SAMPLE_BYTES) -> None:
        self._every = max(1, -(-total // sample_bytes))
        self._seen = 0

    @property
    def exact(self) -> bool:
        """False when only a part is looked at."""
        return self._every == 1

    def measure(self, path: str, size: int) -> tuple[int, int]:
        """(bytes unpacked, bytes stored) of the batches looked at, whole batches each."""
        unpacked = stored = 0
        try:
            with SegmentScan(path) as scan:
                for batch in scan:
                    if batch.position + batch.size > size:
                        break
                    self._seen += 1
                    if self._seen % self._every and not self.exact:
                        continue
                    unpacked += batch.unpacked_size() + HEADER_BYTES
                    stored += batch.size
        except (LogflumeError, FileNotFoundError):
            pass  # damage is for `verify`, a segment may be deleted meanwhile: what was measured so far counts
        return unpacked, stored
