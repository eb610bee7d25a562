"""Commits that are part of a transaction: they wait for its end, and count from there on or never."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from logflume._native.batch_heads import BatchHeads
from logflume.errors import OffsetOutOfRange

from .internal_partition import Batch

__all__ = ["PendingCommits"]

_Pair = tuple[bytes | None, bytes | None]


class PendingCommits:
    """Beside a reader of a partition of `__consumer_offsets`, in step with it. Not thread-safe.

    A commit made outside of transactions, behind one that is still pending, counts at once and stays:
    the older one is dropped, whatever becomes of its transaction (as Kafka does it).
    """

    def __init__(self, log: Any) -> None:
        self._log = log
        self._heads: BatchHeads | None = None
        self._ahead: list[tuple[int, int, int, int]] = []  # of a batch read in part
        self._pending: dict[int, dict[bytes, bytes | None]] = {}

    def has(self, key: bytes) -> bool:
        """Whether an open transaction has a commit with this key."""
        return any(key in commits for commits in self._pending.values())

    def sift(self, batch: Batch, start: int, stop: int) -> Iterable[_Pair]:
        """Of records read from `start` up to `stop`: what counts now, in order."""
        if self._heads is None:
            self._heads = BatchHeads(self._log, start)
        try:
            found = self._heads.take(stop)
        except OffsetOutOfRange:
            # What was in between is deleted.
            self._heads.seek(start)
            found = self._heads.take(stop)
        heads = self._ahead + found
        if not heads and not self._pending:
            return zip(batch.keys.tolist(), batch.values.tolist())
        out: list[_Pair] = []
        place = 0
        for record in batch.records():
            while place < len(heads) and heads[place][1] < record.offset:
                self._end(heads[place], out)
                place += 1
            inside = place < len(heads) and heads[place][0] <= record.offset
            if inside and record.key is not None:
                self._pending.setdefault(heads[place][2], {})[record.key] = record.value
            else:
                self._supersede(record.key)
                out.append((record.key, record.value))
        while place < len(heads) and heads[place][1] < stop:
            self._end(heads[place], out)
            place += 1
        self._ahead = heads[place:]
        return out

    def _end(self, head: tuple[int, int, int, int], out: list[_Pair]) -> None:
        outcome = head[3]
        if outcome < 0:
            return
        commits = self._pending.pop(head[2], {})
        if outcome == 1:
            out.extend(commits.items())

    def _supersede(self, key: bytes | None) -> None:
        for commits in self._pending.values():
            commits.pop(key or b"", None)
