"""What is done with damaged requests. Each target raises where something happens that must not."""

from __future__ import annotations

import asyncio
import struct
import tempfile
from typing import Any

from fuzz.requests import Corpus
from logflume._native.fetch import FetchRequest
from logflume._native.frames import Frame, FrameFault, FrameMemory, FrameReader
from logflume._native.produce import ProduceRequest
from logflume.broker import connection as connections
from logflume.broker import pipeline as pipelines
from logflume.broker.api_keys import ApiKey, is_flexible
from logflume.broker.connection import Connection
from logflume.broker.dispatch import table
from logflume.broker.messages import MalformedRequest, decode_request
from logflume.broker.server import Broker
from logflume.coordinator.transactions.directory import TransactionalDirectory

__all__ = ["TARGETS"]

HANDLERS = table()
LIMIT = 1 << 20


class Frames:
    """A stream of frames, damaged and cut anywhere, as it comes out of a socket."""

    def __init__(self, seed: int) -> None:
        self._corpus = Corpus(seed, HANDLERS.values(), each=2)
        self._memory = FrameMemory(limit=4 * LIMIT)
        self._reader = FrameReader(self._memory, LIMIT)

    def __call__(self) -> None:
        data = self._corpus.damaged(sizes_too=True)
        try:
            for frame in self._reader.feed(data):
                assert 10 <= len(frame) <= LIMIT
                frame.open(is_flexible(frame.api_key, frame.version))
        except FrameFault:
            self._reader = FrameReader(self._memory, LIMIT)
        assert self._memory.held <= 4 * LIMIT


class _Parsed:
    """Whole frames, one at a time, in memory of exactly their size."""

    keys: tuple[ApiKey, ...]

    def __init__(self, seed: int) -> None:
        self._corpus = Corpus(seed, [HANDLERS[key] for key in self.keys], each=40)
        self._memory = FrameMemory(limit=4 * LIMIT)

    def __call__(self) -> None:
        try:
            (frame,) = FrameReader(self._memory, LIMIT).feed(self._corpus.damaged())
            handler = HANDLERS.get(frame.api_key)
            if handler is None or not handler.lowest <= frame.version <= handler.highest:
                return
            frame.open(is_flexible(frame.api_key, frame.version))
            self.take(frame)
        except (FrameFault, MalformedRequest):
            pass

    def take(self, frame: Frame) -> None:
        raise NotImplementedError


class Produce(_Parsed):
    """Produce requests: parsed, looked at, answered."""

    keys = (ApiKey.PRODUCE,)

    def take(self, frame: Frame) -> None:
        if frame.api_key != ApiKey.PRODUCE:
            return
        request = ProduceRequest(frame)
        for i in range(len(request)):
            request.topic(i)
            request.index(i)
            request.producer(i)
            request.refuse(i, 3, "no")
        size = struct.unpack(">i", request.response()[:4])[0]
        assert size > 0


class Fetch(_Parsed):
    """Fetch requests."""

    keys = (ApiKey.FETCH,)

    def take(self, frame: Frame) -> None:
        if frame.api_key == ApiKey.FETCH:
            request = FetchRequest(frame)
            assert len(request.parts) * 16 <= len(frame)


class Messages(_Parsed):
    """All other requests: walked by their shape, then decoded by kio."""

    keys = tuple(key for key, handler in HANDLERS.items() if not handler.raw)  # type: ignore[assignment]

    def take(self, frame: Frame) -> None:
        if not HANDLERS[frame.api_key].raw:
            decode_request(frame.api_key, frame.version, frame)


class _Socket(asyncio.Transport):
    """A client that takes everything and says nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.answers = 0
        self.gone = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)}.get(name, default)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...

    def writelines(self, parts: Any) -> None:
        data = b"".join(parts)
        while data:
            size = struct.unpack(">i", data[:4])[0]
            assert 4 <= size <= len(data) - 4, "an answer whose size is wrong"
            data = data[4 + size :]
            self.answers += 1

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def is_closing(self) -> bool:
        return self.gone

    def abort(self) -> None:
        self.gone = True

    close = abort


class _Log:
    """Keeps what a connection calls a fault of ours."""

    def __init__(self, faults: list[Any]) -> None:
        self._faults = faults

    def info(self, event: str, **fields: Any) -> None: ...

    def warning(self, event: str, **fields: Any) -> None: ...

    def error(self, event: str, **fields: Any) -> None:
        self._faults.append((event, fields))


class Served:
    """Every request carried out by a broker of its own: no fault of ours, whatever comes."""

    def __init__(self, seed: int) -> None:
        keys = set(HANDLERS) - {ApiKey.JOIN_GROUP, ApiKey.SYNC_GROUP}  # they wait
        self._corpus = Corpus(seed, [HANDLERS[key] for key in sorted(keys)], each=4)
        self._place = tempfile.TemporaryDirectory(prefix="logflume-fuzz-", dir="/dev/shm")
        self._loop = asyncio.new_event_loop()
        self._directory = TransactionalDirectory(self._place.name)
        self._directory.create_topic("t", partitions=2)
        self._broker = Broker(
            self._directory,
            "127.0.0.1:0",
            {
                "group_min_session_timeout_ms": 1,
                "acl_enable": True,
                "super_users": "User:ANONYMOUS",
            },
        )
        self._loop.run_until_complete(self._broker.start())
        self._faults: list[Any] = []
        self._waiting: list[bytes] = []
        self._clients: list[tuple[Connection, bytes]] = []
        for module in (connections, pipelines):
            module._log = _Log(self._faults)  # type: ignore[assignment]

    def __call__(self) -> None:
        self._waiting.append(bytes(self._corpus.damaged()))
        if len(self._waiting) == 32:
            self._loop.run_until_complete(self._serve())
            if self._faults:
                raise AssertionError(f"{self._faults}: {self._waiting!r}")
            self._waiting.clear()

    async def _serve(self) -> None:
        self._clients = [(self._connect(data), data) for data in self._waiting]
        await self._settle()

    def _connect(self, data: bytes) -> Connection:
        host = "/127.0.0.1"
        assert not self._broker.may_connect(host, 0)
        client = Connection(self._broker, self._broker.listeners[0], host)
        client.connection_made(_Socket())
        view = memoryview(client.get_buffer(-1))
        for start in range(0, len(data), len(view)):
            part = data[start : start + len(view)]
            view[: len(part)] = part
            client.buffer_updated(len(part))
        return client

    async def _settle(self) -> None:
        # What waits by intention (a long poll) is let go by the client's end.
        for _ in range(20):
            if all(client.idle or client.closed for client, _ in self._clients):
                break
            await asyncio.sleep(0.001)
        for client, _ in self._clients:
            client.connection_lost(None)
        for _ in range(2000):
            if not any(client.busy for client, _ in self._clients):
                return
            await asyncio.sleep(0.005)
        raise AssertionError(f"never ends: {[data for c, data in self._clients if c.busy]!r}")

    def close(self) -> None:
        self._loop.run_until_complete(self._broker.stop())
        self._directory.close()
        self._loop.close()
        self._place.cleanup()


TARGETS: dict[str, Any] = {
    "frames": Frames,
    "produce": Produce,
    "fetch": Fetch,
    "messages": Messages,
    "served": Served,
}
