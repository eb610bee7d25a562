"""Events to another agent's Avro source: Flume's, or ours."""

from __future__ import annotations

from logflume.agent.options import setting
from logflume.agent.registry import sink
from logflume.agent.rpc.avro_frames import Frames
from logflume.agent.sinks.rpc import RpcConfig, RpcSink
from logflume.config.kinds import Choice, Int
from logflume.errors import BadMessage, DeliveryFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

    from logflume.agent.events import EventBatch

__all__ = ["AvroSink", "AvroSinkConfig"]

_ANSWER_BYTES_MAX = 1 << 20  # a status, and once the server's protocol


class AvroSinkConfig(RpcConfig, table="avro sink"):
    """Flume guide, "Avro Sink"."""

    compression_type: str = setting(
        "compression-type", "none", Choice("none", "deflate"), doc="Must be what the source has."
    )
    compression_level: int = setting(
        "compression-level", 6, Int(max=9), doc="Of deflate: 0 is none, 9 most."
    )
    max_io_workers: int | None = setting(
        "maxIoWorkers", None, Int(), doc="Threads of the connection.", no_effect="There is one."
    )


@sink("avro", "org.apache.flume.sink.AvroSink")
class AvroSink(RpcSink):
    """A batch is a request (appendBatch). At least once: what an agent took, but could not say, is sent again."""

    Config = AvroSinkConfig

    def setup(self) -> None:
        super().setup()
        self.tls_by_socket = self.config.compression_type == "none"

    def begin(self, connection: socket.socket) -> None:
        from logflume.agent.rpc.avro_calls import ClientSide

        level = self.config.compression_level
        if self.config.compression_type == "none":
            self._frames = Frames(connection, self.peer, _ANSWER_BYTES_MAX)
        elif self.tls is None:
            self._frames = Frames(connection, self.peer, _ANSWER_BYTES_MAX, level)
        else:
            from logflume.agent.rpc.inner_tls import InnerTls

            host = self.config.hostname
            inner = InnerTls(
                connection, self.tls, self.peer, level, server_side=False, hostname=host
            )
            self._frames = Frames(inner, self.peer, _ANSWER_BYTES_MAX)
        self._calls = ClientSide(self.peer)
        self._serial = 0

    def request(self, batch: EventBatch) -> None:
        self._serial = (self._serial + 1) & 0x7FFFFFFF
        self._frames.write(self._serial, self._calls.call(batch))
        frame = self._frames.read()
        if frame is None:
            raise DeliveryFailed(peer=self.peer, reason="it closed the connection")
        serial, message = frame
        if serial != self._serial:
            raise BadMessage(peer=self.peer, reason=f"answers {serial}, asked was {self._serial}")
        self._calls.check(message)
