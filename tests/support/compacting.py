"""Compaction with the log closed, by the twin: what offsets look like after it, without any of the engine's code."""

from __future__ import annotations

from pathlib import Path

from model import batch_twin

SIDE_FILES = ("*.index", "*.timeindex", "logflume.state")


def compact_closed(partition: Path, *, keep_tombstones: bool = True) -> int:
    """Keep the last record of each key in a partition's directory, at its offset; returns how many went.

    Every record keeps a batch of its own. The last record of all stays, as the engine's active segment does.
    """
    files = sorted(partition.glob("*.log"))
    kept: dict[bytes | None, batch_twin.Record] = {}
    records = [
        record
        for file in files
        for batch in batch_twin.decode_batches(file.read_bytes())
        for record in batch.records
    ]
    for record in records:
        kept[record.key] = record
    last = records[-1].offset if records else -1
    chosen = [
        record
        for record in records
        if record.offset == last
        or (kept[record.key] is record and (keep_tombstones or record.value is not None))
    ]
    for name in SIDE_FILES:
        for file in partition.glob(name):
            file.unlink()
    for file in files[1:]:
        file.unlink()
    if files:
        batches = [batch_twin.encode_batch([r], base_offset=r.offset) for r in chosen]
        files[0].write_bytes(b"".join(batches))
    return len(records) - len(chosen)
