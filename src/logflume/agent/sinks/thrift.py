"""Events to another agent's Thrift source: Flume's, or ours."""

from __future__ import annotations

from logflume.agent.options import setting
from logflume.agent.registry import sink
from logflume.agent.sinks.rpc import RpcConfig, RpcSink
from logflume.config.kinds import Bool, Choice, Int
from logflume.errors import DeliveryFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

    from logflume.agent.events import EventBatch

__all__ = ["ThriftSink", "ThriftSinkConfig"]

_ANSWER_BYTES_MAX = 1 << 20


class ThriftSinkConfig(RpcConfig, table="thrift sink"):
    """Flume guide, "Thrift Sink"."""

    protocol: str = setting(
        "protocol", "compact", Choice("compact", "binary"), doc="What the source speaks."
    )
    max_connections: int | None = setting(
        "maxConnections", None, Int(), doc="Connections.", no_effect="There is one."
    )
    kerberos: bool = setting(
        "kerberos",
        False,
        Bool(),
        doc="Log in by Kerberos.",
        refused="use ssl, or a private network",
    )


@sink("thrift", "org.apache.flume.sink.ThriftSink")
class ThriftSink(RpcSink):
    """A batch is a request (appendBatch). At least once, as the Avro sink."""

    Config = ThriftSinkConfig

    def begin(self, connection: socket.socket) -> None:
        from logflume.agent.rpc.thrift_calls import ClientSide

        self._connection = connection
        self._calls = ClientSide(self.peer, compact=self.config.protocol == "compact")

    def request(self, batch: EventBatch) -> None:
        from logflume.agent.rpc.thrift_calls import read_frame, write_frame

        write_frame(self._connection, self._calls.call(batch))
        answer = read_frame(self._connection, self.peer, _ANSWER_BYTES_MAX)
        if answer is None:
            raise DeliveryFailed(peer=self.peer, reason="it closed the connection")
        self._calls.check(answer)
