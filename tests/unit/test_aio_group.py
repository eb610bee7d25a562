"""Consumer groups in asyncio: sharing, listeners that call back, commits, cancellation in the middle."""

from __future__ import annotations

import asyncio

import pytest

import logflume
from logflume import OffsetAndMetadata, TopicPartition, errors

EARLIEST = {"group": "g", "auto_offset_reset": "earliest", "enable_auto_commit": False}
STORING = {**EARLIEST, "enable_auto_commit": True}


@pytest.fixture
def path(tmp_path):
    with logflume.open(tmp_path / "data") as log:
        log.create_topic("t", partitions=4)
        with log.producer(acks=1) as producer:
            for number in range(4):
                producer.send_many("t", [b"%d" % i for i in range(100)], partition=number)
    return tmp_path / "data"


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request):
    chosen = asyncio.run if request.param == "asyncio" else pytest.importorskip("uvloop").run

    def run_within(coroutine):
        async def bounded():
            return await asyncio.wait_for(coroutine, 40)

        return chosen(bounded())

    return run_within


async def take(consumer, count, seen):
    while count > 0:
        records = await consumer.poll(timeout=0.05, max_records=min(count, 50))
        seen += [(record.partition, record.offset) for record in records]
        count -= len(records)


def test_members_of_one_loop_share_the_partitions(path, run):
    async def main():
        async with logflume.aio.open(path) as log:
            first, second = log.consumer("t", **EARLIEST), log.consumer("t", **EARLIEST)
            async with first, second:
                while not (await first.assignment() and await second.assignment()):
                    await asyncio.gather(first.poll(0.01, 1), second.poll(0.01, 1))
                owned = await first.assignment(), await second.assignment()
                assert {len(part) for part in owned} == {2}
                assert owned[0] | owned[1] == {TopicPartition("t", n) for n in range(4)}
                # A member that leaves gives its part to the other, which goes on at the commits.
                for consumer in (first, second):
                    await consumer.commit(dict.fromkeys(await consumer.assignment(), 90))
                await second.close()
                while len(await first.assignment()) < 4:
                    await first.poll(0.01, 1)
                seen = {TopicPartition("t", n): await first.committed("t", n) for n in range(4)}
                assert set(seen.values()) == {90}

    run(main())


def test_iterations_of_several_members_get_each_record_once(path, run):
    async def main():
        seen = []
        async with logflume.aio.open(path) as log:
            consumers = [log.consumer("t", **EARLIEST) for _ in range(3)]

            async def work(consumer):
                async for record in consumer:
                    seen.append((record.partition, record.offset))
                    await consumer.commit(wait=False)
                    if len(set(seen)) == 400:
                        for other in consumers:
                            other.end()

            await asyncio.gather(*map(work, consumers))
        assert sorted(set(seen)) == [(number, i) for number in range(4) for i in range(100)]
        assert len(seen) == 400

    run(main())


@pytest.mark.parametrize("kind", ["functions", "coroutines"])
def test_listeners_are_called_in_the_loop(path, run, kind):
    async def main():
        told = []

        def note(what):
            def function(partitions):
                asyncio.get_running_loop()
                told.append((what, sorted(place.partition for place in partitions)))

            async def coroutine(partitions):
                await asyncio.sleep(0.001)
                function(partitions)

            return function if kind == "functions" else coroutine

        async with logflume.aio.open(path) as log:
            consumer = log.consumer(**EARLIEST)
            await consumer.subscribe("t", on_assigned=note("assigned"), on_revoked=note("revoked"))
            assert await consumer.poll(timeout=60)
            assert told == [("assigned", [0, 1, 2, 3])]
            await consumer.close()
            assert told[1:] == [("revoked", [0, 1, 2, 3])]

    run(main())


def test_a_listener_may_commit_and_ask_and_seek(path, run):
    async def main():
        log = await logflume.aio.open(path)
        first = log.consumer(**EARLIEST)
        second = log.consumer("t", **EARLIEST)
        taken = []

        async def on_assigned(partitions):
            assert set(partitions) <= await first.assignment()
            for place in partitions:
                await first.seek(place, offset=50)

        async def on_revoked(partitions):
            positions = {place: await first.position(place) for place in partitions}
            await first.commit(positions)
            assert await first.committed(partitions[0]) == positions[partitions[0]]
            await first.commit()
            taken.append(positions)

        await first.subscribe("t", on_assigned=on_assigned, on_revoked=on_revoked)
        seen = []
        await take(first, 40, seen)
        assert min(offset for _, offset in seen) == 50
        while not await second.assignment():
            await asyncio.gather(first.poll(0.01, 1), second.poll(0.01, 1))
        assert len(taken) == 1
        assert len(taken[0]) == 2
        for place, position in taken[0].items():
            assert await second.committed(place) == position >= 50
        await log.close()

    run(main())


def test_a_listener_that_fails_comes_out_of_the_poll(path, run):
    async def main():
        async with logflume.aio.open(path) as log:
            consumer = log.consumer(**EARLIEST)

            async def fail(_):
                raise ZeroDivisionError

            await consumer.subscribe("t", on_assigned=fail)
            with pytest.raises(ZeroDivisionError):
                await consumer.poll(timeout=60)
            assert await consumer.poll(timeout=60)

    run(main())


def test_a_listeners_own_tasks_wait_for_their_turn(path, run):
    async def main():
        async with logflume.aio.open(path) as log:
            consumer = log.consumer(**EARLIEST)
            started = []

            def on_assigned(_):
                started.append(asyncio.ensure_future(later()))

            async def later():
                await asyncio.sleep(0.05)
                return await consumer.position("t", 0)

            await consumer.subscribe("t", on_assigned=on_assigned)
            assert await consumer.poll(timeout=60, max_records=1)
            assert await started[0] in (0, 1)

    run(main())


def test_cancelling_polls_while_partitions_move_loses_nothing(path, run):
    async def main():
        seen = []
        async with logflume.aio.open(path) as log:
            first = await log.consumer("t", **STORING)

            async def read(consumer):
                while True:
                    records = await consumer.poll(timeout=60, max_records=3)
                    seen.extend((record.partition, record.offset) for record in records)

            for _ in range(12):
                second = await log.consumer("t", **STORING)
                for _ in range(4):
                    readers = [asyncio.create_task(read(c)) for c in (first, second)]
                    await asyncio.sleep(0.003)
                    for reader in readers:
                        reader.cancel()
                    await asyncio.wait(readers)
                await second.close()
            while len(set(seen)) < 400:
                await take(first, 1, seen)
        assert len(seen) == len(set(seen)) == 400

    run(main())


def test_a_cancelled_commit_is_made_all_the_same(path, run):
    async def main():
        async with logflume.aio.open(path) as log:
            consumer = log.consumer(**EARLIEST)
            await consumer.assign([("t", 0)])
            commit = asyncio.create_task(consumer.commit({("t", 0): OffsetAndMetadata(7, "note")}))
            await asyncio.sleep(0)
            commit.cancel()
            with pytest.raises(asyncio.CancelledError):
                await commit
            assert await consumer.committed("t", 0) in (7, None)
            await consumer.commit({("t", 0): 8})
            assert await consumer.committed("t", 0) == 8

    run(main())


def test_commits_and_iteration_in_two_tasks(path, run):
    async def main():
        async with logflume.aio.open(path) as log:
            consumer = await log.consumer("t", **EARLIEST)
            count = 0

            async def commit():
                while True:
                    await consumer.commit()
                    await asyncio.sleep(0)

            committing = asyncio.create_task(commit())
            async for _ in consumer:
                count += 1
                if count % 10 == 0:
                    await asyncio.sleep(0)
                if count == 400:
                    break
            committing.cancel()
            await asyncio.wait([committing])
            await consumer.commit()
            assert [await consumer.committed("t", n) for n in range(4)] == [100] * 4

    run(main())


def test_without_a_group_there_is_nothing_to_commit(path, run):
    async def main():
        async with logflume.aio.open(path) as log, log.consumer("t") as consumer:
            with pytest.raises(errors.InvalidGroup):
                await consumer.commit()
            with pytest.raises(errors.InvalidGroup):
                await consumer.committed("t", 0)

    run(main())
