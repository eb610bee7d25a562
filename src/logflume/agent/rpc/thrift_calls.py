"""Calls of Flume's ThriftSourceProtocol, both sides, by the accelerated protocols of Apache's library.

    struct ThriftFlumeEvent { 1: required map<string, string> headers, 2: required binary body }
    enum Status { OK, FAILED, ERROR, UNKNOWN }
    service ThriftSourceProtocol {
        Status append(1: ThriftFlumeEvent event)
        Status appendBatch(1: list<ThriftFlumeEvent> events)
    }

Messages are framed: four bytes of length, big endian, before each.
"""

from __future__ import annotations

import socket
import struct

from thrift.protocol.TBinaryProtocol import TBinaryProtocolAccelerated
from thrift.protocol.TCompactProtocol import TCompactProtocolAccelerated
from thrift.Thrift import TApplicationException, TMessageType, TType
from thrift.transport.TTransport import TMemoryBuffer

from logflume.agent.events import EventBatch
from logflume.errors import BadMessage, DeliveryFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["FAILED", "OK", "ClientSide", "ServerSide", "read_frame", "write_frame"]

OK, FAILED = 0, 1
_STATUS = ("OK", "FAILED", "ERROR", "UNKNOWN")
_LENGTH = struct.Struct(">i")
_TEXTS = (TType.STRING, "UTF8", TType.STRING, "UTF8", False)


class _Event:
    """As the library's generated classes are: what its C part looks for is `thrift_spec`."""

    thrift_spec = (
        None,
        (1, TType.MAP, "headers", _TEXTS, None),
        (2, TType.STRING, "body", "BINARY", None),
    )

    def __init__(self, headers: dict[str, str] | None = None, body: bytes | None = None) -> None:
        self.headers = headers
        self.body = body


class _One:
    thrift_spec = (None, (1, TType.STRUCT, "event", [_Event, _Event.thrift_spec], None))
    event: _Event | None = None


class _Many:
    thrift_spec = (
        None,
        (1, TType.LIST, "events", (TType.STRUCT, [_Event, _Event.thrift_spec], False), None),
    )
    events: list[_Event] | None = None


class _Result:
    thrift_spec = ((0, TType.I32, "success", None, None),)
    success: int | None = None


def _protocol(compact: bool, buffer: TMemoryBuffer, limit: int) -> Any:
    kind = TCompactProtocolAccelerated if compact else TBinaryProtocolAccelerated
    # No string is longer than its frame, no list has more items than that has bytes.
    return kind(buffer, string_length_limit=limit, container_length_limit=limit)


class ServerSide:
    """Messages of one connection as calls, statuses as messages."""

    def __init__(self, peer: str, *, compact: bool) -> None:
        self._peer = peer
        self._compact = compact
        self._called: tuple[str, int] = ("", 0)

    def call(self, message: bytes) -> tuple[str, EventBatch]:
        """The name of what is called, and its events. Raises BadMessage."""
        protocol = _protocol(self._compact, TMemoryBuffer(message), len(message))
        try:
            name, kind, sequence = protocol.readMessageBegin()
            self._called = str(name), sequence
            if kind not in (TMessageType.CALL, TMessageType.ONEWAY):
                raise ValueError("it is no call")
            if name not in ("append", "appendBatch"):
                raise ValueError(f"there is no message {name!r}")
            asked: _One | _Many = _One() if name == "append" else _Many()
            protocol._fast_decode(asked, protocol, [type(asked), asked.thrift_spec])
            events = [asked.event] if isinstance(asked, _One) else asked.events
            rows = [_row(event) for event in events or ()]
        except Exception as error:  # whatever the library makes of bytes that are no call
            raise BadMessage(peer=self._peer, reason=f"{type(error).__name__}: {error}") from None
        return name, EventBatch.of_rows(rows)

    def answer(self, status: int) -> bytes:
        """A status for the last call."""
        return _encoded(self._compact, self._called, TMessageType.REPLY, _Result, success=status)

    def refusal(self, reason: str) -> bytes:
        """What the library's clients raise with this text."""
        buffer = TMemoryBuffer()
        protocol = _protocol(self._compact, buffer, 1 << 20)
        protocol.writeMessageBegin(self._called[0], TMessageType.EXCEPTION, self._called[1])
        TApplicationException(TApplicationException.PROTOCOL_ERROR, reason).write(protocol)
        protocol.writeMessageEnd()
        return bytes(buffer.getvalue())


class ClientSide:
    """Events as messages, and what is answered."""

    def __init__(self, peer: str, *, compact: bool) -> None:
        self._peer = peer
        self._compact = compact
        self._sequence = 0

    def call(self, batch: EventBatch) -> bytes:
        """appendBatch of these events."""
        self._sequence = (self._sequence + 1) & 0x7FFFFFFF
        pairs = zip(batch.rows(), batch.body_list(), strict=True)
        events = [_Event(headers, body) for headers, body in pairs]
        head = "appendBatch", self._sequence
        return _encoded(self._compact, head, TMessageType.CALL, _Many, events=events)

    def check(self, message: bytes) -> None:
        """Return when the answer says that the events were taken. Raises DeliveryFailed, BadMessage."""
        protocol = _protocol(self._compact, TMemoryBuffer(message), len(message))
        try:
            _, kind, sequence = protocol.readMessageBegin()
            if kind == TMessageType.EXCEPTION:
                said = TApplicationException()
                said.read(protocol)
                raise DeliveryFailed(peer=self._peer, reason=str(said))
            if sequence != self._sequence:
                raise ValueError(f"it answers {sequence}, asked was {self._sequence}")
            result = _Result()
            protocol._fast_decode(result, protocol, [_Result, _Result.thrift_spec])
        except DeliveryFailed:
            raise
        except Exception as error:  # whatever the library makes of bytes that are no answer
            raise BadMessage(peer=self._peer, reason=f"{type(error).__name__}: {error}") from None
        if result.success != OK:
            known = result.success in range(len(_STATUS))
            said = _STATUS[result.success] if known and result.success else result.success
            raise DeliveryFailed(peer=self._peer, reason=f"it answered {said}")


def _row(event: Any) -> tuple[dict[str, str], bytes]:
    if event is None or event.headers is None or event.body is None:
        raise ValueError("an event lacks its headers or its body")
    return event.headers, event.body


def _encoded(
    compact: bool, head: tuple[str, int], kind: int, cls: type[_Many | _Result], **fields: object
) -> bytes:
    buffer = TMemoryBuffer()
    protocol = _protocol(compact, buffer, 0x7FFFFFFF)
    value = cls()
    value.__dict__.update(fields)
    protocol.writeMessageBegin(head[0], kind, head[1])
    buffer.write(protocol._fast_encode(value, [cls, cls.thrift_spec]))
    protocol.writeMessageEnd()
    return bytes(buffer.getvalue())


def read_frame(connection: socket.socket, peer: str, bytes_max: int) -> bytes | None:
    """One message; None when the peer closed the connection between two. Raises BadMessage."""
    head = _exactly(connection, 4, peer, first=True)
    if head is None:
        return None
    size = _LENGTH.unpack(head)[0]
    if not 0 < size <= bytes_max:
        raise BadMessage(peer=peer, reason=f"a frame of {size} bytes; {bytes_max} are allowed")
    return _exactly(connection, size, peer, first=False)


def _exactly(connection: socket.socket, size: int, peer: str, *, first: bool) -> bytes | None:
    parts, left = [], size
    while left:
        data = connection.recv(min(left, 1 << 18))
        if not data:
            if first and left == size:
                return None
            raise BadMessage(peer=peer, reason="a frame is cut off")
        parts.append(data)
        left -= len(data)
    return b"".join(parts)


def write_frame(connection: socket.socket, message: bytes) -> None:
    """Send one message."""
    connection.sendall(_LENGTH.pack(len(message)) + message)
