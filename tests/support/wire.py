"""A client that speaks any version of any API: fields in, fields out, over a socket."""

from __future__ import annotations

import io
import socket
from collections.abc import Mapping
from itertools import count
from typing import Any

from kio.index import load_request_schema, load_response_schema
from kio.serial import entity_reader, entity_writer

from logflume.broker.api_keys import is_flexible
from logflume.broker.messages import _builder


class Wire:
    """One connection. Fields that a version lacks are left out of its request."""

    def __init__(self, bootstrap: str, client_id: str = "wire") -> None:
        host, port = bootstrap.rsplit(":", 1)
        self._socket = socket.create_connection((host, int(port)), timeout=60)
        self._client_id = client_id.encode()
        self._numbers = count(1)

    def send(self, api: int, version: int, fields: Mapping[str, Any]) -> int:
        """A request; its number."""
        number = next(self._numbers)
        out = io.BytesIO()
        out.write(api.to_bytes(2, "big") + version.to_bytes(2, "big") + number.to_bytes(4, "big"))
        out.write(len(self._client_id).to_bytes(2, "big") + self._client_id)
        if is_flexible(api, version):
            out.write(b"\0")
        request = load_request_schema(api, version)
        entity_writer(request)(out, _builder(request)(fields))
        data = out.getvalue()
        self._socket.sendall(len(data).to_bytes(4, "big") + data)
        return number

    def receive(self, api: int, version: int, number: int) -> Any:
        """The answer to a request, as kio's object."""
        frame = self._take(int.from_bytes(self._take(4), "big"))
        assert int.from_bytes(frame[:4], "big") == number
        at = 4
        if is_flexible(api, version):
            assert frame[4] == 0
            at = 5
        response, size = entity_reader(load_response_schema(api, version))(frame, at)
        assert at + size == len(frame), "bytes left over"
        return response

    def ask(self, api: int, version: int, **fields: Any) -> Any:
        """A request and its answer."""
        return self.receive(api, version, self.send(api, version, fields))

    def _take(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self._socket.recv(size - len(data))
            assert piece, "the broker closed the connection"
            data += piece
        return data

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
