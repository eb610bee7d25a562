"""Frames of Avro's Netty transport (Avro 1.11, `NettyTransportCodec`): a serial and a list of buffers.

    serial  int32, big endian      comes back with the answer
    count   int32                  buffers; a message is all of them joined
    count x { length int32, bytes }

With compression-type deflate the stream is zlib's in both directions, flushed behind each message.
"""

from __future__ import annotations

import io
import struct
import zlib

from logflume.errors import BadMessage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from typing_extensions import Buffer

    class Stream(Protocol):
        """What is needed of a socket."""

        def recv_into(self, into: Buffer, /) -> int: ...
        def sendall(self, data: Buffer, /) -> None: ...


__all__ = ["Frames", "Inflated"]

_TWO = struct.Struct(">ii")
_ONE = struct.Struct(">i")
_RECEIVE = 1 << 18
_BUFFERS_MAX = 1 << 16  # Java's come in 8 KiB each


class Frames:
    """Both directions of one connection. One thread's.

    Parameters: the socket; the peer's name for errors; bytes of a message at most; zlib's level, or None for none.
    """

    def __init__(
        self, connection: Stream, peer: str, bytes_max: int, level: int | None = None
    ) -> None:
        self._socket = connection
        self._peer = peer
        self._bytes_max = bytes_max
        self._deflate = None if level is None else zlib.compressobj(level)
        raw = _Raw(connection) if level is None else Inflated(connection, peer)
        self._in = io.BufferedReader(raw, _RECEIVE)

    def read(self) -> tuple[int, bytes] | None:
        """Serial and message; None when the peer closed the connection between two.

        Raises BadMessage for what is cut off, or larger than allowed, before it is received.
        """
        head = self._in.read(8)
        if not head:
            return None
        if len(head) < 8:
            raise self._bad("a frame is cut off")
        serial, count = _TWO.unpack(head)
        if not 0 <= count <= _BUFFERS_MAX:
            raise self._bad(f"a frame of {count} buffers; {_BUFFERS_MAX} are allowed")
        parts, size = [], 0
        for _ in range(count):
            length = _ONE.unpack(self._exactly(4))[0]
            size += length
            if length < 0 or size > self._bytes_max:
                raise self._bad(f"a frame of {size} bytes or more; {self._bytes_max} are allowed")
            parts.append(self._exactly(length))
        return serial, b"".join(parts)

    def _exactly(self, size: int) -> bytes:
        data = self._in.read(size)
        if len(data) < size:
            raise self._bad("a frame is cut off")
        return data

    def _bad(self, reason: str) -> BadMessage:
        return BadMessage(peer=self._peer, reason=reason)

    def write(self, serial: int, message: Buffer) -> None:
        """Send one message, as one buffer."""
        data = b"".join((_TWO.pack(serial, 1), _ONE.pack(len(memoryview(message))), message))
        if self._deflate is not None:
            data = self._deflate.compress(data) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        self._socket.sendall(data)


class _Raw(io.RawIOBase):
    """A socket's bytes. Unlike `makefile` it may time out and be read on."""

    def __init__(self, connection: Stream) -> None:
        self._socket = connection

    def readable(self) -> bool:
        return True

    def readinto(self, into: Buffer) -> int:
        return self._socket.recv_into(into)


class Inflated(_Raw):
    """Unpacked as it is asked for: a small piece that stands for much is never unpacked as a whole."""

    def __init__(self, connection: Stream, peer: str) -> None:
        super().__init__(connection)
        self._peer = peer
        self._inflate = zlib.decompressobj()
        self._received = memoryview(bytearray(_RECEIVE))
        self._packed = b""

    def readinto(self, into: Buffer) -> int:
        view = memoryview(into).cast("B")
        while True:
            try:
                data = self._inflate.decompress(self._packed, len(view))
            except zlib.error as error:
                raise BadMessage(peer=self._peer, reason=f"no zlib stream: {error}") from None
            self._packed = self._inflate.unconsumed_tail
            if data:
                view[: len(data)] = data
                return len(data)
            if self._inflate.eof:
                return 0
            count = self._socket.recv_into(self._received)
            if not count:
                return 0
            self._packed = bytes(self._received[:count])
