"""The same, awaited."""

from __future__ import annotations

import asyncio

import pytest

import logflume.aio
from logflume import errors
from support.committed import values


def test_commit_abort_and_offsets(tmp_path) -> None:
    async def main() -> None:
        async with logflume.aio.open(tmp_path) as log:
            await log.create_topic("in")
            await log.create_topic("out", partitions=2)
            async with log.producer() as plain:
                await plain.send_many("in", [b"%d" % n for n in range(10)])
            consumer = log.consumer(
                "in", group="g", auto_offset_reset="earliest", enable_auto_commit=False
            )
            reader = log.consumer(
                "out", isolation_level="read_committed", auto_offset_reset="earliest"
            )
            async with consumer, reader, log.producer(transactional_id="x") as producer:
                async with producer.transaction() as transaction:
                    for record in await consumer.poll(5.0, 4):
                        producer.send("out", record.value, partition=record.offset % 2)
                    await transaction.send_offsets(consumer)
                    assert await reader.poll(0.05) == []
                    assert transaction.is_open
                assert sorted(r.value for r in await reader.poll(5.0)) == [b"0", b"1", b"2", b"3"]
                assert await consumer.committed("in", 0) == 4
                with pytest.raises(ZeroDivisionError):  # noqa: PT012
                    async with producer.transaction():
                        await producer.send("out", b"no")
                        raise ZeroDivisionError
                unbegun = producer.transaction()
                with pytest.raises(errors.InvalidTxnState, match="not begun"):
                    await unbegun.commit()
                transaction = await producer.transaction()
                await producer.send("out", b"last", partition=0)
                waiting = asyncio.ensure_future(reader.poll(10.0))
                await asyncio.sleep(0.05)
                assert not waiting.done()
                await transaction.commit()
                assert [r.value for r in await waiting] == [b"last"]
            sync = log.blocking
            assert len(await asyncio.to_thread(values, sync, "out")) == 5

    asyncio.run(main())
