"""How many connections there may be: in all, from one address, and new ones a second."""

from __future__ import annotations

from logflume.broker.security.bucket import Bucket
from logflume.config.kinds import INT_MAX
from logflume.errors import InvalidConfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume.broker.clock import Clock
    from logflume.config import BrokerConfig

__all__ = ["ConnectionCaps"]


class ConnectionCaps:
    """Counts connections by the client's address. Belongs to the broker's event loop."""

    def __init__(self, config: BrokerConfig, clock: Clock) -> None:
        self._total_max = config.max_connections
        self._each_max = config.max_connections_per_ip
        self._overrides = _overrides(config.max_connections_per_ip_overrides)
        self._clock = clock
        self._total = 0
        self._each: dict[str, int] = {}
        rate = config.max_connection_creation_rate
        self._rate = None if rate == INT_MAX else Bucket(rate, rate, clock.monotonic())

    def admit(self, host: str) -> str:
        """Count one in; otherwise the reason, as an event for the log. `host` as "/1.2.3.4"."""
        if self._total >= self._total_max:
            return "too_many_connections"
        if self._each.get(host, 0) >= self._overrides.get(host[1:], self._each_max):
            return "too_many_connections_of_address"
        if self._rate is not None and self._rate.take(1, self._clock.monotonic()) > 0:
            self._rate.give(1)
            return "connections_too_fast"
        self._total += 1
        self._each[host] = self._each.get(host, 0) + 1
        return ""

    def forget(self, host: str) -> None:
        """One that was admitted is gone."""
        self._total -= 1
        left = self._each[host] - 1
        if left:
            self._each[host] = left
        else:
            del self._each[host]


def _overrides(text: str | None) -> dict[str, int]:
    found: dict[str, int] = {}
    for item in (text or "").split(","):
        host, colon, number = item.strip().rpartition(":")
        if not item.strip():
            continue
        if not colon or not host or not (number.isascii() and number.isdecimal()):
            raise InvalidConfig(
                name="max.connections.per.ip.overrides",
                value=item,
                reason="must be ADDRESS:NUMBER, with commas",
            )
        found[host.strip("[]")] = int(number[:10])
    return found
