"""Where the broker listens, how clients get in there, and where it may not."""

from __future__ import annotations

import ipaddress

from logflume.errors import InvalidConfig
from logflume.types import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NamedTuple

    from logflume.config import BrokerConfig

__all__ = ["Address", "Listener", "check_exposure", "parse_listeners"]

_PORT_MAX = 65535
_PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")


class Address(NamedTuple):
    """A host (name, IPv4 or IPv6) and a port."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str, *, option: str = "listen") -> Address:
        """From "host:port" or "[::1]:port". Raises InvalidConfig."""
        host, colon, port = text.rpartition(":")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        elif ":" in host:
            raise InvalidConfig(name=option, value=text, reason="an IPv6 address wants brackets")
        if not colon or not host or not (port.isascii() and port.isdecimal()):
            raise InvalidConfig(
                name=option, value=text, reason="must be HOST:PORT (0.0.0.0 for every address)"
            )
        if len(port) > 5 or int(port) > _PORT_MAX:
            raise InvalidConfig(name=option, value=text, reason=f"no port above {_PORT_MAX}")
        return cls(host, int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it. A name counts only when it is "localhost"."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def is_wildcard(self) -> bool:
        """Whether it stands for all of a machine's addresses, so that nobody can connect to it by that name."""
        try:
            return ipaddress.ip_address(self.host).is_unspecified
        except ValueError:
            return False


class Listener:
    """One address that is listened on.

    `name`, by default that of the protocol; `uses_tls`, `uses_sasl`: what the protocol asks of clients. `address` has
    the real port once the broker listens; `advertised` is what clients are told instead, or None.
    """

    def __init__(self, name: str, protocol: str, address: Address) -> None:
        self.name = name
        self.protocol = protocol
        self.address = address
        self.advertised: Address | None = None
        self.uses_tls = protocol.endswith("SSL")
        self.uses_sasl = protocol.startswith("SASL_")

    @property
    def told(self) -> Address:
        """What clients are told when nothing is known of how they came."""
        return self.advertised or self.address

    def told_to(self, reached: tuple[str, int] | None) -> Address:
        """What a client is told that connected to `reached`: who listens on all addresses does not know by which name
        it is known, but the client found one that works."""
        if self.advertised is None and self.address.is_wildcard and reached is not None:
            return Address(*reached)
        return self.told

    def __repr__(self) -> str:
        return f"{self.name}://{self.address}"


def parse_listeners(listen: str | Sequence[str], config: BrokerConfig) -> list[Listener]:
    """From "host:port" and "NAME://host:port", several in a list or with commas. Raises InvalidConfig."""
    texts = [listen] if isinstance(listen, str) else list(listen)
    protocols = {name: name for name in _PROTOCOLS}
    for item in _items(config.listener_security_protocol_map):
        name, _, protocol = item.partition(":")
        if not name or protocol not in _PROTOCOLS:
            raise InvalidConfig(
                name="listener.security.protocol.map",
                value=item,
                reason=f"must be NAME:PROTOCOL, of {', '.join(_PROTOCOLS)}",
            )
        protocols[name] = protocol
    found: dict[str, Listener] = {}
    for text in (item for given in texts for item in _items(given)):
        name, address = _named(text, "listen")
        if name not in protocols:
            raise InvalidConfig(
                name="listen",
                value=text,
                reason=f"{name} is none of {', '.join(protocols)} (see listener.security.protocol.map)",
            )
        if name in found:
            raise InvalidConfig(
                name="listen",
                value=text,
                reason=f"a second {name}: give it a name of its own (see listener.security.protocol.map)",
            )
        found[name] = Listener(name, protocols[name], address)
    if not found:
        raise InvalidConfig(name="listen", value=",".join(texts), reason="must be HOST:PORT")
    for item in _items(config.advertised_listeners):
        name, address = _named(item, "advertised.listeners")
        if name not in found:
            raise InvalidConfig(
                name="advertised.listeners", value=item, reason=f"{name} is not listened on"
            )
        found[name].advertised = address
    return list(found.values())


def _items(text: str | None) -> list[str]:
    return [item.strip() for item in (text or "").split(",") if item.strip()]


def _named(text: str, option: str) -> tuple[str, Address]:
    name, slashes, address = text.rpartition("://")
    return name if slashes else "PLAINTEXT", Address.parse(address, option=option)


def check_exposure(listener: Listener, config: BrokerConfig, *, insecure: bool) -> None:
    """Raise InvalidConfig when anybody on the network could read and write the log unasked, or learn a password."""
    if listener.address.is_loopback or insecure:
        return
    if listener.uses_sasl:
        if listener.uses_tls or "PLAIN" not in config.sasl_enabled_mechanisms:
            return
        reason = (
            "is not on this machine's loopback: PLAIN would send passwords over the network as they are;"
            " use SASL_SSL"
        )
    elif listener.uses_tls and config.ssl_client_auth == "required":
        return
    else:
        reason = (
            "is not on this machine's loopback: without authentication everybody who reaches it could read,"
            " write and delete; use SASL_SSL, or SSL with ssl.client.auth=required"
        )
    raise InvalidConfig(
        name="listen",
        value=repr(listener),
        reason=f"{reason}; or say `insecure` (--insecure) if that is meant",
    )
