"""Writes records at a steady rate, each holding the time at which it was written.

ticker HOW DIRECTORY COUNT INTERVAL_NS; HOW: append, send, file, lmdb, pipe. Begins when its input is closed.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from time import monotonic_ns

Put = Callable[[bytes], object]
PADDING = bytes(92)


def run(put: Put, count: int, interval_ns: int) -> None:
    """Waits by spinning: a sleep would be off by more than what is measured."""
    print("ready", flush=True)
    sys.stdin.buffer.read()
    due = monotonic_ns()
    for _ in range(count):
        due += interval_ns
        while monotonic_ns() < due:
            if due - monotonic_ns() > 90_000:
                time.sleep(0.000_02)
        put(monotonic_ns().to_bytes(8, "little") + PADDING)


def logflume_put(how: str, where: Path, count: int, interval_ns: int) -> None:
    import logflume

    with logflume.open(where / "log") as log:
        if how == "append":
            run(log.partition("t", 0).append, count, interval_ns)
            return
        with log.producer(acks=1, linger_ms=0) as producer:
            run(lambda value: producer.send("t", value), count, interval_ns)


def lmdb_put(where: Path, count: int, interval_ns: int) -> None:
    from bench.peers import Lmdb

    store = Lmdb(where)
    run(lambda value: store.put_surviving([value]), count, interval_ns)
    store.close()


def main() -> None:
    how, directory, count, interval_ns = sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:5])
    if how in ("append", "send"):
        logflume_put(how, directory, count, interval_ns)
    elif how == "lmdb":
        lmdb_put(directory, count, interval_ns)
    else:
        flags = os.O_WRONLY | (os.O_APPEND | os.O_CREAT if how == "file" else 0)
        fd = os.open(directory / how, flags, 0o644)
        run(lambda value: os.write(fd, value), count, interval_ns)
        os.close(fd)


if __name__ == "__main__":
    main()
