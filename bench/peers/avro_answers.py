"""A server that answers every Avro call of Flume's with OK and looks into none: as fast as its client can be."""

from __future__ import annotations

import socket
import sys
import threading

from logflume.agent.rpc.avro_calls import ServerSide
from logflume.agent.rpc.avro_frames import Frames


def serve(connection: socket.socket) -> None:
    """One connection, to its end."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    frames = Frames(connection, "client", 64 << 20)
    calls = ServerSide("client")
    met = False
    while (frame := frames.read()) is not None:
        serial, message = frame
        if not met:
            met = calls.call(message) is not None
        frames.write(serial, calls.answer(0 if met else None))


def main() -> None:
    """Listen on the port that was given."""
    with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as server:
        while True:
            connection, _ = server.accept()
            threading.Thread(target=serve, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    main()
