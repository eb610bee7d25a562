"""The HTTP sink against a server that answers what it is told."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from logflume.agent.events import EventBatch
from logflume.agent.options import parse_component
from logflume.agent.processors import Default
from logflume.agent.sinks.http import HttpSinkConfig
from logflume.errors import DeliveryFailed, InvalidConfig
from support.tls_files import Certificates

from .sinking import opened


class Server(ThreadingHTTPServer):
    """Answers the statuses in `answers`, the last of them for ever."""

    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Clients of these tests leave while they are answered."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Requests)
        self.answers = [200]
        self.got: list[tuple[bytes, dict[str, str]]] = []
        self.pause = 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/in?a=b"


class Requests(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((body, {"path": self.path, **dict(self.headers)}))
        time.sleep(self.server.pause)
        answers = self.server.answers
        self.send_response(answers.pop(0) if len(answers) > 1 else answers[0])
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def test_events_are_posted(server: Server) -> None:
    given = {"contentTypeHeader": "application/json", "acceptHeader": "text/html"}
    with opened("http", endpoint=server.url, **given) as sink:
        assert sink.batch_size == 1
        sink.write(EventBatch([b"one"]))
        sink.write(EventBatch([b"two"]))
        assert sink.counters["ConnectionCreatedCount"] == 1
    assert [body for body, _ in server.got] == [b"one", b"two"]
    headers = server.got[0][1]
    assert headers["path"] == "/in?a=b"
    assert (headers["Content-Type"], headers["Accept"]) == ("application/json", "text/html")


@pytest.mark.parametrize(
    ("answers", "rules", "requests", "delivered"),
    [
        ([500], {}, 1, False),
        ([404, 204], {"rollback__4XX": "false", "backoff__4XX": "false"}, 1, True),
        ([503, 503, 200], {"backoff__503": "false"}, 3, True),
        ([503], {"backoff__5XX": "false"}, 10, False),
        ([503], {"backoff__503": "true", "backoff__5XX": "false"}, 1, False),
        ([200], {"rollback__200": "true"}, 1, False),
        ([302], {"defaultRollback": "false", "defaultBackoff": "false"}, 1, True),
    ],
)
def test_rules(
    server: Server, answers: list[int], rules: dict[str, str], requests: int, delivered: bool
) -> None:
    server.answers = list(answers)
    rules = {"defaultBackoff": "true", **rules}
    if "rollback__200" in rules:
        rules["backoff__200"] = "true"
    with opened("http", endpoint=server.url, **rules) as sink:
        if delivered:
            sink.write(EventBatch([b"x"]))
        else:
            with pytest.raises(DeliveryFailed, match=f"answered {answers[-1]}"):
                sink.write(EventBatch([b"x"]))
    assert len(server.got) == requests


@pytest.mark.parametrize(
    ("answer", "rules", "counted"),
    [
        (200, {}, 1),
        (404, {"rollback__404": "false"}, 1),
        (200, {"incrementMetrics__200": "false"}, 0),
        (404, {"rollback__404": "false", "incrementMetrics__4XX": "false"}, 0),
        (200, {"defaultIncrementMetrics": "false"}, 0),
        (200, {"defaultIncrementMetrics": "false", "incrementMetrics__2XX": "true"}, 1),
        (503, {"rollback__503": "true", "incrementMetrics__503": "true"}, 10),
    ],
)
def test_what_counts_as_delivered(
    server: Server, answer: int, rules: dict[str, str], counted: int
) -> None:
    server.answers = [answer] * 10
    with opened("http", endpoint=server.url, defaultBackoff="false", **rules) as sink:
        processor = Default(parse_component(Default.Config, {}), [sink])
        if rules.get("rollback__503"):
            with pytest.raises(DeliveryFailed):
                processor.attempt(sink, EventBatch([b"x"]))
        else:
            processor.attempt(sink, EventBatch([b"x"]))
        assert sink.counters["EventDrainSuccessCount"] == counted


def test_a_server_that_is_slow_or_not_there(server: Server) -> None:
    server.pause = 0.5
    with opened("http", endpoint=server.url, requestTimeout="50") as sink:
        with pytest.raises(DeliveryFailed, match="timed out"):
            sink.write(EventBatch([b"x"]))
        assert sink.counters["ConnectionFailedCount"] == 1
    server.server_close()
    with opened("http", endpoint=server.url) as sink, pytest.raises(DeliveryFailed):
        sink.write(EventBatch([b"x"]))


def test_https(tmp_path: Path) -> None:
    files = Certificates(tmp_path)
    with Server() as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(files.pem)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        url = server.url.replace("http://127.0.0.1", "https://localhost")
        try:
            with opened("http", endpoint=url, truststore=str(files.ca)) as sink:
                sink.write(EventBatch([b"x"]))
            with (
                opened("http", endpoint=url) as sink,
                pytest.raises(DeliveryFailed, match="certificate verify failed"),
            ):
                sink.write(EventBatch([b"y"]))
        finally:
            server.shutdown()
            thread.join()
    assert [body for body, _ in server.got] == [b"x"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"endpoint": "ftp://x"},
        {"rollback.4": "true"},
        {"rollback.4XY": "true"},
        {"backoff.200": "perhaps"},
    ],
)
def test_what_cannot_be(wrong: dict[str, str]) -> None:
    with pytest.raises(InvalidConfig):
        parse_component(HttpSinkConfig, {"endpoint": "http://x", **wrong})
