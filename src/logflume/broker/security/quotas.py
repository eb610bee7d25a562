"""Client quotas: bytes a second that users and clients may write and read, and new connections of an address.

As Kafka does, nobody is refused for a byte rate: the answer says how long the client shall wait, and its connection is
not read for that long. A rate is kept by a bucket that holds what may be saved up, and may be overdrawn.
"""

from __future__ import annotations

from logflume.broker.security.bucket import Bucket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from logflume.broker.clock import Clock
    from logflume.broker.security.store import Entity, SecurityState
    from logflume.config import BrokerConfig

__all__ = ["CLIENT_ID", "CONNECTIONS", "CONSUMER", "IP", "PRODUCER", "USER", "Quotas"]

USER, CLIENT_ID, IP = "user", "client-id", "ip"
PRODUCER, CONSUMER = "producer_byte_rate", "consumer_byte_rate"
CONNECTIONS = "connection_creation_rate"
_BUCKETS_MAX = 10_000


class Quotas:
    """What is left of them. Belongs to the broker's event loop."""

    def __init__(
        self, config: BrokerConfig, clock: Clock, look: Callable[[], SecurityState]
    ) -> None:
        self._saved_s = config.quota_window_size_seconds * (config.quota_window_num - 1)
        self._clock = clock
        self._look = look
        self._buckets: dict[tuple[str, Entity], Bucket] = {}

    def bucket(self, key: str, principal: str, client_id: str | None) -> Bucket | None:
        """Who must keep to a rate, by the most particular quota that there is for him; None: nobody does."""
        quotas = self._look().quotas
        if not quotas:
            return None
        for entity, of in _precedence(principal.partition(":")[2], client_id or ""):
            rate = quotas.get(entity, {}).get(key)
            if rate is not None:
                return self._of(key, of, rate, rate * self._saved_s)
        return None

    @property
    def any(self) -> bool:
        """Whether there are quotas at all."""
        return bool(self._look().quotas)

    def wait_s(self, bucket: Bucket | None, amount: float) -> float:
        """Take; the seconds that the client has to wait."""
        return 0.0 if bucket is None or not amount else bucket.take(amount, self._clock.monotonic())

    def may_connect(self, host: str) -> bool:
        """Count a new connection of an address in (without a slash); False when they come too fast."""
        quotas = self._look().quotas
        for name in (host, None) if quotas else ():
            rate = quotas.get(((IP, name),), {}).get(CONNECTIONS)
            if rate is not None:
                bucket = self._of(CONNECTIONS, ((IP, host),), rate, max(1.0, rate))
                if bucket.take(1, self._clock.monotonic()) > 0:
                    bucket.give(1)
                    return False
                return True
        return True

    def _of(self, key: str, of: Entity, rate: float, size: float) -> Bucket:
        bucket = self._buckets.get((key, of))
        if bucket is None or bucket.rate != rate or bucket.size != size:
            if len(self._buckets) >= _BUCKETS_MAX:
                self._forget()
            bucket = self._buckets[key, of] = Bucket(rate, size, self._clock.monotonic())
        return bucket

    def _forget(self) -> None:
        """Those that have been full for a while; if all are in use, the older half: names are free to invent."""
        now = self._clock.monotonic()
        kept = {k: b for k, b in self._buckets.items() if not b.is_full(now)}
        if len(kept) >= _BUCKETS_MAX:
            kept = dict(sorted(kept.items(), key=lambda item: item[1].then)[len(kept) // 2 :])
        self._buckets = kept


def _precedence(user: str, client: str) -> Iterator[tuple[Entity, Entity]]:
    """Entities in Kafka's order, each with whose bytes are counted together."""
    both = ((CLIENT_ID, client), (USER, user))
    for name in (user, None):
        yield ((CLIENT_ID, client), (USER, name)), both
        yield ((CLIENT_ID, None), (USER, name)), both
        yield ((USER, name),), ((USER, user),)
    for name in (client, None):
        yield ((CLIENT_ID, name),), ((CLIENT_ID, client),)
