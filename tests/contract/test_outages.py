"""A cluster that is away: calls wait with a deadline and say what is wrong; nothing is a BufferError."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

import logflume
from logflume import errors
from support import kafka_peer

pytestmark = [pytest.mark.peers, pytest.mark.timeout(240)]


class Stoppable:
    """A broker whose process can be halted: connections stay, nobody answers."""

    def __init__(self, where: Path) -> None:
        self._where = where
        self._broker = kafka_peer.Broker(where)
        self.address = f"kafka://{self._broker.up()}"
        self._pid = int((where / "node1" / "pid").read_text().split()[0])
        assert json.loads((where / "cluster.json").read_text())["nodes"]

    def halt(self) -> None:
        """Back when no thread of it runs any more: an answer on its way would be one too many."""
        os.kill(self._pid, signal.SIGSTOP)
        tasks = Path(f"/proc/{self._pid}/task")
        while any("\nState:\tT" not in (t / "status").read_text() for t in tasks.iterdir()):
            time.sleep(0.005)

    def go_on(self) -> None:
        os.kill(self._pid, signal.SIGCONT)

    def down(self) -> None:
        self.go_on()
        self._broker.down(wipe=True)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stoppable]:
    kafka_peer.script()
    pytest.importorskip("confluent_kafka")
    started = Stoppable(tmp_path_factory.mktemp("stoppable"))
    try:
        yield started
    finally:
        started.down()


@pytest.fixture
def log(broker: Stoppable, name: str) -> Iterator[logflume.Log]:
    with logflume.open(broker.address) as opened:
        opened.create_topic(name, partitions=2)
        try:
            yield opened
        finally:
            broker.go_on()


VALUE = bytes(10_000)


def test_a_full_buffer_blocks_up_to_its_deadline_and_goes_on_later(broker, log, name):
    with log.producer(buffer_memory=1 << 20, max_block_ms=1500, linger_ms=0) as producer:
        producer.send(name, VALUE).result(60)
        broker.halt()
        sent = []
        started = time.monotonic()

        def send_on() -> None:
            while time.monotonic() < started + 60:
                sent.append(producer.send(name, VALUE))

        with pytest.raises(errors.Timeout) as caught:
            send_on()
        assert 1.0 < time.monotonic() - started < 30
        assert "buffer.memory" in str(caught.value)
        assert 50 < len(sent) < 300
        started = time.monotonic()
        with pytest.raises(errors.Timeout):
            producer.send_many(name, [VALUE] * 500)
        assert time.monotonic() - started < 90
        broker.go_on()
        for delivery in sent:
            assert delivery.result(60).topic == name
        assert producer.send_many(name, [VALUE] * 500) == 500


def test_an_event_loop_is_not_stopped_by_a_full_buffer(broker, log, name):
    async def main() -> None:
        async with (
            logflume.aio.open(broker.address) as own,
            own.producer(buffer_memory=1 << 20, max_block_ms=1500, linger_ms=0) as producer,
        ):
            await producer.send(name, VALUE)
            broker.halt()
            ticks, longest = 0, 0.0
            sent = []
            before = time.monotonic()
            for _ in range(300):
                sent.append(producer.send(name, VALUE))
                await asyncio.sleep(0.005)
                now = time.monotonic()
                longest, before, ticks = max(longest, now - before), now, ticks + 1
            assert longest < 1.0
            late = asyncio.gather(*sent, return_exceptions=True)
            await asyncio.sleep(2.5)
            broker.go_on()
            answers = await asyncio.wait_for(late, 90)
        failed = [a for a in answers if isinstance(a, BaseException)]
        assert failed
        assert all(isinstance(a, errors.Timeout) for a in failed)
        assert len(failed) < 300

    asyncio.run(asyncio.wait_for(main(), 120))


def test_a_record_fails_after_its_delivery_timeout(broker, log, name):
    with log.producer(delivery_timeout_ms=2000, request_timeout_ms=1000, linger_ms=0) as producer:
        producer.send(name, b"x").result(60)
        broker.halt()
        started = time.monotonic()
        with pytest.raises(errors.Timeout):
            producer.send(name, b"y").result(60)
        assert time.monotonic() - started < 30
        with pytest.raises(errors.Timeout):
            producer.send(name, b"z").result(0.2)
        broker.go_on()
        with suppress(errors.Timeout):  # it may have been too late for "z"
            producer.close()


def test_calls_end_by_their_deadline_with_the_cause(broker, log, name):
    with logflume.open(broker.address, default_api_timeout_ms=4000) as short:
        assert name in short.topics()
        broker.halt()
        for call in (
            short.topics,
            lambda: short.partition(name, 0).end_offset,
            lambda: short.describe_topic(name),
        ):
            started = time.monotonic()
            with pytest.raises((errors.Timeout, errors.ClusterUnreachable)):
                call()
            assert time.monotonic() - started < 30
        with (
            short.consumer(auto_offset_reset="latest", default_api_timeout_ms=3000) as consumer,
            pytest.raises((errors.Timeout, errors.ClusterUnreachable)),
        ):
            consumer.assign([(name, 0)])
        broker.go_on()
        assert name in short.topics()


def test_nobody_there_is_said_with_the_address():
    with (
        logflume.open("kafka://127.0.0.1:1", default_api_timeout_ms=3000) as nowhere,
        pytest.raises(errors.ClusterUnreachable) as caught,
    ):
        nowhere.topics()
    assert "127.0.0.1:1" in str(caught.value)
    with (
        logflume.open("kafka://no-such-host.invalid", default_api_timeout_ms=3000) as nowhere,
        pytest.raises(errors.ClusterUnreachable) as caught,
    ):
        nowhere.topics()
    assert "no-such-host.invalid" in str(caught.value)


def test_unknown_topics_and_records_too_large(log, name):
    with log.producer() as producer, pytest.raises(errors.UnknownTopicOrPartition):
        producer.send("no-such-topic", b"x")
    with pytest.raises(errors.UnknownTopicOrPartition):
        log.consumer("no-such-topic", group="g")
    with (
        log.producer(max_request_size=5000) as producer,
        pytest.raises(errors.RecordTooLarge) as caught,
    ):
        producer.send(name, VALUE)
    assert caught.value.limit == 5000
    log.alter_topic(name, config={"max.message.bytes": 2000})
    with log.producer() as producer, pytest.raises(errors.RecordTooLarge) as caught:
        producer.send(name, os.urandom(10_000)).result(60)
    assert "max.message.bytes" in str(caught.value)
