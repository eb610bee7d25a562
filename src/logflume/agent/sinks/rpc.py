"""What the sinks to other agents share: where to, how long to wait, when to connect anew."""

from __future__ import annotations

import socket
import time

from logflume.agent.components import Sink
from logflume.agent.options import needed, setting
from logflume.agent.tls import TlsClientConfig, client_context
from logflume.config.kinds import Duration, Int, Text
from logflume.errors import DeliveryFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume.agent.events import EventBatch

__all__ = ["RpcConfig", "RpcSink"]


class RpcConfig(TlsClientConfig, table="RPC sink"):
    """Flume guide, "Avro Sink"."""

    hostname: str = needed("hostname", Text(), doc="The agent's host.")
    port: int = needed("port", Int(min=1, max=65_535), doc="Its port.")
    batch_size: int = setting("batch-size", 100, Int(min=1), doc="Events of a request.")
    connect_timeout: int = setting(
        "connect-timeout", 20_000, Duration(min=1), doc="Time for connecting, handshake included."
    )
    request_timeout: int = setting(
        "request-timeout", 20_000, Duration(min=1), doc="Time for an answer."
    )
    reset_connection_interval: int = setting(
        "reset-connection-interval",
        0,
        Int(),
        doc="Seconds after which it connects anew, so that agents behind a load balancer share the work; 0: never.",
        also=("connection-reset-interval",),
    )


class RpcSink(Sink):
    """One connection, opened when there is something to send. A subclass speaks the protocol."""

    Config = RpcConfig
    tls_by_socket = True
    """False: the subclass speaks TLS by itself, in `begin`."""

    def setup(self) -> None:
        self.tls = client_context(self.config)
        self._socket: socket.socket | None = None
        self._since = 0.0

    @property
    def peer(self) -> str:
        """Who gets the events."""
        return f"{self.config.hostname}:{self.config.port}"

    def begin(self, connection: socket.socket) -> None:
        """A connection was made."""
        raise NotImplementedError

    def request(self, batch: EventBatch) -> None:
        """Send a batch and wait for the answer. Raises DeliveryFailed, BadMessage, OSError."""
        raise NotImplementedError

    def write(self, batch: EventBatch) -> None:
        try:
            self._connect()
            self.request(batch)
        except OSError as error:
            self._disconnect()
            raise DeliveryFailed(peer=self.peer, reason=str(error) or repr(error)) from error
        except BaseException:
            # What may still come belongs to this request: the next gets a connection of its own.
            self._disconnect()
            raise

    def _connect(self) -> None:
        old = self.config.reset_connection_interval
        if self._socket is not None and old and time.monotonic() - self._since >= old:
            self._disconnect()
        if self._socket is not None:
            return
        try:
            made = socket.create_connection(
                (self.config.hostname, self.config.port), self.config.connect_timeout / 1000
            )
        except OSError:
            self.counters.add("ConnectionFailedCount")
            raise
        self._socket = made
        try:
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.tls is not None and self.tls_by_socket:
                made = self.tls.wrap_socket(made, server_hostname=self.config.hostname)
                self._socket = made
        except OSError:
            self.counters.add("ConnectionFailedCount")
            raise
        self.begin(made)
        self.counters.add("ConnectionCreatedCount")
        self._since = time.monotonic()
        made.settimeout(self.config.request_timeout / 1000)

    def _disconnect(self) -> None:
        one, self._socket = self._socket, None
        if one is not None:
            one.close()
            self.counters.add("ConnectionClosedCount")

    def close(self) -> None:
        self._disconnect()
