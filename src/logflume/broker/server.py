"""The broker: what its connections share, its start and its end."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from logflume._native.frames import FrameMemory
from logflume.broker.clock import SystemClock
from logflume.broker.connection import Connection
from logflume.broker.dispatch import table
from logflume.broker.faults import Faults
from logflume.broker.listener import Address, check_exposure
from logflume.broker.messages import preload
from logflume.broker.news import News
from logflume.broker.partitions import Partitions
from logflume.broker.sessions import Sessions
from logflume.broker.syncs import Syncs
from logflume.broker.topics import Topics
from logflume.broker.upkeep import Upkeep
from logflume.config import BrokerConfig, parse
from logflume.observe import get_logger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, TypeVar

    from logflume.broker.clock import Clock
    from logflume.log.directory import LogDirectory

    S = TypeVar("S")

__all__ = ["Broker"]

_log = get_logger(__name__)
_THREADS = 4
_BACKLOG = 1024
_SWEEPS = 10  # looks for idle connections in the time after which one is idle


class Broker:
    """Serves a LogDirectory, which stays the caller's to close. Lives in the event loop in which it is started.

    Parameters: `directory`; `listen`, "host:port" (port 0: any free one); `config`, options of the table `broker`;
    `insecure`, to listen beyond this machine without authentication; `clock`, for tests.
    Raises InvalidConfig for a bad address or one that is not allowed.
    """

    def __init__(
        self,
        directory: LogDirectory,
        listen: str = "127.0.0.1:9092",
        config: Mapping[str, object] | None = None,
        *,
        insecure: bool = False,
        clock: Clock | None = None,
    ) -> None:
        self.directory = directory
        self.config = parse(BrokerConfig, config or {})
        self.listen = Address.parse(listen)
        check_exposure(self.listen, insecure=insecure)
        self.clock = clock or SystemClock()
        self.handlers = table()
        self.faults = Faults()
        self.topics = Topics(directory)
        self.partitions = Partitions(self)
        self.syncs = Syncs(self)
        self.news = News(self)
        self.sessions = Sessions(self)
        self.upkeep = Upkeep(self)
        self.frame_memory = FrameMemory(limit=self.config.queued_max_request_bytes)
        self.frame_bytes_max: int = self.config.socket_request_max_bytes
        self.frame_timeout_s: float = self.config.request_read_timeout_ms / 1000
        self.threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="logflume-broker")
        self.loop: asyncio.AbstractEventLoop
        self.host = self.listen.host
        self.port = self.listen.port
        self._services: dict[type[Any], Any] = {}
        self._connections: set[Connection] = set()
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.TimerHandle | None = None

    # ---- identity

    @property
    def node_id(self) -> int:
        """This broker's number, the directory's."""
        return self.directory.meta.node_id

    @property
    def cluster_id(self) -> str:
        """The directory's."""
        return self.directory.meta.cluster_id

    @property
    def bootstrap(self) -> str:
        """What clients take as bootstrap.servers."""
        return str(Address(self.host, self.port))

    # ---- what handlers use

    def service(self, kind: type[S]) -> S:
        """The one `kind(broker)` of this broker, made at the first call; a `stop()` it has is awaited at the end."""
        found: S | None = self._services.get(kind)
        if found is None:
            found = self._services[kind] = kind(self)  # type: ignore[call-arg]
        return found

    def report(self, error: Exception, **fields: object) -> None:
        """Log what went wrong on our side of a request that was answered with an error."""
        _log.error("request_failed", error=error, **fields)

    def is_allowed(self, connection: Connection) -> bool:
        """Whether the client may ask for more than what comes before its login."""
        return True

    # ---- connections

    def admit(self, connection: Connection) -> bool:
        """Count a new connection in; False when there are too many."""
        if self.faults.refusing or len(self._connections) >= self.config.max_connections:
            return False
        self._connections.add(connection)
        return True

    def forget(self, connection: Connection) -> None:
        """It is closed."""
        self._connections.discard(connection)

    @property
    def connections(self) -> int:
        """Open ones."""
        return len(self._connections)

    def _sweep(self) -> None:
        """Close connections that nothing has come from for too long."""
        limit_s = self.config.connections_max_idle_ms / 1000
        now = self.loop.time()
        for connection in list(self._connections):
            if connection.idle and now - connection.last_used > limit_s:
                connection.close("idle_connection")
        self._sweeper = self.loop.call_later(limit_s / _SWEEPS, self._sweep)

    # ---- life

    async def start(self) -> None:
        """Listen. Raises OSError when the address cannot be had."""
        self.loop = asyncio.get_running_loop()
        self._server = await self.loop.create_server(
            lambda: Connection(self), self.listen.host, self.listen.port, backlog=_BACKLOG
        )
        self.port = self._server.sockets[0].getsockname()[1]
        self._sweep()
        self.upkeep.start()
        # The first client would wait for it otherwise; those who are there already wait no longer for that.
        self.loop.run_in_executor(self.threads, preload)
        _log.info("listening", address=self.bootstrap, directory=self.directory.path)

    async def stop(self, grace_s: float = 5.0) -> None:
        """Take no new connections, answer what was asked, then close. Idempotent.

        `grace_s`: longest time for the answers that are under way.
        """
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        self.upkeep.stop()
        if self._sweeper is not None:
            self._sweeper.cancel()
        deadline = self.loop.time() + grace_s
        for connection in self._connections:
            connection.drain()
        while any(c.busy for c in self._connections) and self.loop.time() < deadline:
            await asyncio.sleep(0.01)
        for connection in list(self._connections):
            connection.close()
        for service in self._services.values():
            stop = getattr(service, "stop", None)
            if stop is not None:
                await stop()
        self._services.clear()
        await self.news.stop()
        await self.loop.run_in_executor(None, self.threads.shutdown)
        _log.info("stopped", address=self.bootstrap)
