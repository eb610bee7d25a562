"""Counters over HTTP: Flume's JSON at `/metrics`, Prometheus' text at `/prometheus`, health at `/healthz`."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from logflume.agent.counters import Counters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Monitor", "prometheus"]


def prometheus(counters: list[Counters]) -> str:
    """All counts in Prometheus' text format, `logflume_agent_<name>{component=...}`."""
    lines: list[str] = []
    named: dict[str, list[str]] = {}
    for one in counters:
        labels = f'kind="{one.kind.lower()}",component="{_escaped(one.name)}"'
        for name, value in one.values().items():
            shown = f"logflume_agent_{_snake(name)}"
            named.setdefault(shown, []).append(f"{shown}{{{labels}}} {value:g}")
    for name, rows in sorted(named.items()):
        kind = "counter" if name.endswith("_count") and "connection" not in name else "gauge"
        lines += [f"# TYPE {name} {kind}", *rows]
    return "\n".join(lines) + "\n"


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


class Monitor:
    """Answers on a port, from a thread of its own. On loopback unless another address is given."""

    def __init__(
        self, read: Callable[[], list[Counters]], port: int, host: str = "127.0.0.1"
    ) -> None:
        self._server = ThreadingHTTPServer((host, port), _handler(read))
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="monitor", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(read: Callable[[], list[Counters]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/metrics":
                self._answer("application/json", json.dumps(Counters.json(read())))
            elif path == "/prometheus":
                self._answer("text/plain; version=0.0.4", prometheus(read()))
            elif path == "/healthz":
                self._answer("text/plain", "ok\n")
            else:
                self.send_error(404)

        def _answer(self, kind: str, text: str) -> None:
            body = text.encode()
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Requests are not logged."""

    return Handler
