"""Fills a small file system through the engine, in a process of its own: a bus error would be seen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from logflume import errors
from support.children import report
from support.partitions import Handle, read_all


def append_many(log: Any, number: int) -> int:
    """Twenty records in one batch; what their values say."""
    log.append_many([b"%d %s" % (number + i, b"x" * 100) for i in range(20)])
    return 20


def append_one(log: Any, number: int) -> int:
    log.append(b"%d %s" % (number, b"x" * 100))
    return 1


def append_and_sync(log: Any, number: int) -> int:
    """Counts only what is synced; the record may be there without."""
    log.append(b"%d %s" % (number, b"x" * 5000))
    log.sync()
    return 1


WAYS: dict[str, Callable[[Any, int], int]] = {
    "one": append_one,
    "many": append_many,
    "sync": append_and_sync,
}


def fill(log: Any, way: Callable[[Any, int], int], number: int) -> int:
    """Appends until the disk is full; records that are there then."""
    while True:
        try:
            number += way(log, number)
        except errors.DiskFull as error:
            if error.code != 56 or not error.path.startswith(log.path):
                raise
            return number


def check(log: Any, number: int) -> None:
    rows = read_all(log)
    assert [row.offset for row in rows] == list(range(number)), (len(rows), number)
    assert all(row.value and row.value.split()[0] == b"%d" % row.offset for row in rows)


def run(directory: str, way: str, segment_bytes: int) -> None:
    where, settings = Path(directory), {"segment_bytes": segment_bytes}
    filler = where / "filler"
    filler.write_bytes(b"x" * 300_000)
    handle = Handle(where, **settings)
    number = fill(handle.log, WAYS[way], 0)
    report("full", number)
    assert number > 30
    for other in WAYS.values():
        number = fill(handle.log, other, number)
    check(handle.log, number)
    # A second opener of the full disk reads too.
    second = Handle(where, **settings)
    check(second.log, number)
    second.close()
    # Closing or rolling may be refused for want of an index file; nothing is lost by that.
    for call in (handle.log.roll, handle.close):
        try:
            call()
        except errors.DiskFull as error:
            report("refused", error)
    handle = Handle(where, **settings)
    check(handle.log, number)
    number = fill(handle.log, WAYS[way], number)
    try:
        Handle(where, name="new-0")
    except errors.DiskFull as error:
        report("refused", error)
    except OSError as error:  # making its directory
        report("refused", error)
    filler.unlink()
    before = number
    for _ in range(30):
        number += append_many(handle.log, number)
        number += append_one(handle.log, number)
    handle.log.sync()
    handle.log.roll()
    number += append_one(handle.log, number)
    check(handle.log, number)
    handle.close()
    handle = Handle(where, **settings)
    assert handle.log.recovery.clean
    check(handle.log, number)
    handle.close()
    report("done", before, number)
