"""Events as syslog messages (RFC 5424) over TCP, TLS or UDP."""

from __future__ import annotations

import datetime
import os
import socket
import time

from logflume.agent.options import setting
from logflume.agent.registry import sink
from logflume.agent.sinks.rpc import RpcConfig, RpcSink
from logflume.config.kinds import Bool, Choice, Int, Size, Text
from logflume.errors import InvalidConfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from logflume.agent.events import EventBatch

__all__ = ["SyslogSink", "SyslogSinkConfig"]

_TAKEN = ("Facility", "Severity", "priority", "timestamp", "host", "version")
_SD_PLAIN = str.maketrans({"\\": "\\\\", '"': '\\"', "]": "\\]"})


class SyslogSinkConfig(RpcConfig, table="syslog sink"):
    """A sink of our own: no page of Flume's."""

    transport: str = setting(
        "transport", "tcp", Choice("tcp", "udp"), doc="How it is sent.", origin="logflume"
    )
    framing: str = setting(
        "framing",
        "octet-counting",
        Choice("octet-counting", "newline"),
        doc="What ends a message over TCP (RFC 6587): a length before it, or a newline behind it.",
        origin="logflume",
    )
    facility: int = setting(
        "facility",
        1,
        Int(max=23),
        doc="Facility of events without the header `Facility`.",
        origin="logflume",
    )
    severity: int = setting(
        "severity",
        5,
        Int(max=7),
        doc="Severity of events without the header `Severity`.",
        origin="logflume",
    )
    app_name: str = setting("appName", "-", Text(), doc="APP-NAME.", origin="logflume")
    proc_id: str = setting("procId", "-", Text(), doc="PROCID.", origin="logflume")
    message_id: str = setting("msgId", "-", Text(), doc="MSGID.", origin="logflume")
    structured_data: str | None = setting(
        "structuredDataId",
        None,
        Text(),
        doc="An id (`flume@32473`): the other headers are sent as structured data under it.",
        origin="logflume",
    )
    bom: bool = setting(
        "bom",
        False,
        Bool(),
        doc="A byte order mark before bodies: they are UTF-8.",
        origin="logflume",
    )
    datagram_bytes: int = setting(
        "maxDatagramBytes",
        65_507,
        Size(min=480),
        doc="Bytes of a message over UDP at most; a longer body is cut off.",
        origin="logflume",
    )

    def check_component(self) -> None:
        if self.transport == "udp" and self.ssl:
            raise InvalidConfig(name="ssl", value=True, reason="is for transport = tcp")


@sink("syslog")
class SyslogSink(RpcSink):
    """Headers that a syslog source sets (Facility, Severity, timestamp, host) become the message's fields again.

    Nobody answers: what the kernel has taken counts as delivered, and is lost with a connection that breaks.
    """

    Config = SyslogSinkConfig

    def setup(self) -> None:
        super().setup()
        self._own = _field(socket.gethostname(), 255)
        pid = str(os.getpid()) if self.config.proc_id == "pid" else self.config.proc_id
        names = ((self.config.app_name, 48), (pid, 128), (self.config.message_id, 32))
        self._fields = " ".join(_field(name, most) for name, most in names)
        self._datagrams: socket.socket | None = None

    def begin(self, connection: socket.socket) -> None:
        self._connection = connection

    def write(self, batch: EventBatch) -> None:
        if self.config.transport == "tcp":
            super().write(batch)
            return
        if self._datagrams is None:
            where = self.config.hostname, self.config.port
            kind, _, _, _, address = socket.getaddrinfo(*where, type=socket.SOCK_DGRAM)[0]
            self._datagrams = socket.socket(kind, socket.SOCK_DGRAM)
            self._datagrams.connect(address)
        for message in self.messages(batch):
            self._datagrams.send(message[: self.config.datagram_bytes])

    def request(self, batch: EventBatch) -> None:
        messages = self.messages(batch)
        if self.config.framing == "octet-counting":
            framed = [b"%d %b" % (len(message), message) for message in messages]
        else:
            # A newline inside would begin another message.
            framed = [message.replace(b"\n", b" ") + b"\n" for message in messages]
        self._connection.sendall(b"".join(framed))

    def messages(self, batch: EventBatch) -> list[bytes]:
        """One an event."""
        mark = b"\xef\xbb\xbf" if self.config.bom else b""
        return [
            self._head(headers).encode() + mark + body
            for headers, body in zip(batch.rows(), batch.body_list(), strict=True)
        ]

    def _head(self, headers: Mapping[str, str]) -> str:
        facility = _number(headers.get("Facility"), 23, self.config.facility)
        severity = _number(headers.get("Severity"), 7, self.config.severity)
        host = _field(headers["host"], 255) if headers.get("host") else self._own
        stamp = _stamp(headers.get("timestamp"))
        return f"<{facility * 8 + severity}>1 {stamp} {host} {self._fields} {self._data(headers)} "

    def _data(self, headers: Mapping[str, str]) -> str:
        name = self.config.structured_data
        rest = [(n, v) for n, v in headers.items() if n not in _TAKEN] if name else []
        if not rest:
            return "-"
        pairs = "".join(f' {_param(n)}="{v.translate(_SD_PLAIN)}"' for n, v in rest)
        return f"[{_param(str(name))}{pairs}]"

    def close(self) -> None:
        super().close()
        if self._datagrams is not None:
            self._datagrams.close()
            self._datagrams = None


def _number(text: str | None, most: int, default: int) -> int:
    if text is None or not text.isdecimal() or int(text) > most:
        return default
    return int(text)


def _field(text: str, most: int) -> str:
    """Printable ASCII without blanks, as the header's fields are."""
    return "".join(c if "!" <= c <= "~" else "_" for c in text)[:most] or "-"


def _param(text: str) -> str:
    """A name in structured data has none of `=`, `]`, quotes, either."""
    return "".join("_" if c in '=]"' else c for c in _field(text, 32))


def _stamp(text: str | None) -> str:
    """A header's milliseconds, or now."""
    known = text is not None and text.isdecimal() and len(text) <= 14
    ms = int(text) if known and text is not None else time.time_ns() // 1_000_000
    when = datetime.datetime.fromtimestamp(ms / 1000, datetime.UTC)
    return when.strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}Z"
