"""Contestants that several paths share: logs of logflume's, files for the limits, peers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import logflume
from bench.harness import Contestant, Job, Opener, Role, Scale
from bench.payload import values
from bench.peers import Store

__all__ = [
    "TOPIC",
    "history",
    "limit_writing",
    "log_with_topic",
    "opener",
    "ours",
    "peer_writing",
    "records_file",
]

TOPIC = "t"


@contextmanager
def log_with_topic(
    where: Path, *, partitions: int = 1, config: dict[str, object] | None = None
) -> Iterator[logflume.Log]:
    """A log of its own below `where`."""
    with logflume.open(where / "log") as log:
        log.create_topic(TOPIC, partitions=partitions, config=config)
        yield log


def history() -> list[bytes]:
    """4 MB of records that durable contestants hold already: the limits' files have their blocks from the start."""
    return values(100, 40_000)


@contextmanager
def records_file(where: Path) -> Iterator[int]:
    """A new file, for a limit to write to."""
    fd = os.open(where / "records", os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        yield fd
    finally:
        os.close(fd)


def opener(work: Callable[[Path], Iterator[Job]]) -> Opener:
    """A generator function of one directory as what Contestant.open wants."""
    return contextmanager(work)


def ours(name: str, count: int, job: Callable[[logflume.Log], Job], **topic: object) -> Contestant:
    """logflume on a fresh log; `job(log)` prepares, untimed, and returns what is timed."""

    @contextmanager
    def open_(where: Path) -> Iterator[Job]:
        with log_with_topic(where, **topic) as log:  # type: ignore[arg-type] # partitions and config
            yield job(log)

    return Contestant(name, "logflume", count, open_)


def limit_writing(
    name: str, count: int, job: Callable[[int], Job], role: Role = "limit"
) -> Contestant:
    """A limit that writes to a fresh file, whose descriptor `job` gets."""

    @contextmanager
    def open_(where: Path) -> Iterator[Job]:
        with records_file(where) as fd:
            yield job(fd)

    return Contestant(name, role, count, open_)


def peer_writing(kind: type[Store], how: str, scale: Scale, size: int) -> Contestant:
    """A peer's put_each, put_surviving or put_many of values of `size` bytes."""
    count = scale.count(kind.rate[how], size)
    records = values(size, count)

    @contextmanager
    def open_(where: Path) -> Iterator[Job]:
        store = kind(where)
        put: Callable[[list[bytes]], None] = getattr(store, f"put_{how}")
        try:
            yield lambda: put(records)
        finally:
            store.close()

    return Contestant(kind.name, "peer", count, open_)
