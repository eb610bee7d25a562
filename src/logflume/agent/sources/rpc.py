"""What the Avro and the Thrift source share: a server whose requests are batches."""

from __future__ import annotations

from logflume.agent.intake import Stopped
from logflume.agent.options import setting
from logflume.agent.sources.listening import ListeningSource
from logflume.agent.sources.tcp_server import CONNECTIONS_MAX, ConnectionServer
from logflume.agent.tls import TlsServerConfig, server_context
from logflume.config.kinds import Int, Size
from logflume.errors import ChannelFull

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable

    from logflume.agent.events import EventBatch
    from logflume.errors import BadMessage

__all__ = ["RpcServerConfig", "RpcSource"]

_OK, _FAILED = 0, 1  # in both protocols


class RpcServerConfig(TlsServerConfig, table="RPC source"):
    """What is no protocol's."""

    threads: int | None = setting(
        "threads", None, Int(), doc="Threads.", no_effect="Each connection has a thread."
    )
    max_connections: int = setting(
        "max-connections",
        CONNECTIONS_MAX,
        Int(min=1),
        doc="Connections at once; more are closed.",
        origin="logflume",
    )
    max_message_bytes: int = setting(
        "max-message-bytes",
        64 << 20,
        Size(min=1024),
        doc="Bytes of a request at most; a client that sends more is cut off.",
        origin="logflume",
    )


class RpcSource(ListeningSource):
    """A subclass serves one connection; its config has `bind` and `port`."""

    allows: Callable[[str], bool] | None = None
    tls: ssl.SSLContext | None = None
    tls_by_server = True
    """False: the subclass speaks TLS by itself."""

    def setup(self) -> None:
        self.tls = server_context(self.config)

    def make_server(self) -> ConnectionServer:
        return ConnectionServer(
            (self.config.bind, self.config.port),
            self,
            self.serve_one,
            tls=self.tls if self.tls_by_server else None,
            allows=self.allows,
            connections_max=self.config.max_connections,
        )

    def serve_one(self, connection: socket.socket, peer: str) -> None:
        """Serve a connection to its end, in a thread of its own."""
        raise NotImplementedError

    def take(self, message: str, batch: EventBatch) -> int:
        """The status of a request that brought these events."""
        many = "AppendBatch" if message == "appendBatch" else "Append"
        self.counters.add(f"{many}ReceivedCount")
        try:
            if len(batch):
                self.offer(batch, None)
        except (ChannelFull, Stopped) as error:
            self.counters.add("ChannelWriteFail")
            self.log.debug("events_refused", source=self.name, error=error)
            return _FAILED
        except Exception as error:  # the client is told, and sends them again
            self.counters.add("GenericProcessingFail")
            self.log.error("request_failed", source=self.name, error=error)
            return _FAILED
        self.counters.add(f"{many}AcceptedCount")
        return _OK

    def bad(self, error: BadMessage) -> None:
        """A client sent what it may not."""
        self.counters.add("EventReadFail")
        self.log.warning("bad_message", source=self.name, error=error)
