"""Writers and readers that run as processes of their own, to be killed at any moment.

A record's value is b"<writer> <number> <padding>", numbered by its writer from 0 on without gaps. A writer
reports "try <number behind the last of the call>" before, and "ack <first number> <first offset> <count>"
after each call.
"""

from __future__ import annotations

import itertools
import random
import time
from pathlib import Path
from typing import Any

from logflume import errors
from support.children import report
from support.partitions import Handle

SETTINGS: dict[str, Any] = {"segment_bytes": 20_000, "index_interval_bytes": 500}


def value_of(writer: str, number: int) -> bytes:
    """What a writer writes as its record `number`: a torn one would show."""
    padding = random.Random(number).randrange(0, 300)
    return b"%s %d %s" % (writer.encode(), number, b"%d." % number * (padding // 8))


def parse(value: bytes | None) -> tuple[str, int]:
    """Writer and number; fails when the value is not exactly what that writer wrote."""
    assert value is not None
    name, number, _ = value.split(b" ")
    assert value == value_of(name.decode(), int(number))
    return name.decode(), int(number)


def write(
    directory: str,
    writer: str,
    mode: str = "mixed",
    seed: int = 0,
    start: int = 0,
    codec: int = 0,
    seconds: float = 60.0,
    pause: float = 0.0,
) -> None:
    """Appends until killed, or for `seconds`; then closes."""
    rng = random.Random(seed)
    handle = Handle(Path(directory), compression=codec, **SETTINGS)
    log, number = handle.log, start
    report("ready")
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        kind = mode if mode != "mixed" else rng.choice(["one", "one", "many", "sync", "roll"])
        if kind == "one":
            report("try", number + 1)
            offset = log.append(value_of(writer, number), timestamp=number + 1)
            report("ack", number, offset, 1)
            number += 1
        elif kind == "many":
            count = rng.randrange(1, 200)
            report("try", number + count)
            # A batch at a time, so that the offsets are consecutive beside other writers too.
            values = [value_of(writer, number + i) for i in range(count)]
            stamps = [number + i + 1 for i in range(count)]
            for at in range(0, count, 20):
                offset = log.append_many(values[at : at + 20], timestamps=stamps[at : at + 20])
                report("ack", number + at, offset, len(values[at : at + 20]))
            number += count
        elif kind == "sync":
            end = log.end_offset
            log.sync()
            report("synced", end)
        elif rng.random() < 0.3:
            log.roll()
        if pause:
            time.sleep(pause)
    handle.close()
    report("closed", number)


def follow(directory: str, seconds: float) -> None:
    """Reads from the start on, and waits at the end; each record must be whole and in its writer's order."""
    handle = Handle(Path(directory), **SETTINGS)
    log, seen, offset = handle.log, dict[str, int](), 0
    reader = log.reader()
    report("ready")
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        batch = reader.read(500)
        for record in batch:
            assert record.offset == offset, (record.offset, offset)
            writer, number = parse(record.value)
            assert number == seen.get(writer, 0), (writer, number, seen)
            seen[writer] = number + 1
            offset += 1
        if not len(batch):
            log.wait(offset, 0.05)
    report("read", offset)
    handle.close()


def retain(directory: str, seconds: float, seed: int) -> None:
    """Deletes from the front, by size and by offset, again and again."""
    rng = random.Random(seed)
    handle = Handle(Path(directory), **SETTINGS)
    log = handle.log
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if rng.random() < 0.5:
            log.expire(0, -1, rng.randrange(20_000, 200_000))
        else:
            low, high = log.start_offset, log.end_offset
            log.set_start_offset(rng.randrange(low, low + (high - low) // 8 + 1))
            log.delete_old_segments()
        log.segments()
        time.sleep(0.002)
    report("start", log.start_offset)
    handle.close()


def wander(directory: str, seconds: float, seed: int) -> None:
    """Looks up offsets and times at random while others write, roll and delete."""
    rng = random.Random(seed)
    handle = Handle(Path(directory), **SETTINGS)
    log, done = handle.log, 0
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        low, high = log.start_offset, log.end_offset
        if low == high:
            continue
        offset = rng.randrange(low, high)
        try:
            record = log.read(offset)
            assert record.offset == offset
            parse(record.value)
            for row in log.read_batch(offset, 50):
                assert row.offset == offset
                parse(row.value)
                offset += 1
            log.offset_for_time(record.timestamp)
            segments = log.segments()
            for one, two in itertools.pairwise(segments):
                assert one.end_offset == two.base_offset, segments
        except errors.OffsetOutOfRange:
            assert log.start_offset > low  # deleted meanwhile
        done += 1
    report("looked", done)
    handle.close()
