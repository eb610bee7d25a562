"""Syslog over TCP (one port or several) and UDP."""

from __future__ import annotations

import threading

from logflume.agent.components import Source
from logflume.agent.events import EventBatch
from logflume.agent.options import ComponentConfig, Words, needed, setting
from logflume.agent.registry import source
from logflume.agent.sources.datagrams import Datagrams
from logflume.agent.sources.line_server import Connection, LineServer
from logflume.agent.sources.syslog_lines import KEEP_ALL, STATUS, parse_syslog
from logflume.agent.tls import TlsServerConfig, server_context
from logflume.config.kinds import Int, Size, Text
from logflume.errors import InvalidConfig

__all__ = [
    "MultiportConfig",
    "MultiportSyslogSource",
    "SyslogConfig",
    "SyslogTcpConfig",
    "SyslogTcpSource",
    "SyslogUdpSource",
]


class SyslogConfig(ComponentConfig, table="syslog UDP source"):
    """Flume guide, "Syslog UDP Source"."""

    host: str = needed("host", Text(), doc="Address to listen on.", also=("bind",))
    port: int = needed("port", Int(max=65_535), doc="Port to listen on; 0: any that is free.")
    keep_fields: str = setting(
        "keepFields",
        "none",
        Text(),
        doc="Fields that stay in the body: `all`, `none`, or some of priority, version, timestamp, hostname.",
    )
    client_ip_header: str | None = setting(
        "clientIPHeader", None, Text(), doc="A header with the sender's address."
    )
    client_hostname_header: str | None = setting(
        "clientHostnameHeader",
        None,
        Text(),
        doc="A header with the sender's name.",
        refused="a look-up of names for each message would hold the source up; use clientIPHeader",
    )


class SyslogTcpConfig(SyslogConfig, TlsServerConfig, table="syslog TCP source"):
    """Flume guide, "Syslog TCP Source"."""

    event_size: int = setting(
        "eventSize", 2500, Size(min=1), doc="Bytes of a message; a longer one is cut into several."
    )
    batch_size: int = setting("batchSize", 100, Int(min=1), doc="Events of a transaction.")


class MultiportConfig(TlsServerConfig, table="multiport syslog TCP source"):
    """Flume guide, "Multiport Syslog TCP Source"."""

    host: str = setting("host", "0.0.0.0", Text(), doc="Address to listen on.", also=("bind",))
    ports: tuple[str, ...] = needed("ports", Words(), doc="Ports to listen on.")
    event_size: int = setting(
        "eventSize", 2500, Size(min=1), doc="Bytes of a message; a longer one is cut into several."
    )
    keep_fields: str = SyslogConfig.keep_fields
    client_ip_header: str | None = SyslogConfig.client_ip_header
    client_hostname_header: str | None = SyslogConfig.client_hostname_header
    port_header: str | None = setting(
        "portHeader", None, Text(), doc="A header with the port that it came by."
    )
    batch_size: int = setting("batchSize", 100, Int(min=1), doc="Events of a transaction.")
    charset_default: str = setting(
        "charset.default",
        "UTF-8",
        Text(),
        doc="Encoding.",
        no_effect="Bodies are the bytes as they came.",
    )
    read_buffer_size: int = setting(
        "readBufferSize",
        1024,
        Size(),
        doc="Bytes of a read.",
        no_effect="Reads take what is there.",
    )
    num_processors: int | None = setting(
        "numProcessors", None, Int(), doc="Threads.", no_effect="Each connection has a thread."
    )


def _kept(text: str) -> frozenset[str]:
    words = frozenset(text.lower().split())
    if words in ({"none"}, {"false"}):
        return frozenset()
    if words in ({"all"}, {"true"}):
        return KEEP_ALL
    strange = sorted(words - KEEP_ALL)
    if strange:
        raise InvalidConfig(
            name="keepFields",
            value=text,
            reason=f"{strange[0]!r} is none of all, none, {', '.join(sorted(KEEP_ALL))}",
        )
    return words


class _SyslogLines(Source):
    """Lines of TCP connections as events."""

    def setup(self) -> None:
        self._keep = _kept(self.config.keep_fields)
        self._tls = server_context(self.config)
        self._servers: list[LineServer] = []

    @property
    def ports(self) -> list[int]:
        """Where it listens."""
        return [server.port for server in self._servers]

    def listen(self, port: int) -> None:
        """One more port."""
        address = self.config.host, port
        self._servers.append(LineServer(address, self, self, self.config.event_size, self._tls))

    def run(self) -> None:
        threads = [
            threading.Thread(target=server.serve, args=(self.draining,), daemon=True)
            for server in self._servers
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def close(self) -> None:
        for server in self._servers:
            server.server_close()
        self._servers.clear()

    def more(self, connection: Connection) -> dict[str, str]:
        """Headers of the connection."""
        name = self.config.client_ip_header
        return {name: connection.peer} if name else {}

    def take_lines(self, lines: list[bytes], connection: Connection) -> bool:
        """Messages that came together, in transactions of batchSize."""
        more = self.more(connection)
        rows = [
            self._row(part, more, status)
            for line in lines
            if line
            for part, status in self._parts(line)
        ]
        for at in range(0, len(rows), self.config.batch_size):
            self.deliver(EventBatch.of_rows(rows[at : at + self.config.batch_size]), None)
        return True

    def _parts(self, line: bytes) -> list[tuple[bytes, str | None]]:
        size = self.config.event_size
        if len(line) <= size:
            return [(line, None)]
        return [(line[at : at + size], "Incomplete") for at in range(0, len(line), size)]

    def _row(
        self, part: bytes, more: dict[str, str], status: str | None
    ) -> tuple[dict[str, str], bytes]:
        headers, body = parse_syslog(part, self._keep)
        if status is not None:
            headers.setdefault(STATUS, status)
        return {**headers, **more}, body

    def too_long(self, part: bytes, connection: Connection) -> bytes | None:
        """A part of eventSize is an event of its own."""
        size = self.config.event_size
        more = self.more(connection)
        whole = len(part) - len(part) % size
        rows = [self._row(part[at : at + size], more, "Incomplete") for at in range(0, whole, size)]
        self.deliver(EventBatch.of_rows(rows), None)
        return part[whole:]


@source("syslogtcp", "org.apache.flume.source.SyslogTcpSource")
class SyslogTcpSource(_SyslogLines):
    """A line is a message. A client is held up while a channel is full."""

    Config = SyslogTcpConfig

    def open(self) -> None:
        self.listen(self.config.port)


@source("multiport_syslogtcp", "org.apache.flume.source.MultiportSyslogTCPSource")
class MultiportSyslogSource(_SyslogLines):
    """Several ports in one source."""

    Config = MultiportConfig

    def setup(self) -> None:
        super().setup()
        for port in self.config.ports:
            if not port.isdecimal() or int(port) > 65_535:
                raise InvalidConfig(
                    name="ports", value=" ".join(self.config.ports), reason=f"{port} is no port"
                )

    def open(self) -> None:
        for port in self.config.ports:
            self.listen(int(port))

    def more(self, connection: Connection) -> dict[str, str]:
        name = self.config.port_header
        port = {name: str(connection.server.port)} if name else {}
        return {**super().more(connection), **port}


@source("syslogudp", "org.apache.flume.source.SyslogUDPSource")
class SyslogUdpSource(Datagrams):
    """A datagram is a message."""

    Config = SyslogConfig

    def setup(self) -> None:
        self._keep = _kept(self.config.keep_fields)

    @property
    def address(self) -> tuple[str, int]:
        return self.config.host, self.config.port

    def event(self, data: bytes, sender: str) -> tuple[dict[str, str], bytes]:
        headers, body = parse_syslog(data.rstrip(b"\r\n"), self._keep)
        name = self.config.client_ip_header
        return ({**headers, name: sender} if name else headers), body
