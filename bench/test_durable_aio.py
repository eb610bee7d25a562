"""asyncio, on the disk: 1,000 deliveries awaited together, and tasks that share a sync."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import logflume
from bench.entrants import TOPIC, history, log_with_topic
from bench.harness import Contest, Contestant, Goal, Job
from bench.payload import values
from bench.peers import Sqlite
from bench.test_durable_batches import limit_calls


def of_tasks(name: str, count: int, work: Callable[[Any], Coroutine[Any, Any, None]]) -> Contestant:
    """`work(producer)` in an event loop that runs already, in a log that holds 4 MB."""

    @contextmanager
    def open_(where: Path) -> Iterator[Job]:
        async def opened() -> Any:
            return await logflume.aio.open(where / "log")

        with log_with_topic(where) as sync:
            with sync.producer() as first:
                first.send_many(TOPIC, history())
            with asyncio.Runner() as loop:
                log = loop.run(opened())
                producer = log.producer(acks="all")
                loop.run(work(producer))  # the topic is known from here on
                yield lambda: loop.run(work(producer))
                loop.run(log.close())

    return Contestant(name, "logflume", count, open_)


def sqlite_in_a_thread(records: list[bytes], rounds: int) -> Contestant:
    """What asyncio programs do with a database: each transaction in a thread."""

    @contextmanager
    def open_(where: Path) -> Iterator[Job]:
        store = Sqlite(where, shared=True)
        store.put_many(history(), durable=True)

        async def work() -> None:
            for _ in range(rounds):
                await asyncio.to_thread(store.put_many, records, durable=True)

        with asyncio.Runner() as loop:
            yield lambda: loop.run(work())
        store.close()

    return Contestant("SQLite (WAL), to_thread", "peer", rounds * len(records), open_)


def test_in_flight(contest: Contest) -> None:
    rounds = max(10, int(contest.scale.seconds * 60))
    records = values(100, 1000)

    async def awaited(producer: Any) -> None:
        for _ in range(rounds):
            for delivery in [producer.send(TOPIC, value) for value in records]:
                await delivery

    async def gathered(producer: Any) -> None:
        for _ in range(rounds):
            await asyncio.gather(*[producer.send(TOPIC, value) for value in records])

    contest.run(
        "Durable, 1,000 in flight, asyncio",
        [
            of_tasks("send, await delivery", rounds * 1000, awaited),
            of_tasks("send, asyncio.gather", rounds * 1000, gathered),
            limit_calls(records, rounds),
            sqlite_in_a_thread(records, rounds),
        ],
        about="one task sends 1,000 records, then awaits the deliveries; SQLite puts them in one transaction",
        cpu="shown",
        goals=[Goal("send, await delivery", "≥ 600,000/s", rate=6e5)],
    )


def test_tasks(contest: Contest, tasks: int) -> None:
    """Each task waits for its record to be on the disk before it sends the next."""
    rounds = max(5, int(contest.scale.seconds * 300))
    records = values(100, tasks)

    async def work(producer: Any) -> None:
        async def task(value: bytes) -> None:
            for _ in range(rounds):
                await producer.send(TOPIC, value)

        await asyncio.gather(*map(task, records))

    contest.run(
        "Durable, group commit, asyncio",
        [
            of_tasks("await send()", rounds * tasks, work),
            limit_calls(records, rounds),
            sqlite_in_a_thread(records[:1], min(20, rounds)),
        ],
        about="tasks of one event loop, each waiting for its record to be on the disk before it sends the next; the"
        " limit knows how many there are and syncs once for all, SQLite's transactions have one record each",
        unit="syncs",
        x=("tasks", tasks),
        cpu="shown",
    )
