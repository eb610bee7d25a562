"""What a type checker says of a user's program: `mypy --strict` runs over it, nobody else does."""

from __future__ import annotations

from typing import assert_type

import numpy as np
import numpy.typing as npt

import logflume
from logflume import errors
from logflume.client.scan import Scan
from logflume.client.table import JSON, TEXT, Table
from logflume.client.topic import Topic
from logflume.client.transactions import Transaction


def produce(log: logflume.Log) -> None:
    assert_type(log.create_topic("t", partitions=4, config={"retention.ms": "7d"}), Topic)
    with log.producer(acks="all", linger_ms=5) as producer:
        assert_type(producer, logflume.Producer)
        delivery = producer.send("t", b"v", key=memoryview(b"k"), headers=[("h", None)])
        assert_type(delivery, logflume.Delivery)
        assert_type(delivery.result(timeout=1.0), logflume.RecordMetadata)
        assert_type(delivery.result().offset, int)
        assert_type(producer.send_many("t", [b"a", None]), int)
        with producer.transaction() as transaction:
            assert_type(transaction, Transaction)


def consume(log: logflume.Log) -> None:
    with log.consumer("t", group="g", auto_offset_reset="earliest") as consumer:
        assert_type(consumer, logflume.Consumer)
        assert_type(consumer.poll(timeout=1.0), list[logflume.Record])
        for record in consumer:
            assert_type(record, logflume.Record)
            assert_type(record.value, bytes | None)
            assert_type(record.headers, list[tuple[str, bytes | None]])
        batch = consumer.poll_batch()
        if batch is not None:
            assert_type(batch, logflume.RecordBatch)
            assert_type(batch.offsets, npt.NDArray[np.int64])
            assert_type(batch[0], logflume.Record)
        assert_type(consumer.committed("t", 0), int | None)
        assert_type(consumer.assignment(), set[logflume.TopicPartition])
    with log.queue("t", group="workers") as queue:
        assert_type(queue, logflume.Queue)
        assert_type(queue.poll(), list[logflume.QueueRecord])


def look(log: logflume.Log) -> None:
    partition = log.partition("t", 0)
    assert_type(partition, logflume.Partition)
    assert_type(partition.append(b"v"), int)
    assert_type(partition.read(0), logflume.Record)
    assert_type(partition.lookup([1, 2]), logflume.RecordBatch)
    assert_type(log["t"].scan(["value"]), Scan)
    assert_type(log.table("t"), Table[bytes, bytes])
    assert_type(log.table("t", key_serde=TEXT), Table[str, bytes])
    assert_type(log.table("t", key_serde=TEXT)["k"], bytes)
    log.table("t", key_serde=TEXT, value_serde=JSON).put("k", {"a": 1})
    try:
        log.create_topic("t")
    except errors.TopicExists as error:
        assert_type(error.topic, str)


async def asynchronously() -> None:
    async with logflume.aio.open("data") as log:
        async with log.producer() as producer:
            assert_type(await producer.send("t", b"v"), logflume.RecordMetadata)
        async with log.consumer("t", group="g") as consumer:
            async for record in consumer:
                assert_type(record, logflume.Record)
            assert_type(await consumer.poll(timeout=1.0), list[logflume.Record])


def slips(log: logflume.Log) -> None:
    """What has to be refused: an ignore that is not needed is an error."""
    log.producer().send("t", "text")  # type: ignore[arg-type]
    log.partition("t", 0).read("0")  # type: ignore[arg-type]
    log.topcs()  # type: ignore[attr-defined]
