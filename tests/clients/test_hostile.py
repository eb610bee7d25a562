"""Strangers who mean no good, or are broken: they lose their connection, and nobody else anything."""

from __future__ import annotations

import asyncio
import gc
import random
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import pytest
from confluent_kafka import Producer

import logflume
from logflume._native.fetch import FetchRequest
from logflume._native.frames import Frame, FrameFault, FrameMemory, FrameReader
from logflume._native.produce import ProduceRequest
from logflume.broker import ThreadedBroker, threaded
from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import table
from support.any_requests import damage, draw, frame

HANDLERS = sorted(table().values(), key=lambda handler: handler.api_key)
ANSWER_S = (
    60.0  # a broken request may have become a long poll, a join or a disk's work: but never more
)


@contextmanager
def connected(broker: ThreadedBroker, timeout: float = ANSWER_S) -> Iterator[socket.socket]:
    host, _, port = broker.bootstrap.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=timeout) as opened:
        yield opened


def answer(connection: socket.socket) -> bytes | None:
    """One response without its size; None when the broker closed the connection."""
    data = b""
    try:
        while len(data) < 4 or len(data) < 4 + struct.unpack(">i", data[:4])[0]:
            more = connection.recv(65536)
            if not more:
                return None
            data += more
    except ConnectionError:
        return None
    return data[4:]


def works(broker: ThreadedBroker) -> bool:
    """A well-behaved client is served as ever."""
    client = Producer({"bootstrap.servers": broker.bootstrap, "log_level": 0})
    client.produce("fine", b"x")
    return bool(client.flush(60) == 0)


@pytest.mark.parametrize("seed", range(5))
def test_noise_costs_the_connection_and_nothing_else(broker: ThreadedBroker, seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(40):
        with connected(broker) as stranger:
            try:
                stranger.sendall(rng.randbytes(rng.choice((1, 3, 4, 20, 500, 100_000))))
                stranger.shutdown(socket.SHUT_WR)
            except ConnectionError:
                continue
            answer(stranger)
    assert works(broker)


@pytest.mark.parametrize("handler", HANDLERS, ids=lambda handler: handler.api_key.name)
def test_damaged_requests_of_every_version_are_answered_or_close_the_connection(
    broker: ThreadedBroker, log: logflume.Log, handler: object
) -> None:
    log.create_topic("t", partitions=2)
    assert isinstance(handler, type(HANDLERS[0]))
    rng = random.Random(int(handler.api_key))
    for version in range(handler.lowest, handler.highest + 1):
        for attempt in range(6):
            body = draw(rng, handler.api_key, version)
            if attempt:
                body = damage(rng, body)
            if handler.api_key == ApiKey.FETCH:
                body = b"\0\0\0\0" * 2 + body[8:]  # a long poll would be right, and long
            with connected(broker, timeout=5.0) as stranger:
                stranger.sendall(frame(handler.api_key, version, body))
                stranger.shutdown(socket.SHUT_WR)
                try:
                    answer(stranger)
                except TimeoutError:
                    pytest.fail(f"{handler.api_key.name} v{version}: {body!r}")
    assert works(broker)


@pytest.mark.parametrize(
    "start",
    [
        struct.pack(">i", -1),
        struct.pack(">i", 0),
        struct.pack(">i", 9) + b"x" * 9,
        struct.pack(">i", 0x7FFFFFFF),
        struct.pack(">ihhih", 10, 999, 0, 1, -1),  # no such API
        struct.pack(">ihhih", 10, 3, 99, 1, -1),  # no such version
        struct.pack(">ihhih", 10, 3, 1, 1, 500),  # a name beyond the frame
        frame(ApiKey.METADATA, 12, b"\xff\xff\xff\xff\x07"),  # 2 thousand million topics
        frame(ApiKey.METADATA, 1, b"\x7f\xff\xff\xff"),
        frame(ApiKey.FETCH, 12, b"\0" * 25 + b"\xff\xff\xff\xff\x0f"),
        frame(ApiKey.METADATA, 1, b"\0\0\0\0" + b"\0" * (9 << 20)),  # too much for what it is
    ],
    ids=range(11),
)
def test_what_cannot_be_closes_the_connection(broker: ThreadedBroker, start: bytes) -> None:
    with connected(broker) as stranger:
        try:
            stranger.sendall(start)
        except ConnectionError:
            return
        assert answer(stranger) is None
    assert works(broker)


def test_an_unknown_version_of_api_versions_is_told_the_known_ones(broker: ThreadedBroker) -> None:
    with connected(broker) as newer:
        newer.sendall(frame(ApiKey.API_VERSIONS, 77, b"\x05xyz\0"))
        told = answer(newer)
        assert told is not None
        assert told == struct.pack(">ihihhh", 1, 35, 1, ApiKey.API_VERSIONS, 0, 4)
        newer.sendall(frame(ApiKey.API_VERSIONS, 0, b""))  # and may go on
        assert answer(newer) is not None


def test_answers_come_in_the_order_of_the_requests(broker: ThreadedBroker) -> None:
    with connected(broker) as client:
        asked = [frame(ApiKey.API_VERSIONS, 0, b"", correlation_id=i) for i in range(300)]
        client.sendall(b"".join(asked))
        got = []
        while len(got) < 300:
            size = struct.unpack(">i", client.recv(4, socket.MSG_WAITALL))[0]
            got.append(struct.unpack(">i", client.recv(size, socket.MSG_WAITALL)[:4])[0])
    assert got == list(range(300))


def test_a_frame_that_never_ends_is_given_up(log: logflume.Log) -> None:
    with logflume.serve(log, request_read_timeout_ms=300) as broker, connected(broker) as slow:
        slow.sendall(struct.pack(">i", 1000) + b"x" * 10)
        start = time.monotonic()
        assert answer(slow) is None
        assert 0.2 < time.monotonic() - start < 25  # by default it would be 30
        assert works(broker)


def test_idle_connections_are_closed_and_busy_ones_are_not(log: logflume.Log) -> None:
    with (
        logflume.serve(log, connections_max_idle_ms=2500) as broker,
        connected(broker) as idle,
        connected(broker) as busy,
    ):
        for _ in range(30):
            busy.sendall(frame(ApiKey.API_VERSIONS, 0, b""))
            assert answer(busy) is not None
            time.sleep(0.1)
        assert answer(idle) is None


def test_there_are_only_so_many_connections(log: logflume.Log) -> None:
    with logflume.serve(log, max_connections=3) as broker:
        with connected(broker), connected(broker), connected(broker) as third:
            third.sendall(frame(ApiKey.API_VERSIONS, 0, b""))
            assert answer(third) is not None
            with connected(broker) as fourth:
                assert answer(fourth) is None
        deadline = time.monotonic() + 60
        while broker.broker.connections and time.monotonic() < deadline:
            time.sleep(0.01)
        assert works(broker)


def test_a_client_that_takes_no_answers_is_not_answered_without_end(
    broker: ThreadedBroker, log: logflume.Log
) -> None:
    log.create_topic("t")
    log.partition("t", 0).append_many([b"x" * 1000] * 2000)
    part = struct.pack(">iqi", 0, 0, 1 << 30)
    body = struct.pack(">iiiibih", -1, 0, 0, 1 << 30, 0, 1, 1) + b"t" + struct.pack(">i", 1) + part
    with connected(broker) as greedy:
        greedy.settimeout(1.0)
        sent = 0
        try:
            while sent < 5000:
                greedy.sendall(frame(ApiKey.FETCH, 4, body))
                sent += 1
        except TimeoutError:
            pass
        # 2 MB each: all that was sent would be gigabytes. It stopped reading long before.
        (connection,) = broker.broker._connections
        assert connection.transport is not None
        assert connection.transport.get_write_buffer_size() < 64 << 20
        assert works(broker)


def test_a_client_that_never_takes_its_answers_is_put_out(log: logflume.Log) -> None:
    log.create_topic("t")
    log.partition("t", 0).append_many([b"x" * 1000] * 20_000)
    part = struct.pack(">iqi", 0, 0, 1 << 30)
    body = struct.pack(">iiiibih", -1, 0, 0, 1 << 30, 0, 1, 1) + b"t" + struct.pack(">i", 1) + part
    with logflume.serve(log, connections_max_idle_ms=500) as broker, connected(broker) as greedy:
        greedy.sendall(frame(ApiKey.FETCH, 4, body) * 20)  # 20 MB each
        deadline = time.monotonic() + 60
        while not broker.broker.connections and time.monotonic() < deadline:
            time.sleep(0.01)
        while broker.broker.connections and time.monotonic() < deadline:
            time.sleep(0.05)
        assert broker.broker.connections == 0
        assert works(broker)


def test_many_slow_clients_hold_up_nobody(broker: ThreadedBroker) -> None:
    """Each drips the bytes of a frame; a client that knows what it wants is served meanwhile."""
    with ExitStack() as crowd:
        slow = [crowd.enter_context(connected(broker)) for _ in range(100)]
        for turn in range(5):
            for one in slow:
                one.sendall(struct.pack(">i", 1000)[turn : turn + 1] or b"x")
            start = time.monotonic()
            with connected(broker) as quick:
                quick.sendall(frame(ApiKey.API_VERSIONS, 0, b""))
                assert answer(quick) is not None
            assert time.monotonic() - start < 25  # before any of the others is given up


def test_memory_of_requests_is_bounded_for_all_together(log: logflume.Log) -> None:
    with logflume.serve(log, queued_max_request_bytes=1 << 20) as broker:
        with ExitStack() as strangers:
            for _ in range(8):
                stranger = strangers.enter_context(connected(broker))
                stranger.sendall(struct.pack(">i", 600_000) + b"\0" * 100)
            time.sleep(0.3)
            assert broker.broker.frame_memory.held <= 1 << 20
        assert works(broker)


@pytest.mark.parametrize("loop", [threaded.new_event_loop, asyncio.new_event_loop])
def test_who_comes_while_the_broker_closes_is_closed_too(
    log: logflume.Log, monkeypatch: pytest.MonkeyPatch, loop: Callable[[], Any]
) -> None:
    monkeypatch.setattr(threaded, "new_event_loop", loop)
    for _ in range(10):
        with ExitStack() as crowd:
            with logflume.serve(log) as broker:
                strangers = [crowd.enter_context(connected(broker)) for _ in range(20)]
            assert broker.broker.connections == 0
            for stranger in strangers:
                with suppress(ConnectionResetError):
                    assert stranger.recv(1) == b""
    gc.collect()  # what was left open would be a ResourceWarning, which is an error


def one_frame(api_key: int, version: int, body: bytes) -> Frame:
    made = FrameReader(FrameMemory(), 1 << 30).feed(frame(api_key, version, body))[0]
    made.open(version >= (9 if api_key == ApiKey.PRODUCE else 12))
    return made


@pytest.mark.parametrize("version", range(3, 14))
def test_damaged_produce_requests_parse_or_are_refused(version: int) -> None:
    rng = random.Random(version)
    taken = 0
    for _ in range(1500):
        body = draw(rng, ApiKey.PRODUCE, version)
        whole = ProduceRequest(one_frame(ApiKey.PRODUCE, version, body))
        for i in range(len(whole)):
            whole.refuse(i, 3, "ä" * 2000)
        assert whole.response()
        try:
            broken = ProduceRequest(one_frame(ApiKey.PRODUCE, version, damage(rng, body)))
        except FrameFault:
            continue
        taken += 1
        for i in range(len(broken)):
            assert broken.topic(i) is not None
            broken.index(i)
        assert broken.response()
    assert taken


@pytest.mark.parametrize("version", range(4, 19))
def test_damaged_fetch_requests_parse_or_are_refused(version: int) -> None:
    rng = random.Random(version)
    taken = 0
    for _ in range(1500):
        body = draw(rng, ApiKey.FETCH, version)
        whole = FetchRequest(one_frame(ApiKey.FETCH, version, body))
        assert all(part.key for part in whole.parts)
        try:
            broken = FetchRequest(one_frame(ApiKey.FETCH, version, damage(rng, body)))
        except FrameFault:
            continue
        taken += 1
        assert len(broken.parts) < 10_000
    assert taken
