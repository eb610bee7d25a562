"""Queues in an event loop."""

from __future__ import annotations

import asyncio
import itertools

import pytest

import logflume
from logflume import errors

EARLIEST = {"share_auto_offset_reset": "earliest"}


def run(tmp_path, main) -> None:
    async def within() -> None:
        async with logflume.aio.open(tmp_path / "data") as log:
            await log.create_topic("t")
            await main(log)

    asyncio.run(asyncio.wait_for(within(), 100))


def test_answers_and_commits(tmp_path):
    async def main(log):
        await log.partition("t", 0).append_many([b"0", b"1", b"2"])
        async with log.queue("t", group="g", **EARLIEST) as queue:
            first, second, third = await queue.poll(10)
            await queue.accept(first)
            await queue.release(second)
            await queue.reject(third)
            await queue.commit()
            assert [(r.value, r.delivery_count) for r in await queue.poll(10)] == [(b"1", 2)]
            assert queue.topics() == ["t"]
            assert queue.config.max_poll_records == 500
        with pytest.raises(errors.Closed):
            await queue.poll()
        assert queue.closed

    run(tmp_path, main)


def test_tasks_share_the_work_and_a_cancelled_poll_loses_nothing(tmp_path):
    async def main(log):
        await log.partition("t", 0).append_many([b"x"] * 300)
        seen: list[int] = []

        async def work() -> None:
            async with log.queue("t", group="g", **EARLIEST) as queue:
                for turn in itertools.count():
                    # The first ones are cancelled in the middle, all on a slow machine.
                    wait_s = 0.02 if turn < 20 else 60
                    try:
                        records = await asyncio.wait_for(queue.poll(0.5, max_records=7), wait_s)
                    except TimeoutError:
                        records = []
                    seen.extend(r.offset for r in records)
                    await queue.commit()
                    if len(seen) >= 300:
                        return

        await asyncio.gather(*(work() for _ in range(3)))
        assert sorted(seen) == list(range(300))

    run(tmp_path, main)


def test_a_waiting_poll_sees_new_and_released_records(tmp_path):
    async def main(log):
        async with log.queue("t", group="g") as one, log.queue("t", group="g") as other:
            waiting = asyncio.ensure_future(one.poll(60))
            await asyncio.sleep(0.05)
            await log.partition("t", 0).append(b"x")
            [record] = await waiting
            waiting = asyncio.ensure_future(other.poll(60))
            await asyncio.sleep(0.05)
            await one.release(record)
            await one.commit()
            assert [r.delivery_count for r in await waiting] == [2]

    run(tmp_path, main)


def test_iterating_ends_with_close(tmp_path):
    async def main(log):
        await log.partition("t", 0).append_many([b"0", b"1"])
        queue = log.queue("t", group="g", **EARLIEST)
        seen = []

        async def read() -> None:
            async for record in queue:
                seen.append(record.value)

        reading = asyncio.ensure_future(read())
        while len(seen) < 2:
            await asyncio.sleep(0.01)
        await queue.close()
        await reading
        assert seen == [b"0", b"1"]

    run(tmp_path, main)
