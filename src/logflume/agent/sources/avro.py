"""Events from Flume's Avro clients: its RPC client, its log4j appenders, other agents' Avro sinks."""

from __future__ import annotations

import socket

from logflume.agent.options import needed, setting
from logflume.agent.registry import source
from logflume.agent.rpc.avro_frames import Frames
from logflume.agent.sources.ip_rules import IpRules
from logflume.agent.sources.rpc import RpcServerConfig, RpcSource
from logflume.config.kinds import Bool, Choice, Int, Text
from logflume.errors import BadMessage

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl

__all__ = ["AvroConfig", "AvroSource"]

_HANDSHAKE_S = 10.0
_TLS_HANDSHAKE = b"\x16"  # the first byte of TLS; zlib's is 0x78
_DEFLATE_LEVEL = 6  # as Flume's source answers; clients unpack any


class AvroConfig(RpcServerConfig, table="avro source"):
    """Flume guide, "Avro Source"."""

    bind: str = needed("bind", Text(), doc="Address to listen on.")
    port: int = needed("port", Int(max=65_535), doc="Port to listen on; 0: any that is free.")
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


@source("avro", "org.apache.flume.source.AvroSource")
class AvroSource(RpcSource):
    """A request (append, appendBatch) is a transaction: OK when the channels have its events, FAILED when not.

    A client that sends what the protocol does not allow is cut off.
    """

    Config = AvroConfig

    def setup(self) -> None:
        super().setup()
        # Where TLS is then depends on who asks.
        self.tls_by_server = self.config.compression_type == "none"
        if self.config.ip_filter:
            self.allows = IpRules(self.config.ip_filter_rules or "")

    def serve_one(self, connection: socket.socket, peer: str) -> None:
        most = self.config.max_message_bytes
        if self.config.compression_type == "none":
            self._talk(Frames(connection, peer, most), peer)
        elif self.tls is None:
            self._talk(Frames(connection, peer, most, _DEFLATE_LEVEL), peer)
        else:
            self._talk_secured(connection, self.tls, peer)

    def _talk_secured(self, connection: socket.socket, tls: ssl.SSLContext, peer: str) -> None:
        """TLS and deflate: Flume 1.11 deflates TLS's records, those before it encrypted what was deflated."""
        from logflume.agent.rpc.inner_tls import InnerTls

        most = self.config.max_message_bytes
        connection.settimeout(_HANDSHAKE_S)
        if connection.recv(1, socket.MSG_PEEK) == _TLS_HANDSHAKE:
            with tls.wrap_socket(connection, server_side=True) as outer:
                outer.settimeout(None)
                self._talk(Frames(outer, peer, most, _DEFLATE_LEVEL), peer)
            return
        try:
            inner = InnerTls(connection, tls, peer, _DEFLATE_LEVEL, server_side=True)
        except BadMessage as error:
            self.bad(error)
            return
        connection.settimeout(None)
        self._talk(Frames(inner, peer, most), peer)

    def _talk(self, frames: Frames, peer: str) -> None:
        """Answer requests until the client goes, or sends what it may not."""
        from logflume.agent.rpc.avro_calls import ServerSide

        calls = ServerSide(peer)
        serial = 0
        try:
            while (frame := frames.read()) is not None:
                serial, message = frame
                called = calls.call(message)
                status = None if called is None else self.take(*called)
                frames.write(serial, calls.answer(status))
        except BadMessage as error:
            self.bad(error)
            frames.write(serial, calls.refusal(error.reason))
