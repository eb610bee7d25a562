"""logflume with one thing wrong on purpose. Each is called in a process of its own, which it spoils for good."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

import logflume
from logflume.client.log import Log
from logflume.client.producer_transactions import ProducerTransactions
from logflume.coordinator.transactions import administration, coordinator, holding, recovery, room
from logflume.coordinator.transactions.holding import Holding

__all__ = ["SABOTAGE"]


def reader_without_isolation() -> None:
    """read_committed is taken for read_uncommitted."""
    real = Log.consumer

    def consumer(log: Log, *topics: Any, **config: Any) -> Any:
        return real(log, *topics, **{**config, "isolation_level": "read_uncommitted"})

    Log.consumer = consumer  # type: ignore[method-assign]


def markers_one_by_one() -> None:
    """A commit ends the transaction in one partition after the other, as Kafka's coordinator does."""
    real = holding.complete

    def complete(page: Any, partitions: list[Any], **end: Any) -> list[int]:
        offsets = []
        for partition in partitions:
            offsets += real(page, [partition], **end)
            time.sleep(0.002)
        return offsets

    holding.complete = complete


def commit_loses_a_partition() -> None:
    """Of a commit in several partitions one is aborted."""
    real = holding.complete

    def complete(page: Any, partitions: list[Any], **end: Any) -> list[int]:
        if end["commit"] and len(partitions) > 1:
            *partitions, last = partitions
            real(page, [last], **{**end, "commit": False})
        return list(real(page, partitions, **end))

    holding.complete = complete


def nothing_is_held() -> None:
    """Committed transactions are shown as far as no open one is in their way."""

    class Careless(Holding):
        def is_used(self, page: Any) -> bool:
            return False

    holding._is_behind = lambda *extent: False
    room.Holding = Careless  # type: ignore[misc]


def aborts_commit() -> None:
    """The markers of an abort say that it is committed."""
    real = holding.complete

    def complete(page: Any, partitions: list[Any], **end: Any) -> list[int]:
        return list(real(page, partitions, **{**end, "commit": True}))

    holding.complete = complete


def retries_unrecognised() -> None:
    """A record is now and then sent again, without the sequence number that would tell."""
    real, rng = Log.producer, random.Random(1)

    def producer(log: Log, **config: Any) -> Any:
        made = real(log, **config)
        send = made.send

        def twice(*args: Any, **options: Any) -> Any:
            if rng.random() < 0.1:
                send(*args, **options)
            return send(*args, **options)

        made.send = twice  # type: ignore[method-assign]
        return made

    Log.producer = producer  # type: ignore[method-assign]


def nobody_settles() -> None:
    """What a dead producer left open stays open."""

    def nothing(*_: Any) -> int:
        return 0

    for module in (administration, coordinator, recovery):
        for name in {"settle", "settle_one"} & vars(module).keys():
            setattr(module, name, nothing)


def offsets_at_once() -> None:
    """A group's offsets are stored before the transaction that they are sent in is over."""

    def send_offsets(transactions: ProducerTransactions, consumer: Any, offsets: Any) -> None:
        consumer.commit(offsets)

    ProducerTransactions.send_offsets = send_offsets  # type: ignore[method-assign]


def nobody_is_fenced() -> None:
    """Whoever was replaced may go on."""
    coordinator._fence = lambda mine, current: None


def acknowledges_unsent() -> None:
    """A record is now and then acknowledged without being sent."""
    real, rng = Log.producer, random.Random(1)

    class Acknowledged:
        def result(self, timeout: float | None = None) -> Any:
            return logflume.types.RecordMetadata("", 0, 10_000_000 + rng.randrange(1 << 40), 0)

    def producer(log: Log, **config: Any) -> Any:
        made = real(log, **config)
        send = made.send

        def lose(*args: Any, **options: Any) -> Any:
            return Acknowledged() if rng.random() < 0.1 else send(*args, **options)

        made.send = lose  # type: ignore[method-assign]
        return made

    Log.producer = producer  # type: ignore[method-assign]


# What is wrong: how, the kinds of which the analysis must name one, and whether it takes processes to show.
SABOTAGE: dict[str, tuple[Callable[[], None], set[str], bool]] = {
    "reader without isolation": (reader_without_isolation, {"aborted-read", "dirty-read"}, False),
    "markers one by one": (markers_one_by_one, {"torn-transaction"}, True),
    "commit loses a partition": (
        commit_loses_a_partition,
        {"torn-transaction", "lost-write"},
        False,
    ),
    "nothing is held": (nothing_is_held, {"torn-transaction"}, False),
    "aborts commit": (aborts_commit, {"aborted-read"}, False),
    "retries unrecognised": (retries_unrecognised, {"duplicate"}, False),
    "nobody settles": (nobody_settles, {"stuck-lso"}, True),
    "offsets at once": (offsets_at_once, {"lost-write", "torn-transaction"}, False),
    "nobody is fenced": (nobody_is_fenced, {"aborted-read", "torn-transaction", "failed"}, False),
    "acknowledges unsent": (acknowledges_unsent, {"lost-write"}, False),
}
