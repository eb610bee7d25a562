"""Transactions: all or nothing, offsets among them, fencing."""

from __future__ import annotations

import asyncio
import time

import pytest

import logflume
from contract.conftest import drain
from logflume import errors


def committed(log, topic, **options):
    return log.consumer(
        topic, auto_offset_reset="earliest", isolation_level="read_committed", **options
    )


def test_what_is_committed_is_seen_and_what_is_aborted_is_not(log, name):
    log.create_topic(name, partitions=2)
    with log.producer(transactional_id=f"id-{name}") as producer:
        with producer.transaction():
            producer.send(name, b"a", partition=0)
            producer.send_many(name, [b"b", b"c"], partition=1)
        taken_back = producer.transaction()
        producer.send(name, b"never", partition=0)
        taken_back.abort()
        transaction = producer.transaction()
        producer.send(name, b"d", partition=0)
        assert transaction.is_open
        transaction.commit()
        assert not transaction.is_open
    with committed(log, name) as consumer:
        seen = drain(consumer, 4)
        assert sorted(r.value for r in seen) == [b"a", b"b", b"c", b"d"]
        deadline = time.monotonic() + 60
        while any(consumer.lag().values()):  # markers are behind the last records
            assert consumer.poll(0.3) == []
            assert time.monotonic() < deadline


def test_an_open_transaction_holds_committed_readers_up(log, name):
    log.create_topic(name)
    with log.producer(transactional_id=f"id-{name}") as producer, log.producer() as plain:
        transaction = producer.transaction()
        producer.send(name, b"open").result(60)
        plain.send(name, b"plain").result(60)
        with committed(log, name) as consumer:
            assert consumer.poll(0.5) == []
            transaction.commit()
            assert [r.value for r in drain(consumer, 2)] == [b"open", b"plain"]


def test_offsets_are_part_of_a_transaction(log, name):
    log.create_topic(f"{name}-in", partitions=1)
    log.create_topic(f"{name}-out", partitions=1)
    with log.producer() as producer:
        producer.send_many(f"{name}-in", [b"%d" % i for i in range(20)])
    options = {"group": f"g-{name}", "enable_auto_commit": False}
    with (
        log.producer(transactional_id=f"id-{name}") as producer,
        committed(log, f"{name}-in", **options) as consumer,
    ):
        for fails in (True, False):
            records = drain(consumer, 20)
            try:
                with producer.transaction():
                    for record in records:
                        producer.send(f"{name}-out", record.value)
                    producer.send_offsets(consumer)
                    if fails:
                        raise RuntimeError
            except RuntimeError:
                assert consumer.committed(f"{name}-in", 0) is None
                consumer.seek(f"{name}-in", 0, 0)
        assert consumer.committed(f"{name}-in", 0) == 20
        transaction = producer.transaction()
        with (
            log.consumer(f"{name}-in", enable_auto_commit=False) as alone,
            pytest.raises(errors.InvalidGroup),
        ):
            producer.send_offsets(alone)
        transaction.abort()
    with committed(log, f"{name}-out") as reader:
        assert [r.value for r in drain(reader, 20)] == [b"%d" % i for i in range(20)]
        assert reader.poll(0.3) == []


def test_a_second_producer_fences_the_first(log, name):
    log.create_topic(name)
    first = log.producer(transactional_id=f"id-{name}")
    transaction = first.transaction()
    first.send(name, b"of the first").result(60)
    with log.producer(transactional_id=f"id-{name}") as second:
        with second.transaction():
            second.send(name, b"of the second")
        first.send(name, b"late")
        with pytest.raises(errors.LogflumeError) as caught:
            transaction.commit()
        assert caught.value.code in (47, 90, -1)
    with committed(log, name) as consumer:
        assert [r.value for r in drain(consumer, 1)] == [b"of the second"]
        assert consumer.poll(0.3) == []
    try:
        first.close()
    except errors.LogflumeError:
        pass  # what it could not send is said here, too


def test_what_does_not_fit(log, name):
    log.create_topic(name)
    with log.producer() as plain, pytest.raises(errors.InvalidTxnState):
        plain.transaction()
    with log.producer(transactional_id=f"id-{name}") as producer:
        with pytest.raises(errors.InvalidTxnState):
            producer.send(name, b"outside")
        transaction = producer.transaction()
        with pytest.raises(errors.InvalidTxnState):
            producer.transaction()
        transaction.abort()
        with pytest.raises(errors.InvalidTxnState):
            transaction.commit()
    with pytest.raises(errors.InvalidConfig):
        log.producer(transactional_id="x", acks=1)


def test_awaited(address, name):
    async def main():
        async with logflume.aio.open(address) as log:
            await log.create_topic(name)
            async with log.producer(transactional_id=f"id-{name}") as producer:
                async with producer.transaction():
                    await producer.send(name, b"a")
                taken_back = await producer.transaction()
                producer.send(name, b"never")
                await taken_back.abort()
            async with log.consumer(
                name, auto_offset_reset="earliest", isolation_level="read_committed"
            ) as consumer:
                assert [r.value for r in await consumer.poll(20)] == [b"a"]
                assert await consumer.poll(0.3) == []

    asyncio.run(asyncio.wait_for(main(), 60))
