"""TLS inside a deflated stream, as Flume 1.11 has it with both ssl and deflate: its handshake is deflated, too.

(Flume 1.9 had it the other way round, which is what one would expect; a source tells them apart by the first byte.)
"""

from __future__ import annotations

import ssl
import zlib

from logflume.agent.rpc.avro_frames import Inflated

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from typing_extensions import Buffer

    from logflume.agent.rpc.avro_frames import Stream

__all__ = ["InnerTls"]

_PIECE = 1 << 16


class InnerTls:
    """What `Frames` needs of a socket, over one that carries zlib's stream. One thread's.

    The handshake is done when it is made. Raises ssl.SSLError, BadMessage, OSError.
    """

    def __init__(
        self,
        connection: Stream,
        context: ssl.SSLContext,
        peer: str,
        level: int,
        *,
        server_side: bool,
        hostname: str | None = None,
    ) -> None:
        self._socket = connection
        self._inflated = Inflated(connection, peer)
        self._deflate = zlib.compressobj(level)
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._in, self._out, server_side=server_side, server_hostname=hostname
        )
        self._buffer = memoryview(bytearray(_PIECE))
        self._do(self._tls.do_handshake)

    def recv_into(self, into: Buffer) -> int:
        """As a socket's."""
        view = memoryview(into).cast("B")
        try:
            return int(self._do(self._tls.read, len(view), view))
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return 0

    def sendall(self, data: Buffer) -> None:
        """As a socket's."""
        rest = memoryview(data).cast("B")
        while len(rest):
            rest = rest[int(self._do(self._tls.write, rest)) :]

    def _do(self, call: Callable[..., Any], *arguments: object) -> Any:
        while True:
            try:
                done = call(*arguments)
            except ssl.SSLWantReadError:
                self._flush()
                count = self._inflated.readinto(self._buffer)
                if count:
                    self._in.write(self._buffer[:count])
                else:
                    self._in.write_eof()
                continue
            self._flush()
            return done

    def _flush(self) -> None:
        data = self._out.read()
        if data:
            self._socket.sendall(
                self._deflate.compress(data) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
            )
