"""A directory as the disk may hold it when the power goes while it is open: all that was synced, the rest whatever."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

from logflume._native.batches import BatchScan

BOOT_ID_AT, BOOT_ID_SIZE = 16, 16  # native/include/lf/state.h
UNSYNCED = (".index", ".timeindex", ".txnindex", ".snapshot", ".redo", "-used")


def power_loss(log: Any, image: Path, rng: random.Random) -> Path:
    """Copies the open log's directory to `image` and takes away what no sync has reached."""
    kept = {
        f"{topic}-{partition.partition}": partition.durable_offset
        for topic in log.topics(internal=True)
        for partition in log.directory.partitions(topic)
    }
    shutil.copytree(log.path, image)
    for directory in image.iterdir():
        if directory.name in kept:
            for segment in directory.glob("*.log"):
                _damage(segment, _bytes_below(segment, kept[directory.name]), rng)
    for path in [p for p in image.rglob("*") if p.name.endswith(UNSYNCED)]:
        style = rng.choice(["keep", "missing", "half"])
        if style == "missing":
            path.unlink()
        elif style == "half":
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    for path in image.rglob("*.state"):
        page = bytearray(path.read_bytes())
        page[BOOT_ID_AT : BOOT_ID_AT + BOOT_ID_SIZE] = rng.randbytes(BOOT_ID_SIZE)
        path.write_bytes(page)
    for path in image.glob("*.held"):
        boot, _, rest = path.read_bytes().partition(b" ")
        path.write_bytes(b"another-" + boot + b" " + rest)
    return image


def _bytes_below(segment: Path, offset: int) -> int:
    """Where the first batch at or behind `offset` begins."""
    end = 0
    for batch in BatchScan(segment.read_bytes()):
        if batch.base_offset >= offset:
            break
        end = batch.position + batch.size
    return end


def _damage(path: Path, kept: int, rng: random.Random) -> None:
    """Behind `kept` the file may end anywhere, be zeroes, or be whole."""
    data = bytearray(path.read_bytes())
    style = rng.choice(["cut", "cut", "zeroes", "torn", "whole"])
    # A disk writes whole sectors.
    at = min(len(data), -(-rng.randrange(kept, len(data) + 1) // 512) * 512)
    if style == "cut":
        del data[kept:]
    elif style == "zeroes":
        data[at:] = bytes(len(data) - at)
    elif style == "torn":
        del data[at:]
    path.write_bytes(data)
