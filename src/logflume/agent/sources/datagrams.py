"""Sources of UDP datagrams: what came together is one transaction."""

from __future__ import annotations

import socket

from logflume.agent.components import Source
from logflume.agent.events import EventBatch

__all__ = ["Datagrams"]

_SIZE_MAX = 65_535
_TOGETHER = 500
_BUFFER = (
    4 << 20
)  # the kernel keeps so much while a channel is full; what comes beyond is lost, as UDP is


class Datagrams(Source):
    """A subclass says where to listen and what a datagram is."""

    _socket: socket.socket | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Where to listen."""
        raise NotImplementedError

    def event(self, data: bytes, sender: str) -> tuple[dict[str, str], bytes]:
        """Headers and body of one datagram."""
        raise NotImplementedError

    def open(self) -> None:
        host, port = self.address
        family = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0][0]
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        self._socket.settimeout(0.1)
        self._socket.bind((host, port))

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._socket is not None
        return int(self._socket.getsockname()[1])

    def run(self) -> None:
        while not self.draining.is_set():
            rows = self._received()
            if rows:
                self.deliver(EventBatch.of_rows(rows), None)

    def _received(self) -> list[tuple[dict[str, str], bytes]]:
        """The first datagram, waited for, and those behind it."""
        assert self._socket is not None
        rows = []
        try:
            data, sender = self._socket.recvfrom(_SIZE_MAX)
            while True:
                rows.append(self.event(data, str(sender[0])))
                if len(rows) >= _TOGETHER:
                    break
                data, sender = self._socket.recvfrom(_SIZE_MAX, socket.MSG_DONTWAIT)
        except (TimeoutError, BlockingIOError):
            pass
        return rows

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
