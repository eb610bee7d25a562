"""On the disk, asyncio: 1,000 deliveries awaited together."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.entrants import TOPIC, log_with_topic
from bench.harness import Contest, Contestant, Goal, Job
from bench.payload import values


def test_in_flight_asyncio(contest: Contest) -> None:
    aio = pytest.importorskip("logflume.aio")
    rounds = max(3, int(contest.scale.seconds * 60))
    records = values(100, 1000)

    async def send_all(where: Path) -> None:
        async with aio.open(where / "log") as log, log.producer(acks="all") as producer:
            for _ in range(rounds):
                deliveries = [await producer.send(TOPIC, value) for value in records]
                for delivery in deliveries:
                    await delivery

    @contextmanager
    def tasks(where: Path) -> Iterator[Job]:
        with log_with_topic(where):
            pass
        yield lambda: asyncio.run(send_all(where))

    contest.run(
        "Durable, 1,000 in flight, asyncio",
        [Contestant("await send, await delivery", "logflume", rounds * 1000, tasks)],
        about="one task sends 1,000 records, then awaits each delivery; the loop's start is included",
        goals=[Goal("await send, await delivery", "≥ 600,000/s", rate=6e5)],
    )
