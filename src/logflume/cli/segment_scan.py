"""The batches of a segment file, read through a window: the file may be large, growing or shortened meanwhile."""

from __future__ import annotations

import os

from logflume._native.batches import BatchScan
from logflume.closing import Closing
from logflume.errors import CorruptRecord

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from logflume._native.batches import Batch

__all__ = ["SegmentScan"]

WINDOW_BYTES = 8 << 20
_HEADER_BYTES = 61


class SegmentScan(Closing):
    """Iterates over a segment's batches. A context manager; not thread-safe.

    Raises what BatchScan raises, with the file's path and position; `resync` then goes on behind the damage.
    `position` is where it stands, `zeroes` how many zero bytes end the file behind the last batch.
    """

    def __init__(self, path: str, *, window_bytes: int = WINDOW_BYTES) -> None:
        self.path = path
        self.position = 0
        self.zeroes = 0
        self._window_bytes = max(window_bytes, _HEADER_BYTES)
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.size = os.fstat(self._descriptor).st_size

    def __iter__(self) -> Iterator[Batch]:
        want = self._window_bytes
        while True:
            window = self._read(self.position, want)
            whole = self.position + len(window) >= self.size or len(window) < want
            scan = BatchScan(window, path=self.path, position=self.position)
            try:
                for batch in scan:
                    self.position = scan.position
                    yield batch
            except CorruptRecord:
                if whole or not scan.missing:
                    raise
                # Cut off by the window's end, not by the file's.
                want = max(self._window_bytes, len(window) - scan.zeroes + scan.missing)
                continue
            if whole:
                self.zeroes = scan.zeroes
                return
            if scan.zeroes and self._only_zeroes(scan.position):
                self.zeroes = self.size - scan.position
                return
            want = max(self._window_bytes, scan.zeroes + _HEADER_BYTES)
            if scan.zeroes >= _HEADER_BYTES:
                raise CorruptRecord(
                    path=self.path, position=self.position, reason="zeroes where a batch should be"
                )

    def _read(self, position: int, size: int) -> bytes:
        """`size` bytes, fewer only at the end of the file."""
        parts = []
        while size > 0:
            part = os.pread(self._descriptor, size, position)
            if not part:
                break
            parts.append(part)
            position += len(part)
            size -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _only_zeroes(self, position: int) -> bool:
        while window := self._read(position, self._window_bytes):
            if window.count(0) != len(window):
                return False
            position += len(window)
        return True

    def resync(self, offset: int = 0) -> bool:
        """Behind damage: stand before the next whole, right batch with offsets from `offset` on, if there is one."""
        at = self.position + 1
        while window := self._read(at, 2 * self._window_bytes):
            # One byte less than where it looks: BatchScan begins behind its first.
            scan = BatchScan(b"\xff" + window, path=self.path, position=at - 1)
            if scan.resync(offset):
                self.position = scan.position
                return True
            # The windows overlap, so that no batch up to half of one lies across their border unseen.
            at += max(len(window) - self._window_bytes, self._window_bytes)
        return False

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
