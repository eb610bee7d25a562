"""Loads a table and prints what memory a key takes: {"bytes": of one key, "keys": how many}.

table_memory DIRECTORY INLINE_BYTES_MAX.
"""

from __future__ import annotations

import json
import sys

import logflume
from bench.programs.memory import used


def main() -> None:
    directory, inline = sys.argv[1:]
    with logflume.open(directory) as log:
        log.partition("t", 0).read(0)
        log.table("empty", checkpoint=False)
        before = used()["RssAnon"]
        table = log.table("t", checkpoint=False, inline_bytes_max=int(inline))
        gained = used()["RssAnon"] - before
        print(json.dumps({"bytes": gained * 1024 / len(table), "keys": len(table)}))


if __name__ == "__main__":
    main()
