"""The requests of one connection that are being served: begun in their order, answered in their order.

A connection serves one request after the other, as Kafka does; only handlers that say so (produce) let the next one
begin while their answer is awaited.
"""

from __future__ import annotations

import asyncio
from collections import deque

from logflume._native.frames import FrameFault
from logflume.broker.answers import Unanswerable, begin, unsupported
from logflume.broker.api_keys import ApiKey
from logflume.broker.dispatch import Later, Pipelined
from logflume.observe import get_logger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from typing_extensions import Buffer

    from logflume._native.frames import Frame
    from logflume.broker.connection import Connection
    from logflume.broker.dispatch import Handler
    from logflume.broker.faults import Fault

__all__ = ["Pipeline", "Slot"]

_log = get_logger(__name__)

# Requests whose answers one connection may have open; further ones wait in the socket.
OPEN_MAX = 128
_SIZE_BYTES = 4  # in front of a frame
_FETCH = int(ApiKey.FETCH)


class Slot:
    """A request whose answer is not written yet. Answers leave in the order of the slots."""

    __slots__ = (
        "api_key",
        "began",
        "cancellable",
        "parts",
        "pipeline",
        "pipelined",
        "ready",
        "version",
        "waits_for",
    )

    def __init__(self, pipeline: Pipeline, frame: Frame, handler: Handler | None) -> None:
        self.pipeline = pipeline
        self.api_key = -1 if handler is None else frame.api_key  # -1: none that is served
        self.version = frame.version
        self.began = pipeline.broker.loop.time()
        self.cancellable = handler is not None and handler.cancellable
        self.parts: Sequence[Buffer] | None = None
        self.ready = False
        self.pipelined = False  # others are begun while this one is awaited
        self.waits_for: asyncio.Future[Sequence[Buffer] | None] | Later | None = None

    def take(self, parts: Sequence[Buffer] | None) -> None:
        """The answer of a `Later`."""
        self.waits_for = None
        self.pipeline.came(self, parts)


class Pipeline:
    """Of one connection, in whose event loop it lives."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.broker = connection.broker
        self._slots: deque[Slot] = deque()
        self._blocked = False  # the last request begun has to be answered before the next is begun
        self._fetched: Later | None = (
            None  # the last fetch that had to wait, if the next one repeats it
        )

    def __len__(self) -> int:
        return len(self._slots)

    @property
    def may_begin(self) -> bool:
        """Whether the next request may be begun now."""
        return not self._blocked and len(self._slots) < OPEN_MAX

    @property
    def busy(self) -> bool:
        """Something is open that will be carried through."""
        return any(slot.waits_for is not None and not slot.cancellable for slot in self._slots)

    def abandon(self) -> None:
        """Stop what only waits."""
        if self._fetched is not None:
            self._fetched.cancel()
            self._fetched = None
        for slot in self._slots:
            if slot.cancellable and slot.waits_for is not None:
                slot.waits_for.cancel()
        if self._slots and self._slots[-1].cancellable:
            self._blocked = False  # by nobody but the last that was begun

    def give_up(self) -> None:
        """Stop everything."""
        for slot in self._slots:
            if slot.waits_for is not None:
                slot.waits_for.cancel()

    # ---- beginning

    def begin(self, frame: Frame) -> None:
        """Begin the next request; a bad one closes the connection."""
        broker, client = self.broker, self._connection
        handler = broker.handlers.get(frame.api_key)
        broker.meters.bytes_in += len(frame) + _SIZE_BYTES
        slot = Slot(self, frame, handler)
        self._slots.append(slot)
        try:
            answer: Any
            fault = broker.faults.take(frame.api_key)
            if fault is not None:
                answer = asyncio.ensure_future(self._faulty(fault, handler, frame))
            elif handler is None or not handler.lowest <= frame.version <= handler.highest:
                answer = unsupported(client, frame)
            elif frame.api_key == _FETCH:
                answer = self._fetch(handler, frame)
            else:
                answer = begin(client, handler, frame)
        except (Unanswerable, FrameFault) as refused:
            client.close(
                "bad_request", api_key=frame.api_key, version=frame.version, reason=refused
            )
            return
        except Exception as error:
            # A fault of ours: this client loses its connection, the others nothing.
            _log.error("handler_failed", error=error, api_key=frame.api_key, version=frame.version)
            client.close("handler_failed")
            return
        self._answered(slot, answer)

    def _fetch(self, handler: Handler, frame: Frame) -> Any:
        """A consumer that waits asks for the same again and again."""
        last, self._fetched = self._fetched, None
        if last is not None:
            answer = last.again(frame)
            if answer is not None:
                return answer
            last.cancel()
        return begin(self._connection, handler, frame)

    async def _faulty(self, fault: Fault, handler: Handler | None, frame: Frame) -> Any:
        """A request that a test wants to go wrong."""
        await asyncio.sleep(fault.delay_s)
        answer: Any = None
        if handler is not None and not fault.unserved:
            answer = begin(self._connection, handler, frame)
            if isinstance(answer, Later):
                answer = answer.as_future(self.broker.loop)
            if isinstance(answer, asyncio.Future):
                answer = await answer
        if fault.drop:
            self._connection.close("fault", api_key=frame.api_key)
        return answer

    # ---- answering

    def _answered(self, slot: Slot, answer: Any) -> None:
        """With the answer's bytes, or with something that will have them."""
        if isinstance(answer, Later):
            self._blocked = True
            slot.waits_for = self._fetched = answer
            answer.taker = slot.take
            return
        if isinstance(answer, Pipelined):
            answer = answer.answer
            slot.pipelined = True
        elif isinstance(answer, asyncio.Future):
            self._blocked = True
        else:
            slot.parts, slot.ready = answer, True
            self._flush()
            return
        slot.waits_for = answer
        answer.add_done_callback(lambda done: self._done(slot, done))

    def _done(self, slot: Slot, future: asyncio.Future[Any]) -> None:
        slot.waits_for = None
        self._take(slot, future)
        if self._connection.closed and not self.busy:
            self.broker.finished(self._connection)

    def _take(self, slot: Slot, future: asyncio.Future[Any]) -> None:
        if future.cancelled():
            return
        error = future.exception()
        if error is None:
            self.came(slot, future.result())
        elif isinstance(error, Unanswerable):
            self._connection.close(
                "bad_request", api_key=slot.api_key, version=slot.version, reason=error
            )
        else:
            _log.error("handler_failed", error=error, api_key=slot.api_key, version=slot.version)
            self._connection.close("handler_failed")

    def came(self, slot: Slot, answer: Any) -> None:
        """What was waited for; it may be a Pipelined."""
        if not slot.pipelined:
            self._blocked = False
        self._answered(slot, answer)
        self._connection.work()

    def _flush(self) -> None:
        """Write the answers whose turn it is."""
        slots = self._slots
        out: list[Any] = []  # any buffers: what typeshed asks for is narrower than what is taken
        now = self.broker.loop.time()
        meters = self.broker.meters
        while slots and slots[0].ready:
            slot = slots.popleft()
            if slot.api_key >= 0:
                meters.seconds[slot.api_key].observe(now - slot.began)
            if slot.parts is not None:
                out.extend(slot.parts)
        if out and not self._connection.closed:
            meters.bytes_out += sum(map(len, out))
            self._connection.write(out, now)
