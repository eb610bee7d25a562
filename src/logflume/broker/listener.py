"""Where the broker listens, and where it may not."""

from __future__ import annotations

import ipaddress

from logflume.errors import InvalidConfig
from logflume.types import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple

__all__ = ["Address", "check_exposure"]

_PORT_MAX = 65535


class Address(NamedTuple):
    """A host (name, IPv4 or IPv6) and a port."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """From "host:port" or "[::1]:port". Raises InvalidConfig."""
        host, colon, port = text.rpartition(":")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        elif ":" in host:
            raise InvalidConfig(name="listen", value=text, reason="an IPv6 address wants brackets")
        if not colon or not host or not (port.isascii() and port.isdecimal()):
            raise InvalidConfig(name="listen", value=text, reason="must be HOST:PORT")
        if len(port) > 5 or int(port) > _PORT_MAX:
            raise InvalidConfig(name="listen", value=text, reason=f"no port above {_PORT_MAX}")
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


def check_exposure(address: Address, *, insecure: bool) -> None:
    """Raise InvalidConfig when anybody on the network could read and write the log unasked."""
    if not address.is_loopback and not insecure:
        raise InvalidConfig(
            name="listen",
            value=str(address),
            reason="is not on this machine's loopback: without authentication everybody who reaches it could read,"
            " write and delete; say `insecure` (--insecure) if that is meant",
        )
