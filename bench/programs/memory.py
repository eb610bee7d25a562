"""Does a job and prints its memory: {"VmRSS": KiB, "RssAnon": KiB, "before": {...}}.

memory JOB DIRECTORY; the log or store is in the directory already, except where the job writes.
"""

from __future__ import annotations

import importlib
import json
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

PEERS = Path(__file__).resolve().parents[1] / "peers"
MODULES = {"Lmdb": "lmdb_store", "Rocks": "rocks", "Sqlite": "sqlite", "FramedFile": "framed_file"}
VALUE = bytes(100)
COUNT = 100_000


def used() -> dict[str, int]:
    """KiB of this process, from /proc."""
    lines = Path("/proc/self/status").read_text().splitlines()
    pairs = (line.split(":") for line in lines if line.startswith(("VmRSS", "RssAnon")))
    return {name: int(value.split()[0]) for name, value in pairs}


def producer(where: Path) -> Iterator[None]:
    import logflume

    with logflume.open(where / "log") as log, log.producer(acks=1) as made:
        for _ in range(COUNT):
            made.send("t", VALUE)
        made.flush()
        yield


def consumer(where: Path) -> Iterator[None]:
    import logflume

    with (
        logflume.open(where / "log") as log,
        log.consumer("t", auto_offset_reset="earliest") as made,
    ):
        left = COUNT
        for record in made:
            record.value  # noqa: B018 - the bytes are made by the property
            left -= 1
            if not left:
                break
        yield


def partitions(where: Path) -> Iterator[None]:
    """Opens every partition of the topic `many`."""
    import logflume

    with logflume.open(where / "log") as log:
        kept = [log.partition("many", i) for i in range(log.describe_topic("many").partitions)]
        assert all(each.end_offset == 0 for each in kept)
        yield


def opened(name: str, where: Path) -> Any:
    """A peer, without importing the others; bench.peers itself would bring them all."""
    sys.modules.setdefault("bench.peers", types.ModuleType("bench.peers")).__path__ = [str(PEERS)]
    module = importlib.import_module(f"bench.peers.{MODULES[name]}")
    return getattr(module, name)(where)


def writing(name: str) -> Callable[[Path], Iterator[None]]:
    def job(where: Path) -> Iterator[None]:
        store = opened(name, where)
        store.put_each([VALUE] * COUNT)
        yield
        store.close()

    return job


def reading(name: str) -> Callable[[Path], Iterator[None]]:
    def job(where: Path) -> Iterator[None]:
        store = opened(name, where)
        for _ in store.read_all():
            pass
        yield
        store.close()

    return job


JOBS: dict[str, Callable[[Path], Iterator[None]]] = {
    "producer": producer,
    "appender": producer,  # to a log that is there
    "consumer": consumer,
    "partitions": partitions,
    **{f"write-{name}": writing(name) for name in MODULES},
    **{f"read-{name}": reading(name) for name in MODULES},
}


def main() -> None:
    before = used()
    with ExitStack() as stack:
        steps = JOBS[sys.argv[1]](Path(sys.argv[2]))
        next(steps)
        stack.callback(next, steps, None)
        print(json.dumps(used() | {"before": before}))


if __name__ == "__main__":
    main()
