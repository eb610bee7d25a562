"""Events to a web server, a request each."""

from __future__ import annotations

import http.client
import socket
import urllib.parse

from logflume.agent.components import Sink
from logflume.agent.options import family, needed, setting
from logflume.agent.registry import sink
from logflume.agent.tls import TlsClientConfig, client_context
from logflume.config.kinds import Bool, Duration, Text
from logflume.errors import DeliveryFailed, InvalidConfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from logflume.agent.events import EventBatch

__all__ = ["HttpSink", "HttpSinkConfig"]

_AT_ONCE = 10
_BACKOFF_S = 1.0
_ANSWER_MAX = 1 << 20


class HttpSinkConfig(TlsClientConfig, table="HTTP sink"):
    """Flume guide, "HTTP Sink"."""

    endpoint: str = needed("endpoint", Text(), doc="Where to: `http://` or `https://`.")
    connect_timeout: int = setting(
        "connectTimeout", 5000, Duration(min=1), doc="Time for connecting."
    )
    request_timeout: int = setting(
        "requestTimeout", 5000, Duration(min=1), doc="Time for an answer."
    )
    content_type_header: str = setting(
        "contentTypeHeader", "text/plain", Text(), doc="Content-Type of the requests."
    )
    accept_header: str = setting(
        "acceptHeader", "text/plain", Text(), doc="Accept of the requests."
    )
    default_backoff: bool = setting(
        "defaultBackoff", True, Bool(), doc="Pause after an answer that no rule is for."
    )
    default_rollback: bool = setting(
        "defaultRollback",
        True,
        Bool(),
        doc="Send the event again after an answer that no rule is for.",
    )
    default_increment_metrics: bool | None = setting(
        "defaultIncrementMetrics",
        None,
        Bool(),
        doc="Raise EventDrainSuccessCount after an answer that no rule is for. Not given: when the event is not sent"
        " again (Flume: never).",
    )
    backoff: dict[str, str] = family(
        "backoff.", doc="For a status (`503`) or its class (`5XX`): true or false."
    )
    rollback: dict[str, str] = family("rollback.", doc="Likewise.")
    increment_metrics: dict[str, str] = family(
        "incrementMetrics.", doc="Likewise: whether that answer raises EventDrainSuccessCount."
    )

    def check_component(self) -> None:
        parts = urllib.parse.urlsplit(self.endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidConfig(
                name="endpoint", value=self.endpoint, reason="must be http://… or https://…"
            )
        for name, rules in (
            ("backoff", self.backoff),
            ("rollback", self.rollback),
            ("incrementMetrics", self.increment_metrics),
        ):
            for code, value in rules.items():
                _check_rule(f"{name}.{code}", code, value)


@sink("http", "org.apache.flume.sink.http.HttpSink")
class HttpSink(Sink):
    """POSTs one event at a time; its body is the request's. At least once.

    2XX without a rule is success: Flume sends those again, too, unless `rollback.200 = false` stands there. What is to
    be sent again without a pause is tried ten times at once; then there is one.
    """

    Config = HttpSinkConfig
    counts_itself = True

    def setup(self) -> None:
        config = self.config
        parts = urllib.parse.urlsplit(config.endpoint)
        self._host, self._port = str(parts.hostname), parts.port
        self._path = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
        self._peer = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        self._tls = None
        if parts.scheme == "https":
            self._tls = client_context(config, always=True)
        self._connection: http.client.HTTPConnection | None = None

    @property
    def batch_size(self) -> int:
        """One: what was sent is not sent again because another was refused."""
        return 1

    def write(self, batch: EventBatch) -> None:
        for body in batch.body_list():
            self._deliver(body)

    def _deliver(self, body: bytes) -> None:
        config = self.config
        status = 0
        for _ in range(_AT_ONCE):
            status = self._post(body)
            fine = 200 <= status < 300
            again = _ruled(config.rollback, status, not fine and config.default_rollback)
            pause = _ruled(config.backoff, status, not fine and config.default_backoff)
            counted = config.default_increment_metrics
            if _ruled(config.increment_metrics, status, not again if counted is None else counted):
                self.counters.add("EventDrainSuccessCount")
            if not again:
                if not fine:
                    self.log.warning("event_given_up", sink=self.name, status=status)
                if pause:
                    self.context.draining.wait(_BACKOFF_S)
                return
            if pause:
                break
        raise DeliveryFailed(peer=self._peer, reason=f"it answered {status}")

    def _post(self, body: bytes) -> int:
        """The status. A connection that the server closed meanwhile is made anew, once."""
        for first in (True, False):
            fresh = self._connection is None
            try:
                return self._once(body)
            except (http.client.HTTPException, OSError) as error:
                self._disconnect()
                stale = isinstance(error, http.client.RemoteDisconnected | ConnectionError)
                if fresh or not stale or not first:
                    self.counters.add("ConnectionFailedCount")
                    raise DeliveryFailed(
                        peer=self._peer, reason=str(error) or repr(error)
                    ) from error
        raise AssertionError

    def _once(self, body: bytes) -> int:
        config = self.config
        if self._connection is None:
            timeout = config.connect_timeout / 1000
            made: http.client.HTTPConnection
            if self._tls is not None:
                made = http.client.HTTPSConnection(
                    self._host, self._port, timeout=timeout, context=self._tls
                )
            else:
                made = http.client.HTTPConnection(self._host, self._port, timeout=timeout)
            made.connect()
            assert isinstance(made.sock, socket.socket)
            made.sock.settimeout(config.request_timeout / 1000)
            self._connection = made
            self.counters.add("ConnectionCreatedCount")
        headers = {"Content-Type": config.content_type_header, "Accept": config.accept_header}
        self._connection.request("POST", self._path, body, headers)
        answer = self._connection.getresponse()
        answer.read(_ANSWER_MAX)
        if answer.will_close or not answer.isclosed():
            self._disconnect()
        return answer.status

    def _disconnect(self) -> None:
        one, self._connection = self._connection, None
        if one is not None:
            one.close()
            self.counters.add("ConnectionClosedCount")

    def close(self) -> None:
        self._disconnect()


def _check_rule(name: str, code: str, value: str) -> None:
    whole = len(code) == 3 and code.isdecimal()
    if not whole and not (len(code) == 3 and code[0].isdecimal() and code[1:].upper() == "XX"):
        raise InvalidConfig(
            name=name, value=value, reason="is for a status (404) or a class of them (4XX)"
        )
    if value.lower() not in ("true", "false"):
        raise InvalidConfig(name=name, value=value, reason="must be true or false")


def _ruled(rules: Mapping[str, str], status: int, default: bool) -> bool:
    """The rule for a status, for its class, or the default."""
    for code, value in rules.items():
        if code == str(status):
            return value.lower() == "true"
    for code, value in rules.items():
        if code.upper() == f"{status // 100}XX":
            return value.lower() == "true"
    return default
