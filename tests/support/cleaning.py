"""Compaction of a partition as tests call it: pass after pass, with a clock of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from logflume._native.compaction import compact_once
from model import batch_twin

NOW = 1_700_000_000_000
WEEK = 7 * 86_400_000
LARGE_MAP = 1 << 20


def compact(
    log: Any,
    *,
    now: int = NOW,
    retention: int = WEEK,
    map_bytes: int = LARGE_MAP,
    first_dirty: int = 0,
    uncleanable: int | None = None,
    **more: Any,
) -> list[Any]:
    """All passes up to the active segment (or `uncleanable`); what each of them said."""
    if uncleanable is None:
        uncleanable = log.segments()[-1].base_offset
    passes = []
    while True:
        done = compact_once(
            log,
            first_dirty=first_dirty,
            uncleanable=uncleanable,
            now_ms=now,
            delete_retention_ms=retention,
            map_bytes=map_bytes,
            **more,
        )
        assert done is not None
        assert done.next_dirty > first_dirty or done.next_dirty >= done.uncleanable
        passes.append(done)
        first_dirty = done.next_dirty
        if first_dirty >= done.uncleanable:
            return passes


def batches_of(directory: Path | str, *, sealed: bool = False) -> list[batch_twin.Batch]:
    """All batches in a partition's files, decoded by the twin; without the last segment's when `sealed`."""
    files = sorted(Path(directory).glob("*.log"))
    return [
        batch
        for file in files[: -1 if sealed else None]
        for batch in batch_twin.decode_batches(file.read_bytes())
    ]
