"""Events from Flume's Thrift clients, and other agents' Thrift sinks."""

from __future__ import annotations

from logflume.agent.options import needed, setting
from logflume.agent.registry import source
from logflume.agent.sources.rpc import RpcServerConfig, RpcSource
from logflume.config.kinds import Bool, Choice, Int, Text

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

__all__ = ["ThriftConfig", "ThriftSource"]


class ThriftConfig(RpcServerConfig, table="thrift source"):
    """Flume guide, "Thrift Source"."""

    bind: str = needed("bind", Text(), doc="Address to listen on.")
    port: int = needed("port", Int(max=65_535), doc="Port to listen on; 0: any that is free.")
    protocol: str = setting(
        "protocol", "compact", Choice("compact", "binary"), doc="What the clients speak."
    )
    kerberos: bool = setting(
        "kerberos",
        False,
        Bool(),
        doc="Log in by Kerberos.",
        refused="use ssl, or a private network",
    )


@source("thrift", "org.apache.flume.source.ThriftSource")
class ThriftSource(RpcSource):
    """A request (append, appendBatch) is a transaction: OK when the channels have its events, FAILED when not."""

    Config = ThriftConfig

    def serve_one(self, connection: socket.socket, peer: str) -> None:
        from logflume.agent.rpc.thrift_calls import ServerSide, read_frame, write_frame
        from logflume.errors import BadMessage

        calls = ServerSide(peer, compact=self.config.protocol == "compact")
        most = self.config.max_message_bytes
        try:
            while (message := read_frame(connection, peer, most)) is not None:
                name, batch = calls.call(message)
                write_frame(connection, calls.answer(self.take(name, batch)))
        except BadMessage as error:
            self.bad(error)
            write_frame(connection, calls.refusal(error.reason))
