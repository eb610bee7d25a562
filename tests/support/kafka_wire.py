"""One request that no client library sends: Produce with a batch as it is, byte for byte."""

from __future__ import annotations

import socket
import struct

PRODUCE, VERSION = 0, 3


class Wire:
    """A connection to a broker at "host:port"."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=30)
        self._correlation = 0

    def produce(self, topic: str, partition: int, batch: bytes) -> tuple[int, int]:
        """(error code, base offset) for one batch to one partition, acks all."""
        name = topic.encode()
        body = struct.pack(">hhi", -1, -1, 30_000)  # no transactional id, acks, timeout
        body += struct.pack(">ih", 1, len(name)) + name
        body += struct.pack(">iii", 1, partition, len(batch)) + batch
        self._correlation += 1
        head = struct.pack(">hhih", PRODUCE, VERSION, self._correlation, -1)
        self._socket.sendall(struct.pack(">i", len(head) + len(body)) + head + body)
        (size,) = struct.unpack(">i", self._read(4))
        answer = self._read(size)
        at = 4 + 4 + 2 + len(name) + 4  # correlation, topics, name, partitions
        _, error, base_offset = struct.unpack_from(">ihq", answer, at)
        return error, base_offset

    def _read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = self._socket.recv(count - len(data))
            assert more, "the broker closed the connection"
            data += more
        return data

    def close(self) -> None:
        self._socket.close()
