"""A TCP server of lines: a thread a connection, bounded lines, batches of what came together."""

from __future__ import annotations

import socketserver

from logflume.agent.intake import Stopped
from logflume.agent.sources.tcp_server import Guarded

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from typing import Protocol

    from logflume.agent.components import Source

    class LineTaker(Protocol):
        """What the server calls, from the connections' threads."""

        def take_lines(self, lines: list[bytes], connection: Connection) -> bool:
            """Whole lines without their ends; False ends the connection."""

        def too_long(self, part: bytes, connection: Connection) -> bytes | None:
            """The line's end is not in sight: what is left of it, or None to end the connection."""


__all__ = ["Connection", "LineServer"]

_RECEIVE = 65_536


class LineServer(Guarded, socketserver.TCPServer):
    """Listens; `owner` gets the lines. `serve()` returns when `draining` is set."""

    def __init__(
        self,
        address: tuple[str, int],
        owner: LineTaker,
        source: Source,
        line_bytes_max: int,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.guard(source, tls)
        self.owner = owner
        self.line_bytes_max = line_bytes_max
        super().__init__(address, Connection)


class Connection(socketserver.BaseRequestHandler):
    """One client."""

    server: LineServer

    @property
    def peer(self) -> str:
        """The client's address."""
        return str(self.client_address[0])

    def answer(self, data: bytes) -> None:
        """Say something to the client."""
        self.request.sendall(data)

    def handle(self) -> None:
        """Read until the client, or the owner, ends it."""
        owner = self.server.owner
        rest: bytes | None = b""
        try:
            while data := self.request.recv(_RECEIVE):
                *lines, rest = ((rest or b"") + data).split(b"\n")
                if lines and not owner.take_lines(_plain(lines), self):
                    return
                if len(rest) >= self.server.line_bytes_max:
                    rest = owner.too_long(rest, self)
                    if rest is None:
                        return
            if rest:
                owner.take_lines([rest], self)
        except (OSError, Stopped) as error:
            source = self.server.source
            source.log.debug("connection_ended", source=source.name, error=error)


def _plain(lines: list[bytes]) -> list[bytes]:
    return [line.removesuffix(b"\r") for line in lines]
