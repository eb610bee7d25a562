"""Processes that write transactions and are killed: at random moments, or exactly between two steps of a commit."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable
from typing import Any

import logflume
from logflume import errors
from logflume.coordinator.transactions.coordinator import TransactionCoordinator
from logflume.coordinator.transactions.room import Room
from logflume.coordinator.transactions.state_log import StateLog, Stored
from support.children import report

PARTITIONS = 4
TOPIC = "t"

STEPS: dict[str, tuple[Any, str, bool]] = {  # name: class, method, whether to die behind it
    "begun": (StateLog, "append", True),
    "before the decision": (TransactionCoordinator, "commit", False),
    "decided": (StateLog, "append", True),
    "before the sync": (Stored, "sync", False),
    "synced": (Stored, "sync", True),
    "before the markers": (Room, "mark", False),
    "marked": (Room, "mark", True),
    "completed": (StateLog, "append", True),
}
NTH = {"begun": 1, "decided": 2, "completed": 3}  # appends of one transaction


def write(
    directory: str, writer: str, seed: int, *, die: str = "", after: int = 3, abort: bool = True
) -> None:
    """Transactions of one record in each of some partitions, until killed.

    Reports "try <n> <partitions>" before each, "ack <n>" when its commit returned, "abort <n>".
    """
    rng = random.Random(seed)
    log = logflume.open(directory)
    producer = log.producer(transactional_id=writer, linger_ms=rng.choice([0, 5]))
    report("ready", producer._core.producer_id, producer._core.producer_epoch)
    number = 0
    while True:
        number += 1
        if die and number == after:
            _arm(die)
        places = sorted(rng.sample(range(PARTITIONS), rng.randrange(1, PARTITIONS + 1)))
        name = f"{writer}.{os.getpid()}.{number}"
        report("try", name, ",".join(map(str, places)))
        try:
            transaction = producer.transaction()
            for place in places:
                value = f"{name} {len(places)}".encode()
                producer.send(TOPIC, value, partition=place)
                if rng.random() < 0.1:
                    producer.flush()
            if abort and rng.random() < 0.2:
                transaction.abort()
                report("abort", name)
                continue
            transaction.commit()
        except errors.ProducerFenced:
            report("fenced", name)
            return
        report("ack", name)


def _arm(step: str) -> None:
    """Have this process killed at a step of the next transaction."""
    owner, method, behind = STEPS[step]
    real: Callable[..., Any] = getattr(owner, method)
    left = NTH.get(step, 1)

    def fatal(*args: Any, **options: Any) -> Any:
        nonlocal left
        left -= 1
        if left == 0 and not behind:
            os.kill(os.getpid(), signal.SIGKILL)
        result = real(*args, **options)
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, method, fatal)


def follow(directory: str, seconds: float) -> None:
    """A committed reader; after each poll that finds nothing more, what it has seen must be whole transactions.

    Reports "torn <name> ..." for one that is not, "seen <name>" for each whole one, "end" at its end.
    """
    import time

    log = logflume.open(directory)
    consumer = log.consumer(TOPIC, isolation_level="read_committed", auto_offset_reset="earliest")
    parts: dict[str, int] = {}
    whole: set[str] = set()
    until = time.monotonic() + seconds
    report("ready")
    while time.monotonic() < until:
        records = consumer.poll(0.05, 100_000)
        for record in records:
            name, _, count = record.value.decode().partition(" ")
            parts[name] = parts.get(name, int(count)) - 1
        if records:
            continue
        for name in [name for name, missing in parts.items() if missing == 0]:
            del parts[name]
            whole.add(name)
            report("seen", name)
        for name, missing in parts.items():
            report("torn", name, missing)
    report("end")
