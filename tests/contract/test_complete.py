"""Every public name, on both engines: it works, or UnsupportedByEngine says what to use instead.

A name that is not in these tables fails: whoever adds one says here what it is on a cluster.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

import logflume
from logflume import aio, errors
from logflume._native.batches import encode_batch
from logflume._native.delivery import Delivery
from logflume._native.partition_reader import PartitionReader
from logflume.client.topic import Topic
from logflume.client.transactions import Transaction

UNSUPPORTED = True  # on a cluster
INNER = None  # for rooms of logflume itself; used by all the others


def on_directory_only(call: Callable[..., Any]) -> tuple[Callable[..., Any], bool]:
    return call, UNSUPPORTED


LOG = {
    "alter_topic": lambda log, t: log.alter_topic(t, config={"retention.ms": 5_000_000}),
    "changelog": on_directory_only(lambda log, t: log.changelog(t, 0)),
    "close": lambda log, t: None,  # each test does
    "closed": lambda log, t: log.closed,
    "compact": on_directory_only(lambda log, t: log.compact()),
    "consumer": lambda log, t: log.consumer(t).close(),
    "create_topic": lambda log, t: log.create_topic(t, exist_ok=True),
    "delete_records": lambda log, t: log.delete_records({(t, 0): 1}),
    "delete_topic": lambda log, t: log.delete_topic(log.create_topic(f"{t}-2").name),
    "describe_topic": lambda log, t: (log.describe_topic(t).partitions, log[t].topic_id),
    "directory": on_directory_only(lambda log, t: log.directory),
    "engine": lambda log, t: log.engine,
    "forget_producer": INNER,
    "maintenance": on_directory_only(lambda log, t: log.maintenance()),
    "partition": lambda log, t: log.partition(t, 0),
    "path": lambda log, t: log.path,
    "producer": lambda log, t: log.producer().close(),
    "publish_open_batches": lambda log, t: log.publish_open_batches(),
    "queue": lambda log, t: log.queue(t, group=f"q-{t}").close(),
    "recovery": lambda log, t: log.recovery(),
    "start_maintenance": on_directory_only(lambda log, t: log.start_maintenance(60).stop()),
    "table": on_directory_only(lambda log, t: log.table(t).close()),
    "topics": lambda log, t: log.topics(internal=True),
    "transaction": on_directory_only(
        lambda log, t: log.transaction(sqlite=sqlite3.connect(":memory:"))
    ),
    "transactions": on_directory_only(lambda log, t: log.transactions.list()),
}

TOPIC = {
    "config": lambda topic: topic.config.retention_ms,
    "name": lambda topic: topic.name,
    "scan": on_directory_only(lambda topic: topic.scan()),
    "topic_id": lambda topic: topic.topic_id,
}

BATCH = encode_batch([(b"x", b"k", None, 1_700_000_000_000)])

PARTITION = {
    "aborted": on_directory_only(lambda p: p.aborted(0, 1)),
    "append": lambda p: p.append(b"x", key=b"k", headers=[("h", None)], timestamp=5),
    "append_at": on_directory_only(lambda p: p.append_at(BATCH, p.end_offset)),
    "append_batches": on_directory_only(lambda p: p.append_batches(BATCH)),
    "append_many": lambda p: p.append_many([b"x"], [b"k"], [5], [None]),
    "append_raw": on_directory_only(lambda p: p.append_raw(BATCH)),
    "batches": on_directory_only(lambda p: list(p.batches())),
    "close": lambda p: None,  # last of all
    "closed": lambda p: p.closed,
    "configure": INNER,
    "delete_old_segments": on_directory_only(lambda p: p.delete_old_segments()),
    "durable_offset": lambda p: p.durable_offset,
    "end_offset": lambda p: p.end_offset,
    "expire": on_directory_only(lambda p: p.expire(0, 1 << 50, -1)),
    "gone": lambda p: p.gone,
    "last_stable_offset": lambda p: p.last_stable_offset,
    "lookup": lambda p: p.lookup([0]),
    "mark_deleted": INNER,
    "offset_for_time": lambda p: p.offset_for_time(0),
    "open_transactions": on_directory_only(lambda p: p.open_transactions()),
    "partition": lambda p: p.partition,
    "path": on_directory_only(lambda p: p.path),
    "producer": on_directory_only(lambda p: p.producer(0)),
    "producers": on_directory_only(lambda p: p.producers()),
    "read": lambda p: p.read(0),
    "read_batch": lambda p: p.read_batch(0, 5, 100, read_committed=True),
    "reader": lambda p: p.reader(0, read_committed=True).read(),
    "recovery": on_directory_only(lambda p: p.recovery),
    "reopen_after_fork": INNER,
    "roll": on_directory_only(lambda p: p.roll()),
    "segments": on_directory_only(lambda p: p.segments()),
    "set_start_offset": lambda p: p.set_start_offset(0),
    "start_offset": lambda p: p.start_offset,
    "sync": lambda p: p.sync(),
    "topic": lambda p: p.topic,
    "trim": on_directory_only(lambda p: p.trim()),
    "wait": lambda p: p.wait(0, 5, read_committed=True),
}

READER = {
    "log": lambda r: r.log,
    "next_batch": on_directory_only(lambda r: r.next_batch()),
    "position": lambda r: r.position,
    "read": lambda r: r.read(1, 1),
    "read_committed": lambda r: r.read_committed,
    "seek": lambda r: r.seek(0),
    "seek_batch": on_directory_only(lambda r: r.seek_batch(0)),
    "seek_to_time": lambda r: r.seek_to_time(0),
}

PRODUCER = {
    "abandon": INNER,
    "close": lambda p, t: None,  # last of all
    "config": lambda p, t: p.config,
    "flush": lambda p, t: p.flush(),
    "partitions_for": lambda p, t: p.partitions_for(t),
    "publish": lambda p, t: p.publish(),
    "send": lambda p, t: p.send(t, b"x", key=b"k", headers=[("h", b"v")], timestamp=5),
    "send_many": lambda p, t: p.send_many(t, [b"x"], keys=[b"k"], timestamps=[5]),
    "send_offsets": lambda p, t: None,  # of transactions, tried below
    "transaction": lambda p, t: None,
}

DELIVERY = {
    "add_done_callback": lambda d: d.add_done_callback(print_nothing),
    "cancel": lambda d: d.cancel(),
    "cancelled": lambda d: d.cancelled(),
    "done": lambda d: d.done(),
    "exception": lambda d: d.exception(),
    "get_loop": INNER,
    "offset": lambda d: d.offset,
    "remove_done_callback": lambda d: d.remove_done_callback(print_nothing),
    "result": lambda d: d.result(60),
}

CONSUMER = {
    "abandon": INNER,
    "assign": lambda c, t: c.assign([(t, 0), (t, 1)]),
    "assignment": lambda c, t: c.assignment(),
    "beginning_offsets": lambda c, t: c.beginning_offsets([(t, 0)]),
    "close": lambda c, t: None,  # last of all
    "closed": lambda c, t: c.closed,
    "commit": lambda c, t: c.commit(),
    "committed": lambda c, t: c.committed(t, 0),
    "committed_entry": lambda c, t: c.committed_entry(t, 0),
    "config": lambda c, t: c.config,
    "due": INNER,
    "end_offsets": lambda c, t: c.end_offsets([(t, 0)]),
    "group": lambda c, t: c.group,
    "group_position": INNER,
    "in_group": lambda c, t: c.in_group,
    "lag": lambda c, t: c.lag(),
    "next_round": INNER,
    "offsets_for_times": lambda c, t: c.offsets_for_times({(t, 0): 0}),
    "offsets_to_send": on_directory_only(lambda c, t: c.offsets_to_send()),
    "pause": lambda c, t: c.pause((t, 0)),
    "paused": lambda c, t: c.paused(),
    "poll": lambda c, t: c.poll(0.1, max_records=1),
    "poll_batch": lambda c, t: c.poll_batch(0.1, max_records=1),
    "position": lambda c, t: c.position(t, 0),
    "positions": lambda c, t: c.positions(),
    "readers": INNER,
    "records": INNER,
    "resume": lambda c, t: c.resume((t, 0)),
    "seek": lambda c, t: c.seek(t, 0, 0),
    "seek_to_beginning": lambda c, t: c.seek_to_beginning(),
    "seek_to_end": lambda c, t: c.seek_to_end((t, 0)),
    "seek_to_time": lambda c, t: c.seek_to_time(0),
    "subscribe": lambda c, t: c.subscribe(t),
    "subscription": lambda c, t: c.subscription(),
    "unsubscribe": lambda c, t: c.unsubscribe(),
    "wakeup": lambda c, t: c.wakeup(),
}

QUEUE = {
    "abandon": INNER,
    "accept": lambda q, t: q.accept(delivered(q)),
    "close": lambda q, t: None,  # last of all
    "closed": lambda q, t: q.closed,
    "commit": lambda q, t: q.commit(),
    "config": lambda q, t: q.config,
    "group": lambda q, t: q.group,
    "is_joining": INNER,
    "hand_out": INNER,
    "next_round": INNER,
    "poll": lambda q, t: q.poll(0.1, max_records=1),
    "readers": INNER,
    "reject": lambda q, t: q.reject(delivered(q)),
    "release": lambda q, t: q.release(delivered(q)),
    "renew": on_directory_only(lambda q, t: q.renew(delivered(q))),
    "topics": lambda q, t: q.topics(),
    "wakeup": lambda q, t: q.wakeup(),
}


def delivered(queue: logflume.Queue) -> logflume.QueueRecord:
    return queue.poll(60.0, max_records=1)[0]


def print_nothing(_: object) -> None:
    """A callback."""


def public(thing: object) -> set[str]:
    return {name for name in dir(thing) if not name.startswith("_")}


def try_all(table: dict[str, Any], remote: bool, *arguments: Any) -> None:
    for name, entry in table.items():
        if entry is INNER:
            continue
        call, directory_only = entry if isinstance(entry, tuple) else (entry, False)
        if remote and directory_only:
            with pytest.raises(errors.UnsupportedByEngine) as caught:
                call(*arguments)
            assert caught.value.instead, name
            assert caught.value.what
        else:
            try:
                call(*arguments)
            except errors.UnsupportedByEngine as error:
                raise AssertionError(f"{name}: {error}") from error


@pytest.mark.parametrize(
    ("kind", "table"),
    [
        (logflume.Log, LOG),
        (Topic, TOPIC),
        (logflume.Partition, PARTITION),
        (PartitionReader, READER),
        (logflume.Producer, PRODUCER),
        (Delivery, DELIVERY),
        (logflume.Consumer, CONSUMER),
        (logflume.Queue, QUEUE),
    ],
)
def test_every_public_name_is_in_its_table(kind, table):
    on_instances = {"config", "group", "name"}  # set by __init__
    assert public(kind) == set(table) - (on_instances - public(kind))


def test_log_and_topic(log, name):
    log.create_topic(name, partitions=2)
    log.partition(name, 0).append_many([b"1", b"2"])
    remote = log.engine.is_remote
    tried = dict(LOG)
    if not remote:
        del tried["transaction"]  # needs a database in a file: tests/unit has it
    try_all(tried, remote, log, name)
    try_all(TOPIC, remote, log[name])
    assert [p.partition for p in log[name]] == [0, 1]


def test_partition_and_reader(log, name):
    log.create_topic(name, partitions=2)
    partition = log.partition(name, 0)
    partition.append_many([b"1", b"2"])
    remote = log.engine.is_remote
    try_all(PARTITION, remote, partition)
    with pytest.raises(AttributeError):
        _ = partition.no_such_name
    for entry in READER.items():
        try_all(dict([entry]), remote, partition.reader(0))
    partition.close()


def test_producer_and_consumer(log, name):
    log.create_topic(name, partitions=2)
    remote = log.engine.is_remote
    with log.producer() as producer:
        try_all(PRODUCER, remote, producer, name)
        for entry in DELIVERY.items():
            delivery = producer.send(name, b"y")
            delivery.result(60)
            try_all(dict([entry]), remote, delivery)
    for entry in CONSUMER.items():
        options = {"group": f"g-{name}", "enable_auto_commit": False}
        with log.consumer(auto_offset_reset="earliest", **options) as consumer:
            consumer.assign([(name, 0), (name, 1)])
            consumer.pause((name, 1))
            try_all(dict([entry]), remote, consumer, name)


def test_queue(log, name):
    log.create_topic(name)
    log.partition(name, 0).append_many([b"x"] * len(QUEUE))
    for entry in QUEUE.items():
        with log.queue(name, group=f"q-{name}", share_auto_offset_reset="earliest") as queue:
            try_all(dict([entry]), log.engine.is_remote, queue, name)


def test_transaction(log, name):
    log.create_topic(name)
    names = {"abort", "commit", "commit_decided", "is_open", "send_offsets", "transactional_id"}
    assert public(Transaction) == names
    with (
        log.producer(transactional_id=f"id-{name}") as producer,
        log.consumer(name, group=f"g-{name}", enable_auto_commit=False) as consumer,
    ):
        consumer.poll(10)
        transaction = producer.transaction()
        assert transaction.is_open
        assert transaction.transactional_id == f"id-{name}"
        producer.send_offsets(consumer, {(name, 0): 0})
        transaction.send_offsets(consumer, {(name, 0): 0})
        transaction.commit()
        producer.transaction().abort()


def test_what_is_awaited_is_what_the_same_name_does(address, name):
    """Each name of logflume.aio is one of the synchronous classes, or its own and used by test_aio."""
    own = {"blocking", "end", "send_offsets_to"}
    sync = {
        aio.Log: LOG,
        aio.Topic: TOPIC,
        aio.Partition: PARTITION,
        aio.Producer: PRODUCER,
        aio.Consumer: CONSUMER,
        aio.Queue: QUEUE,
        aio.Transaction: dict.fromkeys(public(Transaction)),
    }
    for kind, table in sync.items():
        assert public(kind) - set(table) <= own, kind

    async def tried(log: aio.Log) -> None:
        await log.create_topic(name, partitions=2)
        arguments: dict[str, tuple[Any, ...]] = {
            "alter_topic": (name,),
            "create_topic": (f"{name}-3",),
            "delete_records": ({(name, 0): 0},),
            "delete_topic": (f"{name}-3",),
            "describe_topic": (name,),
        }
        for each in ("create_topic", "alter_topic", "describe_topic", "delete_topic", "topics"):
            await getattr(log, each)(*arguments.get(each, ()))
        await log.delete_records({(name, 0): 0})
        await log.recovery()
        if "kafka://" in log.path:
            with pytest.raises(errors.UnsupportedByEngine):
                await log.maintenance()
        else:
            await log.maintenance()
        partition = log.partition(name, 0)
        await partition.append(b"x")
        await partition.append_many([b"x"])
        await partition.sync()
        assert await partition.wait(0, 5)
        await partition.read(0)
        await partition.read_batch(0)
        await partition.lookup([0])
        await partition.offset_for_time(0)
        assert partition.start_offset == 0
        assert partition.end_offset == partition.durable_offset == 2
        async with log.producer() as producer:
            await producer.send(name, b"x")
            await producer.send_many(name, [b"x"])
            await producer.partitions_for(name)
            producer.publish()
            await producer.flush()
        async with log.consumer(group=f"g-{name}", enable_auto_commit=False) as consumer:
            await consumer.assign([(name, 0)])
            for each in ("assignment", "lag", "paused", "subscription", "commit"):
                await getattr(consumer, each)()
            place = (name, 0)
            await consumer.beginning_offsets([place])
            await consumer.end_offsets([place])
            await consumer.offsets_for_times({place: 0})
            for each in ("pause", "resume", "seek_to_beginning", "seek_to_end"):
                await getattr(consumer, each)(place)
            await consumer.seek_to_time(0, place)
            await consumer.seek(name, 0, 0)
            await consumer.position(name, 0)
            await consumer.committed(name, 0)
            await consumer.committed_entry(name, 0)
            await consumer.poll(5)
            await consumer.poll_batch(0.1)
            await consumer.unsubscribe()
            await consumer.subscribe(name)

    async def main() -> None:
        async with aio.open(address) as log:
            await tried(log)

    asyncio.run(asyncio.wait_for(main(), 100))
