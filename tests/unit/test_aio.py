"""logflume.aio: the log, its producer and partitions; a consumer's reading and positions."""

from __future__ import annotations

import asyncio
import time

import pytest

import logflume
from logflume import errors
from support.producing import fill, numbered


@pytest.fixture
def path(tmp_path):
    with logflume.open(tmp_path / "data") as log:
        log.create_topic("t", partitions=2)
    return tmp_path / "data"


# ---- the log


def test_open_awaited_and_as_a_context_manager(tmp_path, run_loop):
    async def main():
        log = await logflume.aio.open(tmp_path / "data")
        assert await log.create_topic("a", partitions=3, config={"retention.ms": 1000})
        await log.close()
        await log.close()
        assert log.closed
        async with logflume.aio.open(tmp_path / "data") as log:
            assert await log.topics() == ["a"]
            assert "a" in log
            assert "b" not in log
            assert (len(log["a"]), log["a"].config.retention_ms) == (3, 1000)
            await log.alter_topic("a", partitions=4)
            assert (await log.describe_topic("a")).partitions == 4
            assert len(list(log["a"])) == 4
            await log.delete_topic("a")
            assert await log.topics() == []
        assert log.closed
        with pytest.raises(errors.Closed):
            await log.topics()

    run_loop(main())


def test_errors_come_where_it_is_awaited(tmp_path, run_loop):
    async def main():
        with pytest.raises(errors.UnknownConfig):
            await logflume.aio.open(tmp_path / "data", no_such_option=1)
        async with logflume.aio.open(tmp_path / "data") as log:
            with pytest.raises(errors.UnknownTopicOrPartition):
                log["none"]
            with pytest.raises(errors.UnknownTopicOrPartition):
                await log.consumer("none")
            with pytest.raises(errors.UnknownConfig):
                log.producer(no_such_option=1)
            with pytest.raises(errors.UnknownTopicOrPartition):
                await log.partition("none", 0)

    run_loop(main())


def test_a_partition(path, run_loop):
    async def main():
        async with logflume.aio.open(path) as log:
            partition = await log.partition("t", 0)
            assert await partition.append(b"a", key=b"k") == 0
            assert await partition.append_many([b"b", b"c"]) == 1
            await partition.sync()
            assert (partition.start_offset, partition.end_offset) == (0, 3)
            assert partition.durable_offset == 3
            assert (await partition.read(1)).value == b"b"
            assert len(await partition.read_batch(1)) == 2
            assert list((await partition.lookup([2, 0])).offsets) == [2, 0]
            assert await partition.offset_for_time(0) == 0
            with pytest.raises(errors.OffsetOutOfRange):
                await partition.read(3)
            began = time.monotonic()
            assert await partition.wait(2)
            assert not await partition.wait(3, timeout=0.05)
            assert time.monotonic() - began < 30
            waits = asyncio.gather(*[partition.wait(3, timeout=60) for _ in range(5)])
            await asyncio.sleep(0.02)
            await log["t"][0].append(b"d")
            assert await waits == [True] * 5
            assert await log.delete_records({("t", 0): 2}) == {("t", 0): 2}

    run_loop(main())


def test_a_producer(path, run_loop):
    async def main():
        async with logflume.aio.open(path) as log, log.producer() as producer:
            assert await producer.partitions_for("t") == 2
            place = await producer.send("t", b"x", key=b"k", partition=1)
            assert place[:3] == ("t", 1, 0)
            assert await producer.send_many("t", [b"y"] * 10, partition=1) == 10
            deliveries = [producer.send("t", b"z", partition=1) for _ in range(10)]
            await producer.flush()
            assert [delivery.offset for delivery in deliveries] == list(range(11, 21))
            await producer.close()
            await producer.close()
            with pytest.raises(errors.Closed):
                producer.send("t", b"x")

    run_loop(main())


# ---- reading


def test_poll_and_poll_batch_and_iterate(path, run_loop):
    fill(path)

    async def main():
        async with (
            logflume.aio.open(path) as log,
            log.consumer("t", auto_offset_reset="earliest", max_poll_records=7) as consumer,
        ):
            records = await consumer.poll()
            assert len(records) == 7
            assert len(await consumer.poll(max_records=3)) == 3
            batch = await consumer.poll_batch(max_records=20)
            records = numbered(records) + list(zip(batch.partitions, batch.offsets))
            async for record in consumer:
                records.append((record.partition, record.offset))
                if len(records) == 197:
                    break
            assert len(set(records)) == 197
            assert await consumer.poll(0.05) == []
            assert await consumer.poll_batch() is None
            with pytest.raises(ValueError, match="max_records"):
                await consumer.poll(max_records=0)

    run_loop(main())


def test_positions_are_of_what_was_handed_out(path, run_loop):
    fill(path)

    async def main():
        async with logflume.aio.open(path) as log:
            consumer = log.consumer(group="g", auto_offset_reset="earliest")
            await consumer.assign([("t", 0), ("t", 1)])
            seen = []
            async for record in consumer:
                seen.append(record)
                if len(seen) == 130:
                    break
            positions = [await consumer.position("t", number) for number in (0, 1)]
            assert sum(positions) == 130
            assert sum((await consumer.lag()).values()) == 70
            await consumer.commit()
            assert [await consumer.committed("t", number) for number in (0, 1)] == positions
            rest = await consumer.poll(max_records=1000)
            assert sorted(numbered(seen) + numbered(rest)) == [
                (number, offset) for number in (0, 1) for offset in range(100)
            ]
            await consumer.seek("t", 0, 42)
            assert (await consumer.poll())[0].offset == 42
            await consumer.seek_to_end()
            assert await consumer.poll() == []
            await consumer.seek_to_beginning(("t", 1))
            assert len(await consumer.poll()) == 100
            await consumer.seek_to_time(0)
            assert await consumer.position(("t", 0)) == 0
            places = [("t", 0)]
            assert await consumer.beginning_offsets(places) == {("t", 0): 0}
            assert await consumer.end_offsets(places) == {("t", 0): 100}
            assert (await consumer.offsets_for_times({("t", 0): 0}))["t", 0].offset == 0
            await consumer.pause(("t", 0))
            assert await consumer.paused() == {("t", 0)}
            await consumer.resume(("t", 0))
            assert await consumer.assignment() == {("t", 0), ("t", 1)}
            await consumer.unsubscribe()
            assert await consumer.assignment() == set()
            assert await consumer.subscription() == set()

    run_loop(main())


def test_a_consumer_that_is_not_entered_subscribes_at_its_first_call(path, run_loop):
    fill(path)

    async def main():
        async with logflume.aio.open(path) as log:
            consumer = log.consumer("t", auto_offset_reset="earliest")
            assert await consumer.subscription() == {"t"}
            assert len(await consumer.poll(max_records=500)) == 200
            assert await (await consumer).poll() == []

    run_loop(main())


def test_tasks_share_a_consumer(path, run_loop):
    fill(path, 3000)

    async def main():
        seen = []

        async def work(consumer):
            async for record in consumer:
                seen.append((record.partition, record.offset))
                if len(seen) % 100 == 0:
                    await asyncio.sleep(0)
                if len(seen) == 6000:
                    await consumer.close()

        async with logflume.aio.open(path) as log:
            consumer = await log.consumer("t", auto_offset_reset="earliest")
            await asyncio.gather(*[work(consumer) for _ in range(5)])
        assert len(seen) == len(set(seen)) == 6000

    run_loop(main())


def test_iterating_lets_other_tasks_run(path, run_loop, monkeypatch):
    # Each time, not every few milliseconds: a fast machine has read all of it by then.
    monkeypatch.setattr("logflume.aio.consumer._REST_S", 0.0)
    fill(path, 50_000)

    async def main():
        turns = 0

        async def tick():
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        async with (
            logflume.aio.open(path) as log,
            log.consumer("t", auto_offset_reset="earliest") as consumer,
        ):
            ticker = asyncio.create_task(tick())
            count = 0
            async for _ in consumer:
                count += 1
                if count == 100_000:
                    break
            assert turns > 3
            turns = 0
            await consumer.seek_to_beginning()
            while await consumer.poll_batch(max_records=100):
                pass
            assert turns > 3
            ticker.cancel()

    run_loop(main())


def test_a_log_that_nobody_awaited_says_how(tmp_path):
    opening = logflume.aio.open(tmp_path / "data")
    with pytest.raises(AttributeError, match="async with logflume"):
        opening.create_topic("t")
    assert "not awaited" in repr(opening)
    assert not (tmp_path / "data").exists()
