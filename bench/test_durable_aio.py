"""asyncio: 1,000 deliveries awaited together, on the disk; records one by one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import logflume
from bench.entrants import TOPIC, log_with_topic
from bench.harness import Contest, Contestant, Goal, Job
from bench.payload import values


def test_in_flight_asyncio(contest: Contest) -> None:
    aio = pytest.importorskip("logflume.aio")
    rounds = max(10, int(contest.scale.seconds * 60))
    records = values(100, 1000)

    async def send_all(producer: Any, gathered: bool, times: int) -> None:
        for _ in range(times):
            deliveries = [producer.send(TOPIC, value) for value in records]
            if gathered:
                await asyncio.gather(*deliveries)
            else:
                for delivery in deliveries:
                    await delivery

    def sending(name: str, *, gathered: bool) -> Contestant:
        @contextmanager
        def open_(where: Path) -> Iterator[Job]:
            with log_with_topic(where), asyncio.Runner() as loop:
                log = loop.run(opened(where))
                producer = log.producer(acks="all")
                loop.run(send_all(producer, gathered, 1))  # the topic is known from here on
                yield lambda: loop.run(send_all(producer, gathered, rounds))
                loop.run(log.close())

        return Contestant(name, "logflume", rounds * 1000, open_)

    async def opened(where: Path) -> Any:
        return await aio.open(where / "log")

    contest.run(
        "Durable, 1,000 in flight, asyncio",
        [
            sending("send, await delivery", gathered=False),
            sending("send, asyncio.gather", gathered=True),
        ],
        about="one task sends 1,000 records, then awaits the deliveries",
        goals=[Goal("send, await delivery", "≥ 600,000/s", rate=6e5)],
    )


def test_iterate_asyncio(contest: Contest) -> None:
    """`async for` beside the synchronous iteration of the same records."""
    aio = pytest.importorskip("logflume.aio")
    count = contest.scale.count(5e6)

    async def iterate(log: object) -> None:
        left = count
        consumer = log.consumer(auto_offset_reset="earliest")  # type: ignore[attr-defined] # aio.Log
        await consumer.assign([(TOPIC, 0)])
        async for record in consumer:
            record.value  # noqa: B018 - the bytes are made by the property
            left -= 1
            if not left:
                break
        await consumer.close()

    def blocking(log: logflume.Log) -> None:
        left = count
        with log.consumer(auto_offset_reset="earliest") as consumer:
            consumer.assign([(TOPIC, 0)])
            for record in consumer:
                record.value  # noqa: B018
                left -= 1
                if not left:
                    break

    def reading(name: str, job: Callable[[logflume.Log], object]) -> Contestant:
        @contextmanager
        def open_(where: Path) -> Iterator[Job]:
            with log_with_topic(where) as log:
                log.partition(TOPIC, 0).append_many(values(100, count))
                yield lambda: job(log)

        return Contestant(name, "logflume", count, open_)

    contest.run(
        "Iterate, asyncio",
        [
            reading("async for", lambda log: asyncio.run(iterate(aio.Log(log)))),
            reading("for", blocking),
        ],
        about="records of 100 bytes, one by one, their values read; the loop's start is included",
    )
