"""One history of logflume from a seed, run and judged."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from checker import engine
from checker.analysis import check
from checker.crowd import Crowd
from checker.history import Event
from checker.ledger import Fault
from checker.small import PLACES, play

__all__ = ["Round", "crowd_round", "room", "small_round"]

CASTS = (
    ("plain1", "plain2", "committed1", "all1", "watch1"),
    ("txn1", "txn2", "committed1", "all1", "watch1"),
    ("txn1", "plain1", "committed1", "watch1"),
    ("plain1", "mover1", "committed1", "all1"),
    ("txn1", "mover1", "committed1", "watch1"),
    ("txn1", "txn2", "txn3", "committed1", "committed2", "plain1"),
)


class Round(NamedTuple):
    seed: int
    events: list[Event]
    faults: list[Fault]


@contextmanager
def room() -> Iterator[Path]:
    """A directory in memory, where the machine has that: the disk is not what is tried here."""
    shm = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="logflume-checker-", dir=shm) as where:
        yield Path(where)


def small_round(seed: int, where: Path, *, steps: int = 60) -> Round:
    """A short history of actors who take turns in this process; the same for the same seed."""
    rng = random.Random(seed)
    directory = where / f"small-{seed}"
    engine.found(directory, PLACES, **_config(rng))
    logs: list[engine.EngineLog] = []

    def enter(_name: str) -> engine.EngineLog:
        logs.append(engine.EngineLog(directory, rng.randrange(1 << 30)))
        return logs[-1]

    try:
        events = play(rng, enter, cast=rng.choice(CASTS), steps=steps)
    finally:
        for log in logs:
            log.close()
    shutil.rmtree(directory)
    return Round(seed, events, check(events))


def crowd_round(
    seed: int, where: Path, seconds: float, *, sabotage: Callable[[], None] = lambda: None
) -> Round:
    """A history of processes with kills and pauses. The seed gives the same cast and moments, not the same history."""
    rng = random.Random(seed)
    directory = where / f"crowd-{seed}"
    config = _config(rng)
    # In a child: who forks actors has opened nothing.
    if (pid := os.fork()) == 0:
        status = 1
        try:
            engine.found(directory, PLACES, **config)
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    crowd = Crowd(
        where / f"history-{seed}",
        rng,
        lambda _name: engine.EngineLog(directory, random.SystemRandom().randrange(1 << 30)),
        cast=rng.choice(CASTS),
        places=PLACES,
        sabotage=sabotage,
    )
    events = crowd.play(seconds)
    shutil.rmtree(directory)
    shutil.rmtree(crowd.where)
    return Round(seed, events, check(events))


def _config(rng: random.Random) -> dict[str, object]:
    """Segments that are rolled now and then, and such that are not."""
    return {} if rng.random() < 0.5 else {"segment.bytes": 16_384, "index.interval.bytes": 512}
