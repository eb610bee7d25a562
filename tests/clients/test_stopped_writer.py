"""An embedded program that is stopped in the middle of an append holds up those who write there, and nobody else."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

import logflume
from logflume.broker import ThreadedBroker, serve
from logflume.broker.api_keys import ApiKey
from logflume.coordinator.offsets_schema import partition_for
from model.batch_twin import Record, encode_batch
from support.held_locks import held_writer_lock
from support.kafka_wire import Wire as BatchWire
from support.wire import Wire

REQUEST_TIMED_OUT = 7
COORDINATOR_NOT_AVAILABLE = 15
# The loop was blocked for lock.timeout.ms at each request.
LOCK_TIMEOUT_MS = 100_000
PROMPT_S = 30.0


@pytest.fixture
def log(tmp_path: Path) -> Iterator[logflume.Log]:
    with logflume.open(tmp_path / "data", lock_timeout_ms=LOCK_TIMEOUT_MS) as opened:
        opened.create_topic("held")
        opened.create_topic("free")
        for name in ("held", "free"):
            opened.partition(name, 0).append(b"first")
        yield opened


def producer(broker: ThreadedBroker, **config: object) -> Producer:
    return Producer(
        {"bootstrap.servers": broker.bootstrap, "log_level": 0, "linger.ms": 0, **config}
    )


def round_trips(broker: ThreadedBroker, topic: str, count: int, **config: object) -> float:
    """Seconds for so many records, one after the other."""
    client = producer(broker, **config)
    started = time.monotonic()
    for number in range(count):
        client.produce(topic, b"%d" % number, partition=0)
        assert client.flush(60) == 0
    return time.monotonic() - started


@pytest.mark.parametrize(
    "config", [{"acks": 1}, {"enable.idempotence": True}], ids=["plain", "idempotent"]
)
def test_others_go_on_while_a_writer_is_stopped(
    log: logflume.Log, broker: ThreadedBroker, tmp_path: Path, config: dict[str, object]
) -> None:
    with held_writer_lock(tmp_path / "data", "held") as held:
        waiting = producer(broker, **config)
        delivered: list[int] = []
        for number in range(3):
            waiting.produce(
                "held",
                b"%d" % number,
                partition=0,
                on_delivery=lambda e, m: delivered.append(m.offset()),
            )
        waiting.poll(0.5)
        assert round_trips(broker, "free", 20, **config) < PROMPT_S
        reader = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "g"})
        try:
            # What is there already can be read, also where nobody can write.
            reader.assign([TopicPartition("held", 0, 0), TopicPartition("free", 0, 0)])
            started = time.monotonic()
            seen = {m.topic() for m in reader.consume(22, timeout=PROMPT_S)}
            assert seen == {"held", "free"}
            assert time.monotonic() - started < PROMPT_S
        finally:
            reader.close()
        assert delivered == []
        held.go_on()
        assert waiting.flush(60) == 0
    values = [r.value for r in log.partition("held", 0).read_batch(0)]
    assert values == [b"first", b"of the stopped", b"0", b"1", b"2"]
    assert delivered == [2, 3, 4]


def test_a_writer_that_dies_while_it_is_stopped_is_cleared_away(
    log: logflume.Log, broker: ThreadedBroker, tmp_path: Path
) -> None:
    with held_writer_lock(tmp_path / "data", "held"):
        waiting = producer(broker)
        waiting.produce("held", b"later", partition=0)
        waiting.poll(0.3)
    assert waiting.flush(60) == 0
    assert [r.value for r in log.partition("held", 0).read_batch(0)] == [b"first", b"later"]


def test_who_waits_too_long_is_told_to_try_again(tmp_path: Path) -> None:
    with serve(tmp_path / "data", lock_timeout_ms=300) as broker:
        # Made by the broker, whose directory's lock.timeout.ms counts.
        assert round_trips(broker, "held", 1) < PROMPT_S
        wire = BatchWire(broker.bootstrap)
        batch = encode_batch([Record(value=b"x", timestamp=1)])
        try:
            with held_writer_lock(tmp_path / "data", "held") as held:
                started = time.monotonic()
                assert wire.produce("held", 0, batch)[0] == REQUEST_TIMED_OUT
                assert 0.3 < time.monotonic() - started < PROMPT_S
                held.go_on()
                while (told := wire.produce("held", 0, batch))[0] == REQUEST_TIMED_OUT:
                    pass  # it goes on when the machine lets it
                assert told == (0, 2)
        finally:
            wire.close()


def test_a_group_whose_log_is_held_is_told_to_try_again_and_others_go_on(
    log: logflume.Log, broker: ThreadedBroker, tmp_path: Path
) -> None:
    group = next(name for name in map(str, range(100)) if partition_for(name, 4) == 0)
    with Wire(broker.bootstrap) as wire:
        assert commit(wire, group) == 0
        assert log.directory.partition("__consumer_offsets", 0).end_offset == 1
        with held_writer_lock(tmp_path / "data", "__consumer_offsets") as held:
            started = time.monotonic()
            for _ in range(50):
                assert commit(wire, group) == COORDINATOR_NOT_AVAILABLE
            assert round_trips(broker, "free", 10) < PROMPT_S
            assert time.monotonic() - started < 2 * PROMPT_S
            held.go_on()
        assert commit(wire, group) == 0


def commit(wire: Wire, group: str) -> int:
    topic = {
        "name": "free",
        "partitions": [{"partition_index": 0, "committed_offset": 1, "committed_metadata": ""}],
    }
    answer = wire.ask(
        ApiKey.OFFSET_COMMIT,
        8,
        group_id=group,
        member_id="",
        generation_id_or_member_epoch=-1,
        topics=[topic],
    )
    code: int = answer.topics[0].partitions[0].error_code
    return code
