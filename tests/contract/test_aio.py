"""The same for asyncio."""

from __future__ import annotations

import asyncio

import pytest

import logflume
from logflume import errors


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 60))


def test_everything_awaited(address, name):
    async def main():
        async with logflume.aio.open(address) as log:
            await log.create_topic(name, partitions=2)
            assert name in await log.topics()
            assert len(log[name]) == 2
            async with log.producer() as producer:
                sent = [producer.send(name, b"%d" % i, key=b"k") for i in range(50)]
                places = await asyncio.gather(*sent)
                assert [p.offset for p in places] == list(range(50))
                number = places[0].partition
                assert await producer.send_many(name, [b"x"] * 10, partition=number) == 10
                await producer.flush()
            partition = log.partition(name, number)
            assert (await partition.read(49)).value == b"49"
            assert len(await partition.read_batch(55)) == 5
            assert await partition.append(b"y") == 60
            assert await partition.wait(60, 10)
            assert not await partition.wait(61, 0.1)
            async with log.consumer(
                name, group=f"g-{name}", auto_offset_reset="earliest", enable_auto_commit=False
            ) as consumer:
                seen = []
                async for record in consumer:
                    seen.append(record.value)
                    if len(seen) == 61:
                        break
                assert seen == [b"%d" % i for i in range(50)] + [b"x"] * 10 + [b"y"]
                assert await consumer.position(name, number) == 61
                await consumer.commit()
                assert await consumer.committed(name, number) == 61
                assert await consumer.poll(0.2) == []
                await consumer.seek(name, number, 60)
                batch = await consumer.poll_batch(20)
                assert batch.values.tolist() == [b"y"]
                assert await consumer.lag() == {(name, 0): 0, (name, 1): 0}
            await log.delete_topic(name)
            with pytest.raises(errors.UnknownTopicOrPartition):
                await log.describe_topic(name)

    run(main())


def test_a_waiting_task_is_woken_and_others_run_meanwhile(address, name):
    async def main():
        async with logflume.aio.open(address) as log:
            await log.create_topic(name)
            ticks = 0

            async def tick():
                nonlocal ticks
                while True:
                    await asyncio.sleep(0.01)
                    ticks += 1

            ticker = asyncio.create_task(tick())
            async with log.consumer(name, auto_offset_reset="earliest") as consumer:
                waiting = asyncio.create_task(consumer.poll(30))
                await asyncio.sleep(0.5)
                assert not waiting.done()
                assert ticks > 20
                async with log.producer() as producer:
                    await producer.send(name, b"now")
                assert [r.value for r in await waiting] == [b"now"]
            ticker.cancel()

    run(main())


def test_close_ends_an_iteration(address, name):
    async def main():
        async with logflume.aio.open(address) as log:
            await log.create_topic(name)
            consumer = log.consumer(name, auto_offset_reset="earliest")
            await consumer

            async def consume():
                return [record.value async for record in consumer]

            task = asyncio.create_task(consume())
            await asyncio.sleep(0.3)
            await consumer.close()
            assert await task == []

    run(main())


def test_more_than_the_buffer_holds_is_sent_without_stopping_the_loop(address, name):
    async def main():
        async with logflume.aio.open(address) as log:
            await log.create_topic(name)
            async with log.producer(buffer_memory=1 << 20, linger_ms=0) as producer:
                sent = [producer.send(name, b"%d" % i + bytes(10_000)) for i in range(1000)]
                offsets = [(await delivery).offset for delivery in sent]
            assert offsets == list(range(1000))

    run(main())
