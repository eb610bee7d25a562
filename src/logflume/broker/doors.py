"""Sockets that listen, and how a client comes in: as it is, or through a TLS handshake."""

from __future__ import annotations

import asyncio
import errno
import socket
from contextlib import suppress

from logflume.observe import get_logger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from logflume.broker.listener import Listener
    from logflume.broker.server import Broker

__all__ = ["Door"]

_log = get_logger(__name__)
_BACKLOG = 1024
_LACKING = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
_TURN_MAX = 64  # connections accepted in one go
_TLS_SHUTDOWN_S = 5.0
_REST_S = 1.0


class Door:
    """What a listener is opened and closed by. Belongs to the broker's event loop.

    Accepts by itself. asyncio's servers show a connection only when its TLS handshake is done, and those that never
    finish theirs have to be counted, too; and what they accept in the moment in which they are closed stays open.
    """

    def __init__(self, broker: Broker, listener: Listener) -> None:
        self._broker = broker
        self._listener = listener
        self._sockets: list[socket.socket] = []
        self._coming: dict[asyncio.Task[None], socket.socket] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def open(self) -> None:
        """Listen; sets the listener's real port. Raises OSError when the address cannot be had."""
        host, port = self._listener.address
        found = await self._broker.loop.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        lacking: OSError | None = None
        try:
            for family, _, _, _, address in dict.fromkeys(found):
                try:
                    opened = socket.create_server(
                        (address[0], port, *address[2:]), family=family, backlog=_BACKLOG
                    )
                except OSError as error:
                    if error.errno not in _LACKING:
                        raise
                    lacking = error  # "localhost" has an address of IPv6, also where there is none
                    continue
                self._sockets.append(opened)
                opened.setblocking(False)
                port = opened.getsockname()[1]  # of all of them, where any was asked for
            if lacking is not None and not self._sockets:
                raise lacking
        except BaseException:
            self.close()
            raise
        self._listener.address = self._listener.address._replace(port=port)
        self._listen()

    def _listen(self) -> None:
        for opened in self._sockets:
            self._broker.loop.add_reader(opened, self._accept, opened)

    def close(self) -> None:
        """Take nobody in any more; see `closed`."""
        if self._timer is not None:
            self._timer.cancel()
        for opened in self._sockets:
            self._broker.loop.remove_reader(opened)
            opened.close()
        self._sockets.clear()
        for accepted in self._coming.values():
            with suppress(OSError):  # the client was faster
                accepted.shutdown(socket.SHUT_RDWR)

    async def closed(self) -> None:
        """Wait for those who were coming in while it was closed: they are in the broker's connections, or gone."""
        if self._coming:
            await asyncio.wait(self._coming)

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
            refused = self._broker.may_connect(host, accepted.fileno())
            if refused:
                self._broker.meters.closed[refused] += 1
                _log.info(refused, client=host)
                accepted.close()
                continue
            task = self._broker.loop.create_task(self._let_in(accepted, host))
            self._coming[task] = accepted
            task.add_done_callback(self._coming.pop)

    async def _let_in(self, accepted: socket.socket, host: str) -> None:
        # The broker imports it when it has told that it listens.
        from logflume.broker.connection import Connection

        broker = self._broker
        connection = Connection(broker, self._listener, host)
        handshake: dict[str, Any] = {}
        if self._listener.uses_tls:
            handshake = {
                "ssl": broker.tls,
                "ssl_handshake_timeout": broker.login_timeout_s,
                "ssl_shutdown_timeout": _TLS_SHUTDOWN_S,
            }
        try:
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await broker.loop.connect_accepted_socket(lambda: connection, accepted, **handshake)
        except OSError as error:  # SSLError and time-outs are
            event = "tls_failed" if handshake else "connection_failed"
            _log.info(event, client=host, reason=str(error) or type(error).__name__)
        finally:
            if connection.transport is None:  # it never became one
                broker.left(host)
                accepted.close()
