"""Events in HTTP requests."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import cast

from logflume.agent.events import EventBatch
from logflume.agent.intake import Stopped
from logflume.agent.options import ComponentConfig, family, needed, parse_component, setting
from logflume.agent.registry import source
from logflume.agent.sources.listening import ListeningSource
from logflume.agent.sources.tcp_server import Guarded
from logflume.agent.tls import TlsServerConfig, server_context
from logflume.config.kinds import Int, Size, Text
from logflume.errors import ChannelFull, InvalidConfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from typing import Any

    Handler = Callable[[bytes, "dict[str, str]"], EventBatch]

__all__ = ["BlobConfig", "HttpConfig", "HttpSource"]

_REQUEST_BYTES_MAX = 64 << 20
_IDLE_S = 30
_NO_JETTY = "There is no Jetty here."


class HttpConfig(TlsServerConfig, table="HTTP source"):
    """Flume guide, "HTTP Source"."""

    bind: str = setting(
        "bind", "127.0.0.1", Text(), doc="Address to listen on. Flume's default is 0.0.0.0."
    )
    port: int = needed("port", Int(max=65_535), doc="Port to listen on; 0: any that is free.")
    handler: str = setting(
        "handler",
        "org.apache.flume.source.http.JSONHandler",
        Text(),
        doc="How a request becomes events: JSONHandler or BlobHandler.",
    )
    handler_options: dict[str, str] = family("handler.", doc="Its properties.")
    pool: dict[str, str] = family("QueuedThreadPool.", doc="Jetty's.", no_effect=_NO_JETTY)
    configuration: dict[str, str] = family(
        "HttpConfiguration.", doc="Jetty's.", no_effect=_NO_JETTY
    )
    tls_factory: dict[str, str] = family("SslContextFactory.", doc="Jetty's.", no_effect=_NO_JETTY)
    connector: dict[str, str] = family("ServerConnector.", doc="Jetty's.", no_effect=_NO_JETTY)


class BlobConfig(ComponentConfig, table="blob handler"):
    """Flume guide, "BlobHandler"."""

    max_blob_length: int = setting(
        "maxBlobLength", 100_000_000, Size(min=1), doc="Bytes of a request at most."
    )


class _NoConfig(ComponentConfig, table="JSON handler"):
    """No properties."""


def _json_events(body: bytes, headers: dict[str, str]) -> EventBatch:
    """`[{"headers": {...}, "body": "..."}]`; ValueError says what is wrong.

    As in Flume a number or a truth value is the text that it is written as.
    """
    try:
        items = json.loads(body, parse_int=str, parse_float=str)
    except ValueError as error:
        raise ValueError(f"is no JSON: {error}") from None
    if not isinstance(items, list):
        raise ValueError("is no list of events")
    return EventBatch.of_rows([_json_event(item) for item in items])


def _json_event(item: object) -> tuple[dict[str, str], bytes]:
    if not isinstance(item, dict):
        raise ValueError("has an event that is no object")
    given, body = item.get("headers"), item.get("body")
    headers = {} if given is None else given
    body = "" if body is None else _as_text(body)
    if not isinstance(headers, dict) or body is None:
        raise ValueError('has an event whose "headers" are no object or whose "body" is no text')
    texts = {name: _as_text(value) for name, value in headers.items()}
    if None in texts.values():
        raise ValueError("has a header that is no text")
    return cast("dict[str, str]", texts), body.encode("utf-8", "surrogatepass")


def _as_text(value: object) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else None


@source("http", "org.apache.flume.source.http.HTTPSource")
class HttpSource(ListeningSource):
    """A request is a transaction: 200 when the channels have its events, 503 when they are full, 400 for nonsense."""

    Config = HttpConfig

    def setup(self) -> None:
        self._tls = server_context(self.config)
        name = self.config.handler.lower().removesuffix("$builder")
        self._limit = _REQUEST_BYTES_MAX
        if name in ("json", "org.apache.flume.source.http.jsonhandler"):
            parse_component(_NoConfig, self.config.handler_options)
            self.read: Handler = _json_events
        elif name in ("blob", "org.apache.flume.sink.solr.morphline.blobhandler"):
            self._limit = parse_component(BlobConfig, self.config.handler_options).max_blob_length
            self.read = lambda body, headers: EventBatch([body], headers)
        else:
            raise InvalidConfig(
                name="handler",
                value=self.config.handler,
                reason="there is no such handler; JSONHandler and BlobHandler are served",
            )

    def make_server(self) -> _Server:
        return _Server(self, self._limit, self._tls)


class _Server(Guarded, HTTPServer):
    def __init__(self, owner: HttpSource, limit: int, tls: ssl.SSLContext | None) -> None:
        self.guard(owner, tls)
        self.owner = owner
        self.limit = limit
        super().__init__((owner.config.bind, owner.config.port), _Requests)


class _Requests(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _IDLE_S
    server: _Server

    def do_POST(self) -> None:
        owner = self.server.owner
        body = self._body()
        if body is None:
            return
        try:
            batch = owner.read(body, {n.lower(): value for n, value in self.headers.items()})
        except ValueError as error:
            owner.counters.add("EventReadFail")
            self._answer(400, f"the request {error}")
            return
        try:
            if len(batch):
                owner.offer(batch, None)
        except (ChannelFull, Stopped) as error:
            owner.counters.add("ChannelWriteFail")
            self._answer(503, str(error))
        except Exception as error:  # the client is told, and may send it again
            owner.counters.add("GenericProcessingFail")
            owner.log.error("request_failed", source=owner.name, error=error)
            self._answer(500, "the events could not be stored")
        else:
            self._answer(200, "")

    def _body(self) -> bytes | None:
        text = self.headers.get("Content-Length", "")
        if not text.isdecimal():
            self._answer(411, "a Content-Length is needed", close=True)
            return None
        if int(text) > self.server.limit:
            self._answer(413, f"a request may have {self.server.limit} bytes", close=True)
            return None
        return self.rfile.read(int(text))

    def _answer(self, status: int, text: str, *, close: bool = False) -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        if close:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        owner = self.server.owner
        owner.log.debug("request", source=owner.name, line=format % args)
