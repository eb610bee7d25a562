"""What a handler is given beside the request: who asks, and the broker it is asked of."""

from __future__ import annotations

import asyncio
import math
from functools import partial

from logflume.broker.permissions import Permissions
from logflume.config.kinds import INT_MAX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import ParamSpec, TypeVar

    from logflume.broker.connection import Connection
    from logflume.broker.dispatch import Handler
    from logflume.broker.listener import Address
    from logflume.broker.server import Broker
    from logflume.log.directory import LogDirectory

    P = ParamSpec("P")
    T = TypeVar("T")

__all__ = ["Call"]


class Call(Permissions):
    """One request under way. Lives until it is answered; belongs to the broker's event loop."""

    __slots__ = ("broker", "client_id", "connection", "correlation_id", "handler", "version")

    def __init__(
        self,
        connection: Connection,
        handler: Handler,
        version: int,
        correlation_id: int,
        client_id: str | None,
    ) -> None:
        self.connection = connection
        self.broker: Broker = connection.broker
        self.handler = handler
        self.version = version
        self.correlation_id = correlation_id
        self.client_id = client_id
        """The name that the client gave itself; anything at all, or None."""

    @property
    def directory(self) -> LogDirectory:
        """The log that is served."""
        return self.broker.directory

    @property
    def client_host(self) -> str:
        """The client's address, "/1.2.3.4" as Kafka writes it."""
        return self.connection.client_host

    @property
    def address(self) -> Address:
        """Where the client is told to find this broker: of the listener that it came by."""
        return self.connection.told_address

    def throttle_ms(self, key: str, amount: int) -> int:
        """Count bytes against the client's quota: how long it has to wait, while nothing more of it is begun."""
        if not amount:
            return 0
        quotas = self.broker.quotas
        bucket = quotas.bucket(key, self.connection.principal, self.client_id)
        wait_s = quotas.wait_s(bucket, amount)
        if wait_s:
            self.connection.mute(wait_s)
        return min(math.ceil(wait_s * 1000), INT_MAX)

    def in_thread(
        self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[T]:
        """Run what may wait for the disk or for another process off the event loop."""
        return self.broker.loop.run_in_executor(
            self.broker.threads, partial(function, *args, **kwargs)
        )
