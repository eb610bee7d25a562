"""One client's connection: frames in, and who it is; what it asks is served by its pipeline.

While the client does not take its answers, or its frames hold too much memory, nothing more is read from it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import cast

from logflume._native.frames import FrameFault, FrameReader
from logflume.broker.pipeline import OPEN_MAX, Pipeline
from logflume.broker.security.login import ANONYMOUS
from logflume.broker.security.tls import principal_of
from logflume.observe import get_logger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume._native.frames import Frame
    from logflume.broker.listener import Address, Listener
    from logflume.broker.security.login import Login
    from logflume.broker.server import Broker

__all__ = ["Connection"]

_log = get_logger(__name__)

# So many are begun in one go, so that a client who sends many small ones does not keep the others waiting.
_TURN_MAX = 32
_WRITE_HIGH = 1 << 20


class Connection(asyncio.BufferedProtocol):
    """Belongs to the broker's event loop."""

    def __init__(self, broker: Broker, listener: Listener, client_host: str) -> None:
        self.broker = broker
        self.listener = listener
        self.client_host = client_host  # "/1.2.3.4"
        self.principal = ANONYMOUS
        self.transport: asyncio.Transport | None = None
        self._reached: tuple[str, int] | None = None
        self.logged_in = not listener.uses_sasl
        self.login: Login | None = None  # under way
        self.mechanism = ""  # of the last login
        self.login_mechanism = ""
        self.login_ends = 0.0  # by the loop's time; 0: never
        self._login_timer: asyncio.TimerHandle | None = None
        if self.logged_in:
            self._reader = FrameReader(broker.frame_memory, broker.frame_bytes_max)
        else:
            self._reader = FrameReader(broker.login_memory, broker.login_frame_bytes_max)
        self._frames: deque[Frame] = deque()
        self._pipeline = Pipeline(self)
        self._writable = True
        self._reading = True
        self._scheduled = False
        self._muted: asyncio.TimerHandle | None = None  # it is beyond its quota
        self._leaving = False  # no further request is begun
        self._frame_timer: asyncio.TimerHandle | None = None
        self.last_used = broker.loop.time()
        self.closed = False

    # ---- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Join the broker's connections, or leave again when it stops."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=_WRITE_HIGH)
        reached = transport.get_extra_info("sockname")
        self._reached = reached[:2] if isinstance(reached, tuple) else None
        self.principal = principal_of(transport.get_extra_info("peercert")) or ANONYMOUS
        if not self.broker.join(self):
            self.close("stopping")
        elif not self.logged_in:
            self._login_timer = self.broker.loop.call_later(
                self.broker.login_timeout_s, self.close, "login_too_slow"
            )

    # ---- who it is

    @property
    def is_known(self) -> bool:
        """Whether it may ask for more than what comes before a login."""
        return self.logged_in and not 0 < self.login_ends < self.broker.loop.time()

    def welcome(self, principal: str, mechanism: str) -> None:
        """The login succeeded: the limits for strangers no longer hold."""
        self.principal, self.mechanism = principal, mechanism
        self.logged_in, self.login = True, None
        self._reader.count_with(self.broker.frame_memory, self.broker.frame_bytes_max)
        if self._login_timer is not None:
            self._login_timer.cancel()
            self._login_timer = None
        lifetime_ms = self.broker.config.connections_max_reauth_ms
        self.login_ends = self.broker.loop.time() + lifetime_ms / 1000 if lifetime_ms else 0.0

    def mute(self, seconds: float) -> None:
        """Begin nothing more for so long: what is asked waits in the socket."""
        if self._muted is not None:
            self._muted.cancel()
        self._muted = self.broker.loop.call_later(seconds, self._unmute)

    def _unmute(self) -> None:
        self._muted = None
        self.last_used = self.broker.loop.time()  # it was silent because it had to
        self.work()

    def close_after_answer(self) -> None:
        """Serve nothing more; close when what is being answered was written."""
        self._leaving = True
        self._frames.clear()

    def connection_lost(self, error: Exception | None) -> None:
        """Carry through what was asked (a producer that waits for no answer may be gone at once), tell nobody."""
        self.closed = True
        self._cancel_timers()
        self._reader.close()
        self._frames = deque(frame for frame in self._frames if not self._is_cancellable(frame))
        self._pipeline.abandon()
        self._writable = True
        self.work()
        self.broker.forget(self)

    def get_buffer(self, sizehint: int) -> Any:
        """The reader itself, which has the buffer protocol; asyncio's TLS wants to slice it."""
        return memoryview(self._reader) if self.listener.uses_tls else self._reader

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes came."""
        try:
            frames = self._reader.received(nbytes)
        except FrameFault as fault:
            self.close("bad_frame", reason=str(fault))
            return
        self._arrived(frames)

    def eof_received(self) -> bool:
        """The client sends no more; what it asked is answered no more either, as in Kafka."""
        return False

    def pause_writing(self) -> None:
        """The client is slower than its answers."""
        self._writable = False
        self._regulate()

    def resume_writing(self) -> None:
        """It caught up."""
        self._writable = True
        self.work()

    # ---- requests

    def _arrived(self, frames: list[Frame]) -> None:
        self.last_used = self.broker.loop.time()
        if frames:
            self._cancel_timer()
            self._frames.extend(frames)
        if self._reader.partial_bytes and self._frame_timer is None:
            # A frame that never ends would hold its memory for good.
            self._frame_timer = self.broker.loop.call_later(
                self.broker.frame_timeout_s, self._too_slow
            )
        if self._reader.stalled:
            self._reader.wait(self._memory_came)
        self.work()

    def _memory_came(self) -> None:
        # Called where a frame is freed: in any thread, if it is a garbage collection, and when all is over.
        if not self.closed:
            self.broker.loop.call_soon_threadsafe(self._after_stall)

    def _after_stall(self) -> None:
        if self.closed:
            return
        try:
            frames = self._reader.go_on()
        except FrameFault as fault:
            self.close("bad_frame", reason=str(fault))
            return
        self._arrived(frames)

    def _too_slow(self) -> None:
        self._frame_timer = None
        if not self._reader.stalled:
            self.close("slow_frame", seconds=self.broker.frame_timeout_s)

    def _cancel_timer(self) -> None:
        if self._frame_timer is not None:
            self._frame_timer.cancel()
            self._frame_timer = None

    def _cancel_timers(self) -> None:
        self._cancel_timer()
        for timer in (self._login_timer, self._muted):
            if timer is not None:
                timer.cancel()
        self._login_timer = self._muted = None

    def work(self) -> None:
        """Begin as many requests as may be begun now."""
        turn = 0
        while self._frames and self._may_begin():
            if turn == _TURN_MAX:
                if not self._scheduled:
                    self._scheduled = True
                    self.broker.loop.call_soon(self._next_turn)
                break
            turn += 1
            self._pipeline.begin(self._frames.popleft())
        self._regulate()

    def _next_turn(self) -> None:
        self._scheduled = False
        self.work()

    def _may_begin(self) -> bool:
        return (
            not self._leaving
            and self._muted is None
            and self._writable
            and self._pipeline.may_begin
        )

    def _is_cancellable(self, frame: Frame) -> bool:
        handler = self.broker.handlers.get(frame.api_key)
        return handler is None or handler.cancellable

    def write(self, parts: list[Any], now: float) -> None:
        """Answers whose turn it is."""
        assert self.transport is not None
        self.last_used = now
        self.transport.writelines(parts)
        if self._leaving and not self._pipeline:
            self.closed = True
            self.transport.close()

    def _regulate(self) -> None:
        """Read only while what is read can be begun soon."""
        wanted = (
            self._writable
            and self._muted is None
            and not self._reader.stalled
            and len(self._frames) < OPEN_MAX
        )
        if wanted == self._reading:
            return
        transport = self.transport
        if transport is not None and not self.closed and not transport.is_closing():
            self._reading = wanted
            (transport.resume_reading if wanted else transport.pause_reading)()

    # ---- the end

    def close(self, event: str = "", **fields: object) -> None:
        """Close now. `event` and fields go into the log, at its lowest level: strangers write the reason."""
        if event:
            self.broker.meters.closed[event] += 1
            _log.info(event, client=self.client_host, **fields)
        if not self.closed and self.transport is not None:
            self.closed = True
            self._frames.clear()
            self.transport.abort()

    def drain(self) -> None:
        """The broker stops: take nothing more, let go of what only waits."""
        self._pipeline.abandon()
        self._frames.clear()
        if self.transport is not None and not self.closed:
            self._reading = False
            self.transport.pause_reading()

    def give_up(self) -> None:
        """The broker stops, and its time is over: let go also of what would be carried through."""
        self.close()
        self._frames.clear()
        self._pipeline.give_up()

    @property
    def told_address(self) -> Address:
        """Where this client is told to find the broker."""
        return self.listener.told_to(self._reached)

    @property
    def idle(self) -> bool:
        """Nothing of it is being served; or it takes none of its answers, which is no work of ours."""
        if self._muted is not None:
            return False
        return not self._writable or (not self._pipeline and not self._frames)

    @property
    def busy(self) -> bool:
        """Something is that will be carried through."""
        return self._pipeline.busy
