"""Deliveries: waited for by threads, called back, awaited in event loops, cancelled."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time

import pytest

import logflume
from logflume import errors

LONG_MS = 60_000  # a linger that no test waits for


@pytest.fixture
def log(tmp_path):
    with logflume.open(tmp_path / "data") as opened:
        opened.create_topic("t", partitions=4)
        opened.create_topic("one", partitions=1)
        yield opened


@pytest.fixture(params=[1, "all"])
def producer(log, request):
    return log.producer(acks=request.param, linger_ms=LONG_MS)


# ---- threads


def test_what_a_delivery_says(log, producer):
    delivery = producer.send("one", b"x")
    assert (delivery.done(), delivery.offset, repr(delivery)) == (False, -1, "<Delivery pending>")
    place = delivery.result(timeout=60)
    assert isinstance(place, logflume.RecordMetadata)
    assert (place.topic, place.partition, place.offset) == ("one", 0, 0)
    assert (delivery.done(), delivery.offset) == (True, 0)
    assert repr(delivery) == "<Delivery at offset 0>"
    assert delivery.exception() is None
    assert delivery.result() == place


def test_asking_for_one_settles_its_whole_batch(log, producer):
    deliveries = [producer.send("one", b"x") for _ in range(10)]
    assert deliveries[3].result().offset == 3
    assert all(delivery.done() for delivery in deliveries)


def test_many_threads_ask_for_the_same_delivery(log, producer):
    delivery = producer.send("one", b"x")
    found = []
    threads = [threading.Thread(target=lambda: found.append(delivery.result(60))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [place.offset for place in found] == [0] * 8


def test_callbacks_before_and_after(log, producer):
    called = []
    delivery = producer.send("one", b"x")
    delivery.add_done_callback(lambda done: called.append(("before", done.offset)))
    assert called == []
    producer.flush()
    delivery.add_done_callback(lambda done: called.append(("after", done is delivery)))
    assert called == [("before", 0), ("after", True)]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_callback_that_fails_hurts_nobody_else(log, producer):
    called = []
    first = producer.send("t", b"x", partition=0)
    first.add_done_callback(lambda done: 1 / 0)
    first.add_done_callback(lambda done: called.append(done.offset))
    second = producer.send("t", b"x", partition=1)
    producer.flush()
    assert called == [0]
    assert second.done()


@pytest.mark.parametrize("loops", [False, True])
def test_one_sync_serves_full_and_open_batches(log, loops):
    producer = log.producer(acks="all", linger_ms=LONG_MS, batch_size=1000)
    deliveries = [producer.send("one", b"x" * 90) for _ in range(25)]
    first = deliveries[0]

    async def wait():
        await first

    asyncio.run(wait()) if loops else first.result()
    assert all(delivery.done() for delivery in deliveries)


def test_acks_0_is_settled_at_once(log, run_loop):
    producer = log.producer(acks=0, linger_ms=LONG_MS)

    async def main():
        assert (await producer.send("one", b"x")).offset == -1
        assert [place.offset for place in await asyncio.gather(producer.send("one", b"y"))] == [-1]

    run_loop(main())


# ---- event loops


def test_await(log, producer, run_loop):
    async def main():
        place = await producer.send("one", b"x")
        assert place == ("one", 0, 0, place.timestamp)
        again = producer.send("one", b"y")
        assert (await again).offset == 1
        assert await again == await again
        assert again.result().offset == 1

    run_loop(main())


def test_lingering_is_not_waited_for(log, producer, run_loop):
    async def main():
        began = time.monotonic()
        await producer.send("one", b"x")
        assert time.monotonic() - began < 20

    run_loop(main())


def test_what_is_sent_together_shares_a_batch(log, producer, run_loop):
    async def one(i):
        return (await producer.send("one", b"%d" % i)).offset

    async def main():
        return await asyncio.gather(*(one(i) for i in range(100)))

    assert run_loop(main()) == list(range(100))
    from pathlib import Path

    from logflume._native.batches import BatchScan

    segment = Path(log["one"][0].segments()[0].path)
    assert [batch.count for batch in BatchScan(segment.read_bytes())] == [100]


def test_gather_wants_no_task_for_each(log, producer, run_loop):
    async def main():
        deliveries = [producer.send("t", b"x", key=b"%d" % i) for i in range(1000)]
        before = len(asyncio.all_tasks())
        gathered = asyncio.gather(*deliveries)
        assert len(asyncio.all_tasks()) == before
        places = await gathered
        assert [place.offset for place in places] == [delivery.offset for delivery in deliveries]

    run_loop(main())


def test_gather_with_a_delivery_twice_and_a_settled_one(log, producer, run_loop):
    async def main():
        first = producer.send("one", b"x")
        await first
        second = producer.send("one", b"y")
        places = await asyncio.gather(first, second, second)
        assert [place.offset for place in places] == [0, 1, 1]

    run_loop(main())


def test_wait_and_as_completed_and_wait_for_and_shield(log, producer, run_loop):
    async def main():
        deliveries = {producer.send("t", b"x") for _ in range(10)}
        done, pending = await asyncio.wait(deliveries)
        assert (done, pending) == (deliveries, set())
        for soon in asyncio.as_completed([producer.send("t", b"x") for _ in range(10)]):
            assert (await soon).topic == "t"
        assert (await asyncio.wait_for(producer.send("one", b"x"), 10)).offset == 0
        assert (await asyncio.shield(producer.send("one", b"x"))).offset == 1

    run_loop(main())


def test_callbacks_are_called_by_the_loop_in_their_context(log, producer, run_loop):
    where = contextvars.ContextVar("where", default="outside")

    async def main():
        where.set("inside")
        loop = asyncio.get_running_loop()
        called = loop.create_future()
        delivery = producer.send("one", b"x")
        order = []

        def forgotten(_):
            order.append("forgotten")

        delivery.add_done_callback(forgotten)
        delivery.add_done_callback(lambda _: order.append("first"))
        delivery.add_done_callback(
            lambda done: called.set_result((threading.get_ident(), where.get(), done)),
            context=contextvars.copy_context(),
        )
        assert delivery.remove_done_callback(forgotten) == 1
        assert await called == (threading.get_ident(), "inside", delivery)
        assert order == ["first"]
        assert delivery.remove_done_callback(forgotten) == 0

    run_loop(main())


def test_a_callback_that_fails_is_the_loops_to_report(log, producer, run_loop):
    async def main():
        reported = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: reported.append(context["exception"]))
        delivery = producer.send("one", b"x")
        delivery.add_done_callback(lambda _: 1 / 0)
        await delivery
        await asyncio.sleep(0.01)
        assert [type(error) for error in reported] == [ZeroDivisionError]

    run_loop(main())


def test_a_failed_batch_raises_in_every_await(log, producer, run_loop):
    async def main():
        deliveries = [producer.send("one", b"x") for _ in range(3)]
        log.partition("one", 0).close()
        found = await asyncio.gather(*deliveries, return_exceptions=True)
        assert [type(error) for error in found] == [errors.Closed] * 3
        with pytest.raises(errors.Closed):
            await deliveries[0]
        with pytest.raises(errors.Closed):
            await asyncio.gather(*deliveries)

    run_loop(main())
    producer.flush()  # it was told


def test_a_cancelled_task_leaves_the_delivery_to_others(log, producer, run_loop):
    async def main():
        delivery = producer.send("one", b"x")

        async def wait():
            return (await delivery).offset

        tasks = [asyncio.create_task(wait()) for _ in range(3)]
        await asyncio.sleep(0)
        tasks[1].cancel("enough")
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [results[0], results[2]] == [0, 0]
        assert isinstance(results[1], asyncio.CancelledError)
        with pytest.raises(asyncio.CancelledError, match="enough"):
            await tasks[1]
        assert tasks[1].cancelled()
        assert not delivery.cancelled()

    run_loop(main())


def test_a_timeout_leaves_the_record_on_its_way(log, producer, run_loop):
    """Whatever this interpreter's wait_for does with a delivery that it gave up: it can be awaited again."""

    async def main():
        delivery = producer.send("one", b"x")
        with pytest.raises(asyncio.TimeoutError):
            # Over before the loop comes to closing the batch.
            await asyncio.wait_for(delivery, 0)
        assert (await delivery).offset == 0

    run_loop(main())


def test_cancel_gives_up_until_awaited_anew(log, producer, run_loop):
    async def main():
        delivery = producer.send("one", b"x")
        gathered = asyncio.gather(delivery, return_exceptions=True)
        assert delivery.cancel()
        assert not delivery.cancel()
        assert delivery.cancelled()
        assert delivery.done()
        assert [type(found) for found in await gathered] == [asyncio.CancelledError]
        with pytest.raises(asyncio.CancelledError):
            delivery.result()
        assert (await delivery).offset == 0
        assert not delivery.cancelled()
        assert delivery.result().offset == 0
        assert not delivery.cancel()

    run_loop(main())
    assert log.partition("one", 0).end_offset == 1


def test_cancelled_gather_sends_all_the_same(log, producer, run_loop):
    async def main():
        async def work():
            await asyncio.gather(*[producer.send("one", b"x") for _ in range(10)])

        task = asyncio.create_task(work())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run_loop(main())
    producer.flush()
    assert log.partition("one", 0).end_offset == 10


def test_a_loop_that_ends_with_waits_left(log):
    producer = log.producer(acks="all", linger_ms=LONG_MS)
    loop = asyncio.new_event_loop()

    async def wait(delivery):
        await delivery

    deliveries = [producer.send("one", b"x") for _ in range(3)]
    tasks = [loop.create_task(wait(delivery)) for delivery in deliveries]
    loop.run_until_complete(asyncio.sleep(0))
    for task in tasks:
        task._log_destroy_pending = False
    loop.close()
    producer.flush()
    assert [delivery.offset for delivery in deliveries] == [0, 1, 2]
    for task in tasks:
        task.get_coro().close()


def test_loops_in_threads_share_a_producer(log, run_loop):
    producer = log.producer(acks="all")
    offsets = []

    async def work():
        for _ in range(5):
            places = await asyncio.gather(*[producer.send("t", b"x") for _ in range(50)])
            offsets.extend((place.partition, place.offset) for place in places)

    threads = [threading.Thread(target=lambda: run_loop(work())) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(offsets) == len(set(offsets)) == 1500


def test_one_delivery_awaited_in_two_loops(log, producer):
    delivery = producer.send("one", b"x")
    found = []

    async def wait():
        found.append((await delivery).offset)

    threads = [threading.Thread(target=lambda: asyncio.run(wait())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [0, 0]


def test_settling_while_awaiting_is_never_missed(log):
    """A flusher settles batches all the time: no await may come between looking and waiting."""
    producer = log.producer(acks=1, linger_ms=LONG_MS)
    stop = threading.Event()

    def flush():
        while not stop.is_set():
            producer.flush()

    async def main():
        for i in range(3000):
            place = await asyncio.wait_for(producer.send("one", b"x"), 20)
            assert place.offset == i

    thread = threading.Thread(target=flush)
    thread.start()
    try:
        asyncio.run(main())
    finally:
        stop.set()
        thread.join()


def test_a_callback_that_raises_is_shown_with_its_traceback(log, monkeypatch):
    shown = []
    monkeypatch.setattr("sys.unraisablehook", shown.append)

    def broken(delivery):
        raise LookupError("in a callback")

    told = []
    with log.producer() as producer:
        delivery = producer.send("one", b"v")
        delivery.add_done_callback(broken)
        delivery.add_done_callback(told.append)
        delivery.result(60)
    assert told == [delivery]  # the others are told all the same
    (what,) = shown
    assert str(what.exc_value) == "in a callback"
    assert what.exc_traceback is not None
    assert "broken" in repr(what.object)
