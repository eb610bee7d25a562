"""Consumers that wait: `idle_pollers BOOTSTRAP TOPIC PID COUNT MAX_WAIT_MS SECONDS`.

Each has a connection of its own and a fetch on it that waits for records that never come, and asks again when the
broker gives up waiting. Prints, as JSON, the processor time that process PID took meanwhile (share of a core), and how
many fetches were answered.
"""

from __future__ import annotations

import json
import os
import selectors
import socket
import struct
import sys
import time

__all__: list[str] = []

FETCH, VERSION = 1, 11
SETTLING_S = 2.0


def _fetch(topic: str, max_wait_ms: int) -> bytes:
    """A Fetch of version 11, without a session: one partition, from its end on."""
    name = topic.encode()
    body = struct.pack(">iiiib", -1, max_wait_ms, 1, 1 << 20, 0)  # replica, wait, bytes, isolation
    body += struct.pack(">ii", 0, -1)  # no session
    body += struct.pack(">ih", 1, len(name)) + name
    body += struct.pack(">iiiqqi", 1, 0, -1, 0, -1, 1 << 20)  # partition, epochs, offset 0
    body += struct.pack(">i", 0) + struct.pack(">h", 0)  # nothing forgotten, no rack
    head = struct.pack(">hhih", FETCH, VERSION, 1, -1)
    return struct.pack(">i", len(head) + len(body)) + head + body


def _cpu_s(pid: int) -> float:
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class _Pollers:
    """All of them, in one thread."""

    def __init__(self, address: tuple[str, int], request: bytes, count: int) -> None:
        self._request = request
        self._selector = selectors.DefaultSelector()
        self.answered = 0
        for _ in range(count):
            one = socket.create_connection(address, timeout=30)
            one.sendall(request)
            self._selector.register(one, selectors.EVENT_READ)

    def go_on(self, seconds: float) -> None:
        """Ask again where an answer came."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            for key, _ in self._selector.select(left):
                one = key.fileobj
                assert isinstance(one, socket.socket)
                size = struct.unpack(">i", one.recv(4, socket.MSG_WAITALL))[0]
                one.recv(size, socket.MSG_WAITALL)
                self.answered += 1
                one.sendall(self._request)


def main(words: list[str]) -> None:
    bootstrap, topic, pid, count, max_wait_ms, seconds = words
    host, _, port = bootstrap.rpartition(":")
    request = _fetch(topic, int(max_wait_ms))
    pollers = _Pollers((host, int(port)), request, int(count))
    pollers.go_on(SETTLING_S)
    pollers.answered, before, started = 0, _cpu_s(int(pid)), time.monotonic()
    pollers.go_on(float(seconds))
    took = time.monotonic() - started
    share = (_cpu_s(int(pid)) - before) / took
    print(json.dumps({"share": share, "answered": pollers.answered, "seconds": took}))


if __name__ == "__main__":
    main(sys.argv[1:])
