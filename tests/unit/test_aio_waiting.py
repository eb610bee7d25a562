"""logflume.aio waiting: news, timeouts, cancellation, closing, loops that end, several loops, fork."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
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


# ---- waiting

PUBLISHER = """if True:
    import struct, sys, time, logflume
    with logflume.open(sys.argv[1]) as log:
        partition = log.partition("t", 0)
        for _ in range(int(sys.argv[2])):
            time.sleep(0.002)
            partition.append(struct.pack("d", time.perf_counter()))
"""


def test_records_of_another_process_wake_within_a_millisecond(path, run_loop):
    import struct

    async def main():
        async with (
            logflume.aio.open(path) as log,
            log.consumer("t", auto_offset_reset="earliest") as consumer,
        ):
            child = subprocess.Popen(
                [sys.executable, "-c", PUBLISHER, str(path), "200"], stdin=subprocess.DEVNULL
            )
            delays = []
            async for record in consumer:
                delays.append(time.perf_counter() - struct.unpack("d", record.value)[0])
                if len(delays) == 200:
                    break
            assert child.wait() == 0
        return sorted(delays)

    # Of a busy machine, the best tenth: what is tested is that nobody polls.
    delays = run_loop(main())
    assert delays[20] < 0.001, [delays[0], delays[100], delays[-1]]


def news_threads():
    return [thread for thread in threading.enumerate() if thread.name == "logflume-news"]


def test_many_waiting_consumers_take_one_thread(path, run_loop):
    async def main():
        async with logflume.aio.open(path) as log:
            consumers = [await log.consumer("t", auto_offset_reset="earliest") for _ in range(50)]
            before = threading.active_count()
            polls = [asyncio.create_task(consumer.poll(timeout=60)) for consumer in consumers]
            await asyncio.sleep(0.05)
            assert threading.active_count() - before <= 1
            assert len(news_threads()) == 1
            await (await log.partition("t", 1)).append(b"x")
            found = await asyncio.wait_for(asyncio.gather(*polls), 10)
            assert [[record.value for record in records] for records in found] == [[b"x"]] * 50

    run_loop(main())


def test_more_partitions_than_the_kernel_waits_for(path, run_loop):
    async def main():
        async with logflume.aio.open(path) as log:
            await log.create_topic("wide", partitions=150)
            async with log.consumer("wide") as consumer:
                poll = asyncio.create_task(consumer.poll(timeout=60))
                await asyncio.sleep(0.1)
                await log["wide"][149].append(b"x")
                assert [record.partition for record in await poll] == [149]

    run_loop(main())


def test_a_waiting_consumer_ends_linger(path, run_loop):
    async def main():
        async with logflume.aio.open(path) as log:
            producer = log.producer(acks=1, linger_ms=60_000)
            consumer = await log.consumer("t", auto_offset_reset="earliest")
            producer.send("t", b"open already")
            assert [r.value for r in await consumer.poll(timeout=60)] == [b"open already"]
            poll = asyncio.create_task(consumer.poll(timeout=60))
            await asyncio.sleep(0.05)
            producer.send("t", b"sent while waiting")
            assert [r.value for r in await poll] == [b"sent while waiting"]

    run_loop(main())


def test_timeouts_are_kept(path, run_loop):
    async def main():
        async with logflume.aio.open(path) as log, log.consumer("t") as consumer:
            for timeout in (0.0, 0.05, 0.2):
                began = time.monotonic()
                assert await consumer.poll(timeout) == []
                assert timeout <= time.monotonic() - began + 0.001 < timeout + 30
            nothing = log.consumer()
            assert await nothing.poll(0.05) == []

    run_loop(main())


def test_a_poll_sees_what_other_tasks_change(path, run_loop):
    fill(path)

    async def main():
        async with logflume.aio.open(path) as log, log.consumer("t") as consumer:
            poll = asyncio.create_task(consumer.poll(timeout=60))
            await asyncio.sleep(0.02)
            await consumer.seek("t", 1, 99)
            assert numbered(await poll) == [(1, 99)]
            poll = asyncio.create_task(consumer.poll(timeout=60))
            await asyncio.sleep(0.02)
            await log.create_topic("u", partitions=1)
            await log["u"][0].append(b"before")
            await consumer.subscribe("u")
            await log["u"][0].append(b"after")
            assert [record.value for record in await poll] == [b"after"]

    run_loop(main())


def test_wakeup_ends_a_poll(path, run_loop):
    async def main():
        async with logflume.aio.open(path) as log, log.consumer("t") as consumer:
            loop = asyncio.get_running_loop()
            threading.Timer(0.05, lambda: loop.call_soon_threadsafe(consumer.wakeup)).start()
            began = time.monotonic()
            assert await consumer.poll(timeout=60) == []
            assert time.monotonic() - began < 30

    run_loop(main())


# ---- cancellation and ends


def test_a_cancelled_poll_loses_nothing(path, run_loop):
    """Records come all the time, and so do cancellations: every record is returned once."""

    async def main():
        async with (
            logflume.aio.open(path) as log,
            log.consumer("t", auto_offset_reset="earliest") as consumer,
        ):
            partition = await log.partition("t", 0)
            seen = []

            async def read():
                while True:
                    seen.extend(record.offset for record in await consumer.poll(timeout=60))

            for i in range(300):
                reader = asyncio.create_task(read())
                await asyncio.sleep(0.0003 * (i % 4))
                await partition.append(b"x")
                if i % 3:
                    await asyncio.sleep(0)
                reader.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await reader
            seen.extend(record.offset for record in await consumer.poll())
            assert seen == list(range(300))

    run_loop(main())


def test_a_cancelled_iteration_goes_on_where_it_was(path, run_loop):
    fill(path)

    async def main():
        async with (
            logflume.aio.open(path) as log,
            log.consumer("t", auto_offset_reset="earliest") as consumer,
        ):
            seen = []

            async def read():
                async for record in consumer:
                    seen.append((record.partition, record.offset))
                    await asyncio.sleep(0)

            while len(seen) < 200:
                reader = asyncio.create_task(read())
                await asyncio.sleep(0.0005)
                reader.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await reader
            assert len(set(seen)) == len(seen) == 200
            stream = aiter(consumer)
            stream.__anext__()  # never awaited: takes nothing
            await (await log.partition("t", 0)).append(b"x")
            assert (await anext(stream)).value == b"x"
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(anext(stream), 0.05)

    run_loop(main())


def test_close_ends_iterations_and_polls(path, run_loop):
    async def main():
        async with logflume.aio.open(path) as log:
            consumer = await log.consumer("t", auto_offset_reset="earliest")

            async def read():
                return [record async for record in consumer]

            waiting = [asyncio.create_task(read()) for _ in range(3)]
            waiting.append(asyncio.create_task(consumer.poll(timeout=60)))
            await asyncio.sleep(0.05)
            await consumer.close()
            assert await asyncio.wait_for(asyncio.gather(*waiting), 10) == [[], [], [], []]
            await consumer.close()
            assert consumer.closed
            assert await read() == []
            with pytest.raises(errors.Closed):
                await consumer.poll()

    run_loop(main())


def test_closing_the_log_ends_everything(path, run_loop):
    async def main():
        log = await logflume.aio.open(path)
        producer = log.producer(acks=1, linger_ms=60_000)
        consumer = await log.consumer("t")
        partition = await log.partition("t", 0)

        async def read():
            return [record.value async for record in consumer]

        reader = asyncio.create_task(read())
        wait = asyncio.create_task(partition.wait(10))
        await asyncio.sleep(0.05)
        await asyncio.wait_for(log.close(), 10)
        assert await asyncio.wait_for(reader, 10) == []
        with pytest.raises(errors.Closed):
            await asyncio.wait_for(wait, 10)
        with pytest.raises(errors.Closed):
            producer.send("t", b"x")

    run_loop(main())


def test_the_synchronous_log_below_may_be_closed_too(path, run_loop):
    async def main():
        log = await logflume.aio.open(path)
        consumer = await log.consumer("t")
        poll = asyncio.create_task(consumer.poll(timeout=60))
        await asyncio.sleep(0.05)
        await asyncio.get_running_loop().run_in_executor(None, log.blocking.close)
        assert await asyncio.wait_for(poll, 10) == []
        with pytest.raises(errors.Closed):
            await consumer.poll()

    run_loop(main())


def test_deleting_a_topic_that_is_waited_on(path, run_loop):
    async def main():
        async with logflume.aio.open(path) as log:
            consumer = await log.consumer("t")
            poll = asyncio.create_task(consumer.poll(timeout=60))
            await asyncio.sleep(0.05)
            await asyncio.wait_for(log.delete_topic("t"), 10)
            with pytest.raises((errors.Closed, errors.UnknownTopicOrPartition)):
                await asyncio.wait_for(poll, 10)

    run_loop(main())


def test_a_loop_that_ends_while_a_consumer_waits(path):
    with logflume.open(path) as below:
        log = logflume.aio.Log(below)
        consumer = log.consumer("t", auto_offset_reset="earliest")

        async def abandon():
            task = asyncio.create_task(consumer.poll(timeout=60))
            await asyncio.sleep(0.02)
            return task

        asyncio.run(abandon())  # cancels what is left
        fill(path, 1)
        assert (
            len(asyncio.run(consumer.poll(timeout=60))) >= 1
        )  # another loop, the first being gone


def test_a_consumer_belongs_to_one_loop(path):
    async def main():
        async with logflume.aio.open(path) as log:
            consumer = await log.consumer("t")
            found = []

            def other():
                try:
                    asyncio.run(consumer.poll())
                except errors.ConcurrentAccess as error:
                    found.append(error)

            thread = threading.Thread(target=other)
            thread.start()
            thread.join()
            assert len(found) == 1

    asyncio.run(main())


def test_loops_in_threads_share_a_log(path, run_loop):
    fill(path)
    below = logflume.open(path)
    counts = []

    async def work():
        log = logflume.aio.Log(below)
        consumer = await log.consumer("t", auto_offset_reset="earliest")
        count = 0
        while count < 250:
            count += len(await consumer.poll(timeout=60))
        counts.append(count)
        await consumer.close()

    threads = [threading.Thread(target=lambda: run_loop(work())) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.2)
    for i in range(50):
        below.partition("t", i % 2).append(b"late")
    for thread in threads:
        thread.join()
    below.close()
    assert counts == [250] * 4


def test_fork_leaves_the_child_with_its_own_threads(path):
    code = """if True:
        import asyncio, os, sys, logflume
        async def use(log):
            async with log.consumer("t", auto_offset_reset="latest") as consumer:
                poll = asyncio.create_task(consumer.poll(timeout=60))
                await asyncio.sleep(0.05)
                await log["t"][0].append(b"x")
                assert len(await poll) == 1
        below = logflume.open(sys.argv[1])
        asyncio.run(use(logflume.aio.Log(below)))
        if os.fork() == 0:
            asyncio.run(use(logflume.aio.Log(below)))
            below.close()
            os._exit(0)
        assert os.wait()[1] == 0
        asyncio.run(use(logflume.aio.Log(below)))
        below.close()
    """
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code, str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ,
    )
    assert (done.returncode, done.stderr) == (0, "")
