"""kafka://host:9092,host2:9092?option=value."""

from __future__ import annotations

import os

from logflume.config import ConsumerConfig, ProducerConfig
from logflume.config.option import dotted
from logflume.errors import InvalidConfig, UnsupportedByEngine
from logflume.types import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ClusterAddress", "parse_address"]

_PORT = 9092
_TIMEOUT = "default.api.timeout.ms"
_TIMEOUT_MS = 60_000
_OWN = "is set by logflume itself"
_RESERVED = {
    "bootstrap.servers": "the servers are the address's host names",
    "metadata.broker.list": "the servers are the address's host names",
    **dict.fromkeys(
        (
            "enable.auto.offset.store",
            "enable.partition.eof",
            "log.queue",
            "delivery.report.only.error",
            "produce.offset.report",
            "plugin.library.paths",
        ),
        _OWN,
    ),
}


class ClusterAddress(NamedTuple):
    """Where a cluster is, and librdkafka's options for all connections to it."""

    servers: str
    options: dict[str, str]
    timeout_s: float = _TIMEOUT_MS / 1000
    """How long calls that take no timeout of their own wait for the cluster: default.api.timeout.ms."""

    def __repr__(self) -> str:
        return f"<ClusterAddress {self.path}>"  # no options: they may be secrets

    @property
    def path(self) -> str:
        """The address without options, which may be secrets."""
        return f"kafka://{self.servers}"


def parse_address(address: str, options: Mapping[str, object]) -> ClusterAddress:
    """An address and keyword options, whose underscores stand for dots.

    Raises UnsupportedByEngine for another scheme than kafka, InvalidConfig for what cannot be.
    """
    from urllib.parse import parse_qsl, urlsplit

    parts = urlsplit(address)
    if parts.scheme != "kafka":
        raise UnsupportedByEngine(
            what=f"the address {parts.scheme}://…",
            instead="a directory's path or kafka://host:port",
        )
    if parts.path.strip("/") or parts.fragment or "@" in parts.netloc:
        raise InvalidConfig(
            name="address",
            value=f"kafka://{parts.netloc.rpartition('@')[2]}{parts.path}",
            reason="is kafka://host:port,host:port?option=value; users and passwords are options (sasl.username, …)",
        )
    given: dict[str, str] = {}
    try:
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise InvalidConfig(
            name="address",
            value="(not shown)",
            reason="options behind ? are name=value, with & between them",
        ) from None
    for name, value in [*pairs, *((dotted(n), _text(v)) for n, v in options.items())]:
        if name in given:
            raise InvalidConfig(name=name, value="(not shown)", reason="is given twice")
        _check_option(name)
        given[name] = _looked_up(name, value)
    timeout_s = _seconds(given.pop(_TIMEOUT, str(_TIMEOUT_MS)))
    servers = ",".join(_server(host) for host in parts.netloc.split(","))
    return ClusterAddress(servers, given, timeout_s)


def _looked_up(name: str, value: str) -> str:
    """`${env:NAME}` and `${file:PATH}`, so that secrets stand in no address; other values as they are."""
    if not (value.startswith("${") and value.endswith("}")):
        return value
    kind, _, what = value[2:-1].partition(":")
    try:
        if kind == "env":
            return os.environ[what]
        if kind == "file":
            with open(what, encoding="utf-8") as file:
                return file.read().removesuffix("\n")
    except KeyError:
        raise InvalidConfig(
            name=name, value=value, reason="the environment has no such variable"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidConfig(name=name, value=value, reason=str(error)) from None
    raise InvalidConfig(name=name, value="(not shown)", reason="is ${env:NAME} or ${file:PATH}")


def _seconds(milliseconds: str) -> float:
    if not milliseconds.isdecimal() or not 0 < int(milliseconds) < 1 << 31:
        raise InvalidConfig(name=_TIMEOUT, value=milliseconds, reason="is a number of milliseconds")
    return int(milliseconds) / 1000


def _server(host: str) -> str:
    name, colon, port = host.rpartition(":")
    if host.endswith("]") or not colon:
        name, port = host, str(_PORT)
    if not name or not port.isdecimal() or not 0 < int(port) < 65536:
        raise InvalidConfig(name="address", value=host, reason="a server is host:port")
    return f"{name}:{port}"


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _check_option(name: str) -> None:
    if name in _RESERVED:
        raise InvalidConfig(name=name, value="(not shown)", reason=_RESERVED[name])
    if name == _TIMEOUT:
        return
    both = [table for table in (ProducerConfig, ConsumerConfig) if name in table.names]
    if len(both) == 1:
        raise InvalidConfig(
            name=name,
            value="(not shown)",
            reason=f"is an option of a {both[0].table}: give it to log.{both[0].table}(…)",
        )
