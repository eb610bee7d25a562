"""Events from Flume's Avro clients: its RPC client, its log4j appenders, other agents' Avro sinks."""

from __future__ import annotations

from logflume.agent.components import Source
from logflume.agent.intake import Stopped
from logflume.agent.options import needed, setting
from logflume.agent.registry import source
from logflume.agent.rpc.avro_frames import Frames
from logflume.agent.sources.ip_rules import IpRules
from logflume.agent.sources.tcp_server import CONNECTIONS_MAX, ConnectionServer
from logflume.agent.tls import TlsServerConfig, server_context
from logflume.config.kinds import Bool, Choice, Int, Size, Text
from logflume.errors import BadMessage, ChannelFull

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

    from logflume.agent.events import EventBatch

__all__ = ["AvroConfig", "AvroSource"]

_DEFLATE_LEVEL = 6  # as Flume's source answers; clients unpack any


class AvroConfig(TlsServerConfig, table="avro source"):
    """Flume guide, "Avro Source"."""

    bind: str = needed("bind", Text(), doc="Address to listen on.")
    port: int = needed("port", Int(max=65_535), doc="Port to listen on; 0: any that is free.")
    threads: int | None = setting(
        "threads", None, Int(), doc="Threads.", no_effect="Each connection has a thread."
    )
    compression_type: str = setting(
        "compression-type",
        "none",
        Choice("none", "deflate"),
        doc="Must be what the clients have.",
    )
    ip_filter: bool = setting("ipFilter", False, Bool(), doc="Let only some connect.")
    ip_filter_rules: str | None = setting(
        "ipFilterRules",
        None,
        Text(),
        doc="Who may: `allow:ip:127.*,allow:name:localhost,deny:ip:*`; the first that matches decides.",
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


@source("avro", "org.apache.flume.source.AvroSource")
class AvroSource(Source):
    """A request (append, appendBatch) is a transaction: OK when the channels have its events, FAILED when not.

    A client that sends what the protocol does not allow is cut off.
    """

    Config = AvroConfig

    def setup(self) -> None:
        self._server: ConnectionServer | None = None
        self._tls = server_context(self.config)
        self._allows = IpRules(self.config.ip_filter_rules or "") if self.config.ip_filter else None

    def open(self) -> None:
        self._server = ConnectionServer(
            (self.config.bind, self.config.port),
            self,
            self._serve,
            tls=self._tls,
            allows=self._allows,
            connections_max=self.config.max_connections,
        )

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None
        return self._server.port

    def run(self) -> None:
        assert self._server is not None
        self._server.serve(self.draining)

    def close(self) -> None:
        if self._server is not None:
            self._server.server_close()

    def _serve(self, connection: socket.socket, peer: str) -> None:
        from logflume.agent.rpc.avro_calls import ServerSide

        level = _DEFLATE_LEVEL if self.config.compression_type == "deflate" else None
        frames = Frames(connection, peer, self.config.max_message_bytes, level)
        calls = ServerSide(peer)
        serial = 0
        try:
            while (frame := frames.read()) is not None:
                serial, message = frame
                called = calls.call(message)
                status = None if called is None else self._take(*called)
                frames.write(serial, calls.answer(status))
        except BadMessage as error:
            self.counters.add("EventReadFail")
            self.log.warning("bad_message", source=self.name, error=error)
            frames.write(serial, calls.refusal(error.reason))

    def _take(self, message: str, batch: EventBatch) -> int:
        from logflume.agent.rpc.avro_calls import FAILED, OK

        many = "AppendBatch" if message == "appendBatch" else "Append"
        self.counters.add(f"{many}ReceivedCount")
        try:
            if len(batch):
                self.offer(batch, None)
        except (ChannelFull, Stopped) as error:
            self.counters.add("ChannelWriteFail")
            self.log.debug("events_refused", source=self.name, error=error)
            return FAILED
        except Exception as error:  # the client is told, and sends them again
            self.counters.add("GenericProcessingFail")
            self.log.error("request_failed", source=self.name, error=error)
            return FAILED
        self.counters.add(f"{many}AcceptedCount")
        return OK
