"""`async for` beside the synchronous iteration of the same records."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import logflume
from bench.entrants import TOPIC, log_with_topic
from bench.harness import Contest, Contestant, Job
from bench.payload import values


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
