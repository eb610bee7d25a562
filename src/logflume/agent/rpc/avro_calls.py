"""Calls of Flume's AvroSourceProtocol, both sides (Avro 1.11 specification, "Protocol Wire Format").

A connection's first message begins with a handshake: each side tells the hash of its protocol, and the protocol's text
when the other does not know it. Then a call is metadata, the message's name and its parameters; an answer is
metadata, whether it is an error, and the value.
"""

from __future__ import annotations

import hashlib
import io
import json

import fastavro

from logflume.agent.rpc.avro_events import EVENT_SCHEMA, decode_array, encode_array
from logflume.errors import BadMessage, DeliveryFailed, InvalidRecord

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from logflume.agent.events import EventBatch

__all__ = ["FAILED", "OK", "ClientSide", "ServerSide"]

OK, FAILED = 0, 1
_STATUS = ("OK", "FAILED", "UNKNOWN")

PROTOCOL: dict[str, Any] = {
    "protocol": "AvroSourceProtocol",
    "namespace": "org.apache.flume.source.avro",
    "types": [{"type": "enum", "name": "Status", "symbols": list(_STATUS)}, EVENT_SCHEMA],
    "messages": {
        "append": {
            "request": [{"name": "event", "type": "AvroFlumeEvent"}],
            "response": "Status",
        },
        "appendBatch": {
            "request": [{"name": "events", "type": {"type": "array", "items": "AvroFlumeEvent"}}],
            "response": "Status",
        },
    },
}
_TEXT = json.dumps(PROTOCOL, separators=(",", ":"))
_HASH = hashlib.md5(_TEXT.encode(), usedforsecurity=False).digest()
# Flume 1.11's protocol has comments, so another hash; known, its clients are spared a second round.
_HASHES = frozenset((_HASH, bytes.fromhex("86aadae2c45474c0fe93ffd0f2350a65")))

_META = {"type": "map", "values": "bytes"}
_MD5 = {"type": "fixed", "name": "MD5", "size": 16, "namespace": "org.apache.avro.ipc"}
_REQUEST = fastavro.parse_schema(
    {
        "type": "record",
        "name": "HandshakeRequest",
        "namespace": "org.apache.avro.ipc",
        "fields": [
            {"name": "clientHash", "type": _MD5},
            {"name": "clientProtocol", "type": ["null", "string"]},
            {"name": "serverHash", "type": "MD5"},
            {"name": "meta", "type": ["null", _META]},
        ],
    }
)
_MATCHES = {"type": "enum", "name": "HandshakeMatch", "symbols": ["BOTH", "CLIENT", "NONE"]}
_RESPONSE = fastavro.parse_schema(
    {
        "type": "record",
        "name": "HandshakeResponse",
        "namespace": "org.apache.avro.ipc",
        "fields": [
            {"name": "match", "type": _MATCHES},
            {"name": "serverProtocol", "type": ["null", "string"]},
            {"name": "serverHash", "type": ["null", _MD5]},
            {"name": "meta", "type": ["null", _META]},
        ],
    }
)
_CALL = fastavro.parse_schema(
    {
        "type": "record",
        "name": "Call",
        "fields": [{"name": "meta", "type": _META}, {"name": "message", "type": "string"}],
    }
)
_ANSWER = fastavro.parse_schema(
    {
        "type": "record",
        "name": "Answer",
        "fields": [{"name": "meta", "type": _META}, {"name": "error", "type": "boolean"}],
    }
)


class ServerSide:
    """One connection of a server: messages in, calls out; answers in, messages out."""

    def __init__(self, peer: str) -> None:
        self._peer = peer
        self._met = False
        self._greeting = b""

    def call(self, message: bytes) -> tuple[str, EventBatch] | None:
        """The name of what is called, and its events. None for a handshake that has to be repeated: `answer` it.

        Raises BadMessage.
        """
        if self._met and message.startswith(_APPEND_BATCH):
            return "appendBatch", self._events(message, len(_APPEND_BATCH))
        stream = io.BytesIO(message)
        if not self._met and not self._meet(stream):
            return None
        name = self._read(stream, _CALL)["message"]
        start = stream.tell()
        if name not in PROTOCOL["messages"]:
            raise BadMessage(peer=self._peer, reason=f"there is no message {name!r}")
        if name == "append":
            # One event is an array of one, once its ends are put around it.
            return name, self._events(b"\2" + message[start:] + b"\0", 0)
        return name, self._events(message, start)

    def _events(self, data: bytes, start: int) -> EventBatch:
        try:
            return decode_array(data, start)
        except InvalidRecord as error:
            raise BadMessage(peer=self._peer, reason=error.reason) from None

    def _meet(self, stream: io.BytesIO) -> bool:
        shake = self._read(stream, _REQUEST)
        text = shake["clientProtocol"]
        known = shake["clientHash"] in _HASHES
        if text is not None and not known:
            self._check(text)
            known = True
        both = shake["serverHash"] in _HASHES
        self._greeting = _written(
            _RESPONSE,
            {
                "match": "NONE" if not known else "BOTH" if both else "CLIENT",
                "serverProtocol": None if known and both else _TEXT,
                "serverHash": None if known and both else _HASH,
                "meta": None,
            },
        )
        self._met = known
        return known

    def _check(self, text: str) -> None:
        """A client may have more messages; those that it shares with us must carry the same bytes."""
        if not _agrees(text):
            raise BadMessage(
                peer=self._peer, reason="its protocol is another than Flume's AvroSourceProtocol"
            )

    def _read(self, stream: io.BytesIO, schema: Any) -> Any:
        try:
            return fastavro.schemaless_reader(stream, schema, None)
        except Exception as error:  # whatever fastavro makes of bytes that are no such record
            raise BadMessage(
                peer=self._peer, reason=f"no {schema['name']}: {type(error).__name__}: {error}"
            ) from None

    def answer(self, status: int | None) -> bytes:
        """A status; None answers a handshake that has to be repeated."""
        greeting, self._greeting = self._greeting, b""
        if status is None:
            return greeting
        return greeting + b"\0\0" + bytes((status * 2,))

    def refusal(self, reason: str) -> bytes:
        """An error that the client raises with this text."""
        greeting, self._greeting = self._greeting, b""
        text = reason.encode()
        return greeting + b"\0\1\0" + _written("string", text.decode())


class ClientSide:
    """One connection of a client."""

    def __init__(self, peer: str) -> None:
        self._peer = peer
        self._met = False

    def call(self, batch: EventBatch) -> bytes:
        """appendBatch of these events. The first call also tells our protocol, so that no server asks for it."""
        head = b""
        if not self._met:
            head = _written(
                _REQUEST,
                {"clientHash": _HASH, "clientProtocol": _TEXT, "serverHash": _HASH, "meta": None},
            )
        return head + _APPEND_BATCH + encode_array(batch)

    def check(self, message: bytes) -> None:
        """Return when the answer says that the events were taken. Raises DeliveryFailed, BadMessage."""
        stream = io.BytesIO(message)
        try:
            if not self._met:
                shake: Mapping[str, Any] = fastavro.schemaless_reader(stream, _RESPONSE, None)  # type: ignore[assignment]
                self._meet(shake)
            failed = fastavro.schemaless_reader(stream, _ANSWER, None)["error"]  # type: ignore[call-overload,index]
            if failed:
                text: Any = fastavro.schemaless_reader(stream, ["string"], None)
                raise DeliveryFailed(peer=self._peer, reason=text)
            status: Any = fastavro.schemaless_reader(stream, "int", None)
        except (DeliveryFailed, BadMessage):
            raise
        except Exception as error:  # whatever fastavro makes of bytes that are no answer
            raise BadMessage(
                peer=self._peer, reason=f"no answer of Avro's: {type(error).__name__}: {error}"
            ) from None
        if status != OK:
            said = _STATUS[status] if status in (0, 1, 2) else status
            raise DeliveryFailed(peer=self._peer, reason=f"it answered {said}")

    def _meet(self, shake: Mapping[str, Any]) -> None:
        if shake["match"] == "NONE":
            raise BadMessage(peer=self._peer, reason="it does not take Flume's AvroSourceProtocol")
        if shake["serverProtocol"] is not None and not _agrees(shake["serverProtocol"]):
            raise BadMessage(
                peer=self._peer, reason="its protocol is another than Flume's AvroSourceProtocol"
            )
        self._met = True


def _written(schema: Any, value: Any) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema, value)
    return out.getvalue()


_APPEND_BATCH = _written(_CALL, {"meta": {}, "message": "appendBatch"})


def _agrees(text: str) -> bool:
    """Whether a protocol has a message of ours, and each that it has carries the same types."""
    try:
        theirs = json.loads(text)
        shared = [name for name in PROTOCOL["messages"] if name in theirs["messages"]]
        return bool(shared) and all(
            _shape(theirs, name, part) == _shape(PROTOCOL, name, part)
            for name in shared
            for part in ("request", "response")
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return False


def _shape(protocol: Mapping[str, Any], message: str, part: str) -> object:
    """The types of a message without their names and documentation."""
    named = {one["name"].rpartition(".")[2]: one for one in protocol.get("types", [])}
    asked = protocol["messages"][message][part]
    if part == "request":
        return [_bare(field["type"], named) for field in asked]
    return _bare(asked, named)


def _bare(schema: Any, named: Mapping[str, Any], depth: int = 0) -> object:
    if depth > 8:
        raise ValueError("a type within itself")
    if isinstance(schema, str):
        found = named.get(schema.rpartition(".")[2])
        return schema if found is None else _bare(found, named, depth + 1)
    kind = schema["type"]
    if kind == "record":
        return [(f["name"], _bare(f["type"], named, depth + 1)) for f in schema["fields"]]
    if kind == "enum":
        return list(schema["symbols"])
    if kind == "array":
        return ["array", _bare(schema["items"], named, depth + 1)]
    if kind == "map":
        return ["map", _bare(schema["values"], named, depth + 1)]
    return _bare(kind, named, depth + 1)
