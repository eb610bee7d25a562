"""Appends packed records as fast as it can, when told to.

appender HOW DIRECTORY PARTITION COUNT SIZE; HOW: logflume, limit. Prints "ready", does its work at each line of input
and prints "done".
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from bench.payload import packed

CHUNK = 20_000


def run(put: Callable[[], object], rounds: int) -> None:
    print("ready", flush=True)
    for _line in sys.stdin:
        for _ in range(rounds):
            put()
        print("done", flush=True)


def main() -> None:
    how, directory = sys.argv[1], Path(sys.argv[2])
    partition, count, size = map(int, sys.argv[3:6])
    data, offsets = packed(size, CHUNK)
    if how == "limit":
        from bench.limits import limits

        with open(directory / f"records-{partition}-{count}", "ab") as file:
            run(lambda: limits.encode_packed(data, offsets, file.fileno()), count // CHUNK)
        return
    import logflume
    from logflume._native.input_columns import Packed

    with logflume.open(directory / "log") as log:
        target, column = log.partition("t", partition), Packed(data, offsets)
        run(lambda: target.append_many(column), count // CHUNK)


if __name__ == "__main__":
    main()
