"""What all TCP servers of sources share: TLS, rules of who may connect, a bound on connections, an end."""

from __future__ import annotations

import socket
import socketserver
import ssl
import sys
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from logflume.agent.components import Source

    Serve = Callable[[socket.socket, str], None]

__all__ = ["CONNECTIONS_MAX", "ConnectionServer", "Guarded"]

CONNECTIONS_MAX = 1000
_HANDSHAKE_S = 10.0


class Guarded(socketserver.ThreadingMixIn):
    """Put before a server of `socketserver`: a thread a connection, within bounds.

    `serve()` returns when `draining` is set, and ends the connections that clients keep open.
    """

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128
    source: Source
    tls: ssl.SSLContext | None = None
    allows: Callable[[str], bool] | None = None
    connections_max = CONNECTIONS_MAX

    def guard(
        self,
        source: Source,
        tls: ssl.SSLContext | None = None,
        allows: Callable[[str], bool] | None = None,
        connections_max: int = CONNECTIONS_MAX,
    ) -> None:
        """Called before the server's own constructor. `allows` is asked with a client's address."""
        self.source = source
        self.tls, self.allows, self.connections_max = tls, allows, connections_max
        self._open: set[Any] = set()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])  # type: ignore[attr-defined]

    def serve(self, draining: threading.Event) -> None:
        """Take connections until told to stop."""
        thread = threading.Thread(
            target=self.serve_forever,  # type: ignore[attr-defined]
            kwargs={"poll_interval": 0.1},
            daemon=True,
        )
        thread.start()
        draining.wait()
        self.shutdown()  # type: ignore[attr-defined]
        for one in list(self._open):
            self.shutdown_request(one)
        thread.join()

    def end(self) -> None:
        """Listen no more."""
        self.server_close()

    # ---- socketserver's hooks

    def get_request(self) -> Any:
        connection, address = super().get_request()  # type: ignore[misc]
        if self.tls is not None:
            # Shaken hands with in the connection's own thread, so that nobody holds up the others.
            connection = self.tls.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        return connection, address

    def verify_request(self, request: Any, client_address: Any) -> bool:
        if len(self._open) >= self.connections_max:
            self.source.log.warning(
                "too_many_connections", source=self.source.name, limit=self.connections_max
            )
            return False
        return True

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        self.source.counters.add("OpenConnectionCount")
        super().process_request(request, client_address)

    def finish_request(self, request: Any, client_address: Any) -> None:
        # Rules may look up names, which takes its time: so here, not where connections are accepted.
        peer = str(client_address[0])
        if self.allows is not None and not self.allows(peer):
            self.source.log.warning("connection_refused", source=self.source.name, peer=peer)
            return
        try:
            if self.tls is not None:
                request.settimeout(_HANDSHAKE_S)
                request.do_handshake()
                request.settimeout(None)
            super().finish_request(request, client_address)  # type: ignore[misc]
        except OSError as error:
            self.source.log.debug(
                "connection_ended", source=self.source.name, peer=peer, error=error
            )

    def handle_error(self, request: Any, client_address: Any) -> None:
        # What a source did not expect: an interceptor that cannot take an event, say. Its client sees the end.
        self.source.counters.add("GenericProcessingFail")
        self.source.log.error(
            "connection_failed",
            source=self.source.name,
            peer=str(client_address[0]),
            error=sys.exception(),
        )

    def shutdown_request(self, request: Any) -> None:
        if request in self._open:
            self._open.discard(request)
            self.source.counters.add("OpenConnectionCount", -1)
        try:
            # SSLSocket's own wants an answer first. Threads that read from it wake up.
            socket.socket.shutdown(request, socket.SHUT_RDWR)
        except OSError:
            pass
        self.close_request(request)  # type: ignore[attr-defined]


class ConnectionServer(Guarded, socketserver.TCPServer):
    """A server whose connections one function serves, each in its thread."""

    def __init__(
        self,
        address: tuple[str, int],
        source: Source,
        serve_one: Serve,
        *,
        tls: ssl.SSLContext | None = None,
        allows: Callable[[str], bool] | None = None,
        connections_max: int = CONNECTIONS_MAX,
    ) -> None:
        self.guard(source, tls, allows, connections_max)
        self.serve_one = serve_one
        self.address_family = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)[0][0]
        super().__init__(address, _Connection)


class _Connection(socketserver.BaseRequestHandler):
    server: ConnectionServer

    def handle(self) -> None:
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.server.serve_one(self.request, f"{self.client_address[0]}:{self.client_address[1]}")
