"""Lines over TCP, datagrams over UDP."""

from __future__ import annotations

from logflume.agent.events import EventBatch
from logflume.agent.options import ComponentConfig, needed, setting
from logflume.agent.registry import source
from logflume.agent.sources.datagrams import Datagrams
from logflume.agent.sources.line_server import Connection, LineServer
from logflume.agent.sources.listening import ListeningSource
from logflume.config.kinds import Bool, Int, Text
from logflume.errors import ChannelFull, InvalidConfig

__all__ = ["NetcatConfig", "NetcatSource", "NetcatUdpConfig", "NetcatUdpSource"]


class NetcatConfig(ComponentConfig, table="netcat source"):
    """Flume guide, "NetCat TCP Source"."""

    bind: str = needed("bind", Text(), doc="Address to listen on.")
    port: int = needed("port", Int(max=65_535), doc="Port to listen on; 0: any that is free.")
    max_line_length: int = setting(
        "max-line-length", 512, Int(min=1), doc="Bytes of a line at most, its end included."
    )
    ack_every_event: bool = setting(
        "ack-every-event", True, Bool(), doc="Answer each event with OK."
    )
    encoding: str = setting(
        "encoding", "utf-8", Text(), doc="Encoding of the lines; bodies are UTF-8."
    )


@source("netcat", "org.apache.flume.source.NetcatSource")
class NetcatSource(ListeningSource):
    """A line is an event. `OK` is answered when the channels have it; `FAILED: ...`, when they are full."""

    Config = NetcatConfig

    def setup(self) -> None:
        try:
            "".encode(self.config.encoding)
        except LookupError:
            raise InvalidConfig(
                name="encoding", value=self.config.encoding, reason="is no known encoding"
            ) from None

    def make_server(self) -> LineServer:
        address = self.config.bind, self.config.port
        return LineServer(address, self, self, self.config.max_line_length)

    def take_lines(self, lines: list[bytes], connection: Connection) -> bool:
        """Events of one connection that came together are one transaction."""
        good = [line for line in lines if len(line) < self.config.max_line_length]
        told = self._store(good) if good else b""
        answers = []
        for line in lines:  # in their order: that is how a client knows which was refused
            if len(line) < self.config.max_line_length:
                answers.append(told)
            else:
                self.counters.add("EventReadFail")
                answers.append(self._too_long_text())
        if said := b"".join(answers):
            connection.answer(said)
        return True

    def _store(self, lines: list[bytes]) -> bytes:
        """What each of them is answered."""
        if self.config.encoding.lower() not in ("utf-8", "utf8"):
            lines = [line.decode(self.config.encoding, "replace").encode() for line in lines]
        try:
            self.offer(EventBatch(lines), None)
        except ChannelFull as error:
            self.counters.add("ChannelWriteFail")
            return f"FAILED: {error}\n".encode()
        return b"OK\n" if self.config.ack_every_event else b""

    def too_long(self, part: bytes, connection: Connection) -> bytes | None:
        """As Flume: the line is refused and the connection closed, since its end is not in sight."""
        self.counters.add("EventReadFail")
        connection.answer(self._too_long_text())
        return None

    def _too_long_text(self) -> bytes:
        most = self.config.max_line_length
        return (
            f"FAILED: Event exceeds the maximum length ({most} chars, including newline)\n".encode()
        )


class NetcatUdpConfig(ComponentConfig, table="netcat UDP source"):
    """Flume guide, "NetCat UDP Source"."""

    bind: str = needed("bind", Text(), doc="Address to listen on.")
    port: int = needed("port", Int(max=65_535), doc="Port to listen on; 0: any that is free.")
    remote_address_header: str | None = setting(
        "remoteAddressHeader", None, Text(), doc="A header with the sender's address."
    )


@source("netcatudp", "org.apache.flume.source.NetcatUdpSource")
class NetcatUdpSource(Datagrams):
    """A datagram is an event, without the newline at its end."""

    Config = NetcatUdpConfig

    @property
    def address(self) -> tuple[str, int]:
        return self.config.bind, self.config.port

    def event(self, data: bytes, sender: str) -> tuple[dict[str, str], bytes]:
        name = self.config.remote_address_header
        return ({name: sender} if name else {}), data.removesuffix(b"\n").removesuffix(b"\r")
