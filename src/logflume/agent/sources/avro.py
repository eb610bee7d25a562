"""Events from Flume's Avro clients: its RPC client, its log4j appenders, other agents' Avro sinks."""

from __future__ import annotations

from logflume.agent.options import needed, setting
from logflume.agent.registry import source
from logflume.agent.rpc.avro_frames import Frames
from logflume.agent.sources.ip_rules import IpRules
from logflume.agent.sources.rpc import RpcServerConfig, RpcSource
from logflume.config.kinds import Bool, Choice, Int, Text
from logflume.errors import BadMessage

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

__all__ = ["AvroConfig", "AvroSource"]

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
        if self.config.ip_filter:
            self.allows = IpRules(self.config.ip_filter_rules or "")

    def serve_one(self, connection: socket.socket, peer: str) -> None:
        from logflume.agent.rpc.avro_calls import ServerSide

        level = _DEFLATE_LEVEL if self.config.compression_type == "deflate" else None
        frames = Frames(connection, peer, self.config.max_message_bytes, level)
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
