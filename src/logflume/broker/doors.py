"""Sockets that listen, and how a client comes in: as it is, or through a TLS handshake."""

from __future__ import annotations

import asyncio
import socket

from logflume.broker.connection import Connection
from logflume.observe import get_logger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from logflume.broker.listener import Listener
    from logflume.broker.server import Broker

    class Door(Protocol):
        """What a listener is opened and closed by. Belongs to the broker's event loop."""

        async def open(self) -> None:
            """Listen; sets the listener's real port. Raises OSError when the address cannot be had."""

        def close(self) -> None:
            """Take nobody in any more."""


__all__ = ["PlainDoor", "TlsDoor"]

_log = get_logger(__name__)
_BACKLOG = 1024
_TURN_MAX = 64  # connections accepted in one go
_TLS_SHUTDOWN_S = 5.0
_REST_S = 1.0


class PlainDoor:
    """Without TLS."""

    def __init__(self, broker: Broker, listener: Listener) -> None:
        self._broker = broker
        self._listener = listener
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Listen."""
        broker, listener = self._broker, self._listener
        host, port = listener.address
        self._server = await broker.loop.create_server(
            lambda: Connection(broker, listener), host, port, backlog=_BACKLOG
        )
        port = self._server.sockets[0].getsockname()[1]
        listener.address = listener.address._replace(port=port)

    def close(self) -> None:
        """Take nobody in any more."""
        if self._server is not None:
            self._server.close()


class TlsDoor:
    """With TLS. Accepts by itself, because asyncio's servers show a connection only when its handshake is done:
    those that never finish theirs have to be counted, too."""

    def __init__(self, broker: Broker, listener: Listener) -> None:
        self._broker = broker
        self._listener = listener
        self._sockets: list[socket.socket] = []
        self._handshakes: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def open(self) -> None:
        """Listen."""
        host, port = self._listener.address
        found = await self._broker.loop.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        try:
            for family, _, _, _, address in dict.fromkeys(found):
                opened = socket.create_server(
                    (address[0], port, *address[2:]), family=family, backlog=_BACKLOG
                )
                self._sockets.append(opened)
                opened.setblocking(False)
                port = opened.getsockname()[1]  # of all of them, where any was asked for
        except BaseException:
            self.close()
            raise
        self._listener.address = self._listener.address._replace(port=port)
        self._listen()

    def _listen(self) -> None:
        for opened in self._sockets:
            self._broker.loop.add_reader(opened, self._accept, opened)

    def close(self) -> None:
        """Take nobody in any more."""
        if self._timer is not None:
            self._timer.cancel()
        for opened in self._sockets:
            self._broker.loop.remove_reader(opened)
            opened.close()
        self._sockets.clear()
        for task in self._handshakes:
            task.cancel()

    def _accept(self, opened: socket.socket) -> None:
        for _ in range(_TURN_MAX):
            try:
                accepted, peer = opened.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:  # no more files: wait until some are closed
                _log.error("cannot_accept", error=error)
                for one in self._sockets:
                    self._broker.loop.remove_reader(one)
                self._timer = self._broker.loop.call_later(_REST_S, self._listen)
                return
            host = f"/{peer[0]}"
            refused = self._broker.may_connect(host)
            if refused:
                _log.info(refused, client=host)
                accepted.close()
                continue
            task = self._broker.loop.create_task(self._shake_hands(accepted, host))
            self._handshakes.add(task)
            task.add_done_callback(self._handshakes.discard)

    async def _shake_hands(self, accepted: socket.socket, host: str) -> None:
        broker = self._broker
        connection = Connection(broker, self._listener)
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            await broker.loop.connect_accepted_socket(
                lambda: connection,
                accepted,
                ssl=broker.tls,
                ssl_handshake_timeout=broker.login_timeout_s,
                ssl_shutdown_timeout=_TLS_SHUTDOWN_S,
            )
        except OSError as error:  # SSLError and time-outs are
            _log.info("tls_failed", client=host, reason=str(error) or type(error).__name__)
        finally:
            if connection.transport is None:  # it never became one
                broker.left(host)
                accepted.close()
