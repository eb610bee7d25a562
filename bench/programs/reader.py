"""Reads all records of a stored partition, TIMES times, when told to.

reader HOW DIRECTORY COUNT TIMES; HOW: logflume (columns, CRC checked once), limit (the segment's file, CRC checked each
time), lmdb. Prints "ready", does its work at each line of input and prints "done".
"""

from __future__ import annotations

import mmap
import sys
from collections.abc import Callable
from pathlib import Path

from bench.programs.appender import run
from bench.programs.memory import opened


def logflume_read(where: Path, count: int) -> Callable[[], object]:
    import logflume

    partition = logflume.open(where / "log").partition("t", 0)

    def job() -> None:
        reader, left = partition.reader(), count
        while left:
            left -= len(reader.read(100_000, 4 << 20))

    return job


def limit_read(where: Path, count: int) -> Callable[[], object]:
    from bench.limits import limits

    (path,) = (where / "log" / "t-0").glob("*.log")
    with open(path, "rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)

    def job() -> None:
        assert limits.decode(mapped) == count

    return job


def lmdb_read(where: Path, count: int) -> Callable[[], object]:
    store = opened("Lmdb", where)

    def job() -> None:
        assert sum(1 for _ in store.read_all()) == count

    return job


KINDS = {"logflume": logflume_read, "limit": limit_read, "lmdb": lmdb_read}


def main() -> None:
    how, where, count, times = sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:5])
    job = KINDS[how](where, count)
    job()  # what is looked at for the first time is checked; here everybody did
    run(job, times)


if __name__ == "__main__":
    main()
