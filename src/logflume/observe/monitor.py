"""A few pages over HTTP, for Prometheus and for those who ask whether all is well."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from logflume.types import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import NamedTuple

__all__ = ["Monitor", "Page"]

_REQUEST_S = 10


class Page(NamedTuple):
    """An answer."""

    body: bytes
    kind: str = "text/plain; charset=utf-8"
    status: int = 200


class Monitor:
    """Answers GET by path, from threads of its own; with an error, whatever else goes on.

    `pages`: what makes the page for a path, called in such a thread. Raises OSError when the address cannot be had.
    """

    def __init__(self, pages: Mapping[str, Callable[[], Page]], port: int, host: str) -> None:
        self._server = _Server((host, port), _handler(pages))
        self.host = host
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="logflume-monitor", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no news."""


def _handler(pages: Mapping[str, Callable[[], Page]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = _REQUEST_S
        server_version = "logflume"
        sys_version = ""

        def do_GET(self) -> None:
            make = pages.get(self.path.partition("?")[0])
            if make is None:
                self.send_error(404)
                return
            page = make()
            self.send_response(page.status)
            self.send_header("Content-Type", page.kind)
            self.send_header("Content-Length", str(len(page.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(page.body)

        do_HEAD = do_GET

        def log_message(self, format: str, *args: object) -> None:
            """Requests are not logged."""

    return Handler
