"""A connection without a socket: what only happens between two turns of the event loop."""

from __future__ import annotations

import asyncio
import gc
import struct
from pathlib import Path
from unittest.mock import Mock

import pytest

import logflume
from logflume.broker.api_keys import ApiKey
from logflume.broker.connection import Connection
from logflume.broker.server import Broker
from model.batch_twin import Record, encode_batch
from support.any_requests import frame

PART = struct.pack(">iqi", 0, 0, 1 << 20)
FETCH = struct.pack(">iiiibih", -1, 500, 1, 1 << 20, 0, 1, 1) + b"t" + struct.pack(">i", 1) + PART
PRODUCE = (
    struct.pack(">hhii", -1, 1, 1000, 1) + struct.pack(">h", 1) + b"t" + struct.pack(">ii", 1, 0)
)


def come(server: Broker, data: bytes) -> Connection:
    """A client that has sent this."""
    assert not server.may_connect("/127.0.0.1", 0)
    client = Connection(server, server.listeners[0], "/127.0.0.1")
    client.connection_made(Mock(asyncio.Transport, get_extra_info=lambda *_: None))
    memoryview(client.get_buffer(-1))[: len(data)] = data
    client.buffer_updated(len(data))
    return client


@pytest.mark.parametrize("times", [1, 3])
def test_a_request_of_a_client_that_is_gone_at_once_is_let_go(tmp_path: Path, times: int) -> None:
    """Its coroutine had not begun yet: Python says so on standard error when nobody closes it."""

    async def come_and_go(server: Broker) -> None:
        client = come(server, frame(ApiKey.FETCH, 4, FETCH) * times)
        client.connection_lost(None)
        await asyncio.sleep(0)
        assert not client.busy
        assert server.connections == 0

    with logflume.serve(tmp_path / "data") as broker:
        asyncio.run_coroutine_threadsafe(come_and_go(broker.broker), broker._loop).result(60)
    gc.collect()


def test_what_a_client_that_is_gone_has_written_is_there_when_the_broker_has_stopped(
    tmp_path: Path,
) -> None:
    batch = encode_batch([Record(value=b"x", timestamp=1)])
    data = frame(ApiKey.PRODUCE, 3, PRODUCE + struct.pack(">i", len(batch)) + batch) * 3

    async def come_and_go(server: Broker) -> None:
        client = come(server, data)
        client.connection_lost(None)
        assert client.busy  # the partition is being opened

    with logflume.open(tmp_path / "data") as log:
        log.create_topic("t", partitions=1)
    with logflume.serve(tmp_path / "data") as broker:
        asyncio.run_coroutine_threadsafe(come_and_go(broker.broker), broker._loop).result(60)
    with logflume.open(tmp_path / "data") as log:
        assert log.partition("t", 0).end_offset == 3


def test_what_came_of_a_frame_is_let_go_with_its_client(tmp_path: Path) -> None:
    """It counts against the memory of all, and a garbage collection may be far."""

    async def come_and_go(server: Broker) -> list[Connection]:
        half = come(server, struct.pack(">i", 600_000) + b"x" * 100)
        other = come(server, struct.pack(">i", 600_000) + b"x" * 100)  # waits for memory
        assert server.frame_memory.held > 600_000
        half.connection_lost(None)
        assert server.frame_memory.held == 0
        await asyncio.sleep(0.01)
        assert server.frame_memory.held > 600_000  # the other's turn
        return [half, other]

    with logflume.serve(tmp_path / "data", queued_max_request_bytes=1 << 20) as broker:
        job = asyncio.run_coroutine_threadsafe(come_and_go(broker.broker), broker._loop)
        clients = job.result(60)
    for client in clients:
        client._memory_came()  # the event loop is closed
