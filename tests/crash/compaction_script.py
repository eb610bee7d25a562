"""A compaction in a process of its own, killed at a failpoint or left to run; also writers and readers beside it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from logflume._native.compaction import compact_once
from support.children import report
from support.cleaning import NOW, WEEK, compact
from support.partitions import Handle

SETTINGS: dict[str, Any] = {"segment_bytes": 4096, "index_interval_bytes": 300}
KEYS = 25


def key_of(number: int) -> bytes:
    return b"key %d" % (number * 7 % KEYS)


def value_of(number: int) -> bytes | None:
    return None if number % 11 == 0 else b"%d." % number * (number % 40 + 1)


def put(log: Any, number: int, count: int = 4) -> int:
    """Records `number` and on, in one batch; the next number."""
    numbers = range(number, number + count)
    log.append_many(
        [value_of(n) for n in numbers],
        keys=[key_of(n) for n in numbers],
        timestamps=[n + 1 for n in numbers],
    )
    return number + count


def run(directory: str, codec: int = 0) -> None:
    """Compacts once and closes."""
    handle = Handle(Path(directory), compression=codec, **SETTINGS)
    report("begin")
    compact(handle.log, retention=0)
    report("done")
    handle.close()


def again(directory: str, seconds: float) -> None:
    """Compacts over and over, with maps large and small."""
    handle = Handle(Path(directory), **SETTINGS)
    log, deadline = handle.log, time.monotonic() + seconds
    passes = first_dirty = 0
    while time.monotonic() < deadline:
        done = compact_once(
            log,
            first_dirty=first_dirty,
            uncleanable=log.segments()[-1].base_offset,
            now_ms=NOW,
            delete_retention_ms=WEEK,
            map_bytes=24 * (10 if passes % 3 else 1000),
        )
        if done is not None:  # else another one is at it
            first_dirty = done.next_dirty if passes % 7 else 0
            passes += 1
    report("passes", passes)
    handle.close()


def write(directory: str, seconds: float) -> None:
    """Appends records 0, 1, 2 ... as their only writer."""
    handle = Handle(Path(directory), **SETTINGS)
    deadline = time.monotonic() + seconds
    number = 0
    while time.monotonic() < deadline:
        number = put(handle.log, number)
        time.sleep(0.0005)
    report("written", number)
    handle.close()


def read(directory: str, seconds: float) -> None:
    """Follows the log, and begins anew now and then: every record is what was written, none out of order, and
    at the end of the log the latest of each key has been seen."""
    handle = Handle(Path(directory), **SETTINGS)
    log = handle.log
    deadline = time.monotonic() + seconds
    rounds = 0
    while time.monotonic() < deadline:
        end = log.end_offset
        reader, seen, before = log.reader(), dict[bytes, int](), -1
        # To the end as it is then: what was removed on the way has its successor before it.
        while reader.position < log.end_offset:
            for record in reader.read(50 + 10 * rounds):
                offset = record.offset
                assert offset > before, (offset, before)
                assert (record.key, record.value) == (key_of(offset), value_of(offset)), offset
                seen[record.key] = before = offset
        for number in range(max(0, end - KEYS), end):
            assert seen[key_of(number)] >= number, number
            found = log.read(number).offset
            assert found >= number, (found, number)
        rounds += 1
    report("rounds", rounds)
    handle.close()
