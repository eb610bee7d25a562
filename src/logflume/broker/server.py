"""The broker: what its connections share, its start and its end."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from importlib.util import find_spec

from logflume._native.frames import FrameMemory
from logflume.broker.clock import SystemClock
from logflume.broker.deadlines import Deadlines
from logflume.broker.descriptors import Descriptors
from logflume.broker.dispatch import table
from logflume.broker.doors import Door
from logflume.broker.faults import Faults
from logflume.broker.late_appends import LateAppends
from logflume.broker.listener import check_exposure, parse_listeners
from logflume.broker.meters import Meters
from logflume.broker.news import News
from logflume.broker.partitions import Partitions
from logflume.broker.security.authorizer import Authorizer
from logflume.broker.security.connections import ConnectionCaps
from logflume.broker.security.quotas import Quotas
from logflume.broker.security.store import SecurityStore
from logflume.broker.security.tls import server_context
from logflume.broker.sessions import Sessions
from logflume.broker.syncs import Syncs
from logflume.broker.topics import Topics
from logflume.broker.undecided import Undecided
from logflume.broker.upkeep import Upkeep
from logflume.config import BrokerConfig, parse
from logflume.errors import LogflumeError, MissingExtra
from logflume.observe import get_logger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, TypeVar

    from logflume.broker.clock import Clock
    from logflume.broker.connection import Connection
    from logflume.broker.dispatch import Handler
    from logflume.broker.metrics import BrokerMonitor
    from logflume.log.directory import LogDirectory

    S = TypeVar("S")

__all__ = ["Broker"]

_log = get_logger(__name__)
_THREADS = 4
_SWEEPS = 10  # looks for idle connections in the time after which one is idle


class Broker:
    """Serves a LogDirectory, which stays the caller's to close. Lives in the event loop in which it is started.

    Parameters: `directory`; `listen`, "host:port" (port 0: any free one) or "SASL_SSL://host:port", also several;
    `config`, options of the table `broker`; `insecure`, to listen beyond this machine without authentication;
    `clock`, for tests.
    Raises InvalidConfig for a bad address or one that is not allowed, and for certificates that cannot be used;
    MissingExtra without the packages of the extra `broker`.
    """

    def __init__(
        self,
        directory: LogDirectory,
        listen: str | Sequence[str] = "127.0.0.1:9092",
        config: Mapping[str, object] | None = None,
        *,
        insecure: bool = False,
        clock: Clock | None = None,
    ) -> None:
        self.directory = directory
        self.config = parse(BrokerConfig, config or {})
        if find_spec("kio") is None:  # said now, and not when the first client comes
            raise MissingExtra(what="serving Kafka clients", extra="broker")
        self.listeners = parse_listeners(listen, self.config)
        for listener in self.listeners:
            check_exposure(listener, self.config, insecure=insecure)
        uses_tls = any(listener.uses_tls for listener in self.listeners)
        self.tls = server_context(self.config) if uses_tls else None
        self.clock = clock or SystemClock()
        self.meters = Meters()
        self.descriptors = Descriptors()
        self.monitor: BrokerMonitor | None = None
        self.faults = Faults()
        self.topics = Topics(directory.path, self._refresh)
        self.partitions = Partitions(self)
        self.syncs = Syncs(self)
        self.late_appends = LateAppends(self)
        self.news = News(self)
        self.sessions = Sessions(self)
        self.upkeep = Upkeep(self)
        self.undecided = Undecided(self)
        self.frame_memory = FrameMemory(limit=self.config.queued_max_request_bytes)
        self.frame_bytes_max: int = self.config.socket_request_max_bytes
        self.frame_timeout_s: float = self.config.request_read_timeout_ms / 1000
        self.security = SecurityStore(
            directory.path, lock_timeout_s=directory.config.lock_timeout_ms / 1000
        )
        guard = Authorizer(self.config, self.security.current)
        self.authorizer = guard if self.config.acl_enable else None
        self.quotas = Quotas(self.config, self.clock, self.security.current)
        self.login_memory = FrameMemory(limit=self.config.queued_max_login_bytes)
        self.login_frame_bytes_max: int = self.config.sasl_server_max_receive_size
        self.login_timeout_s: float = self.config.connection_login_timeout_ms / 1000
        self.threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="logflume-broker")
        self.loop: asyncio.AbstractEventLoop
        self.deadlines: Deadlines
        self._services: dict[type[Any], Any] = {}
        self._connections: set[Connection] = set()
        self._gone: set[Connection] = set()  # whose clients are gone, and something of them is not
        self._caps = ConnectionCaps(self.config, self.clock)
        self._doors: list[Door] = []
        self._sweeper: asyncio.TimerHandle | None = None
        self._stopping = False

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
        """What clients of the first listener take as bootstrap.servers."""
        return str(self.listeners[0].told)

    # ---- what handlers use

    @cached_property
    def handlers(self) -> dict[int, Handler]:
        """By API key. Importing them costs as much as the rest of the start: who asks at once waits for it."""
        return table()

    def service(self, kind: type[S]) -> S:
        """The one `kind(broker)` of this broker, made at the first call.

        A `stop()` that it has is awaited at the end, a `lost(connection)` is told of each client that goes.
        """
        found: S | None = self._services.get(kind)
        if found is None:
            found = self._services[kind] = kind(self)  # type: ignore[call-arg]
        return found

    def report(self, error: Exception, **fields: object) -> None:
        """Log what went wrong on our side of a request that was answered with an error."""
        _log.error("request_failed", error=error, **fields)

    def _refresh(self) -> None:
        """Somebody changed a topic: open partitions take over its settings, deleted ones are let go of."""
        self.partitions.forget_deleted()
        self._in_background("refresh_failed", self.directory.refresh)

    def _in_background(self, event: str, function: Callable[[], object]) -> None:
        """Run it in a thread; nobody waits for it, so the log is told when it fails."""

        def done(job: asyncio.Future[object]) -> None:
            error = None if job.cancelled() else job.exception()
            if error is not None:
                _log.error(event, error=error, path=self.directory.path)

        self.loop.run_in_executor(self.threads, function).add_done_callback(done)

    # ---- connections

    def may_connect(self, host: str, fileno: int) -> str:
        """Count a connection of this address in; or why it has to go, for the log."""
        if self.descriptors.are_scarce(fileno):
            return "out_of_descriptors"
        if self.faults.refusing:
            return "refused"
        try:
            if not self.quotas.may_connect(host[1:]):
                return "connections_too_fast"
        except LogflumeError as error:  # nobody comes in by rules that cannot be read
            _log.error("rules_unreadable", error=error)
            return "rules_unreadable"
        return self._caps.admit(host)

    def join(self, connection: Connection) -> bool:
        """It was counted in, and is there now; False: too late, it was accepted before the door closed."""
        if self._stopping:
            self.left(connection.client_host)
            return False
        self._connections.add(connection)
        self.meters.accepted += 1
        return True

    def forget(self, connection: Connection) -> None:
        """It is closed."""
        if connection in self._connections:
            self._connections.remove(connection)
            self.left(connection.client_host)
            for service in self._services.values():
                lost = getattr(service, "lost", None)
                if lost is not None:
                    lost(connection)
            if connection.busy:
                self._gone.add(connection)

    def finished(self, connection: Connection) -> None:
        """What was left of it is done."""
        self._gone.discard(connection)

    def left(self, host: str) -> None:
        """A connection that was counted in is gone."""
        self._caps.forget(host)

    @property
    def is_listening(self) -> bool:
        """Whether clients can come."""
        return bool(self._doors)

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
        """Listen. Raises OSError when the address cannot be had, CorruptRecord for a damaged list of users and ACLs."""
        self.loop = asyncio.get_running_loop()
        self.deadlines = Deadlines(self.loop)
        users = self.security.current().users
        if not users and any(listener.uses_sasl for listener in self.listeners):
            _log.warning("no_users", hint="logflume user set NAME")
        try:
            for listener in self.listeners:
                door = Door(self, listener)
                await door.open()
                self._doors.append(door)
            if self.config.http is not None:
                from logflume.broker.metrics import BrokerMonitor  # and with it an HTTP server

                self.monitor = BrokerMonitor(self, self.config.http)
        except BaseException:
            for door in self._doors:
                door.close()
            self._doors.clear()
            raise
        self._sweep()
        self.upkeep.start()
        self.undecided.start()
        _log.info(
            "listening",
            address=",".join(map(repr, self.listeners)),
            directory=self.directory.path,
        )
        # The first client would wait for it otherwise; who waits for the line above does not.
        self.loop.call_soon(self._preload)

    def _preload(self) -> None:
        if not self._stopping:
            self._in_background("preload_failed", _import_what_clients_need)

    async def stop(self, grace_s: float = 5.0) -> None:
        """Take no new connections, answer what was asked, then close. Idempotent.

        `grace_s`: longest time for the answers that are under way.
        """
        doors, self._doors = self._doors, []
        if not doors:
            return
        self._stopping = True
        for door in doors:
            door.close()
        for door in doors:
            await door.closed()
        self.upkeep.stop()
        self.undecided.stop()
        if self._sweeper is not None:
            self._sweeper.cancel()
        deadline = self.loop.time() + grace_s
        for connection in self._connections:
            connection.drain()
        while self._gone or any(c.busy for c in self._connections):
            if self.loop.time() >= deadline:
                break
            await asyncio.sleep(0.01)
        for connection in [*self._connections, *self._gone]:
            connection.give_up()
        for service in self._services.values():
            stop = getattr(service, "stop", None)
            if stop is not None:
                await stop()
        self._services.clear()
        if self.monitor is not None:
            await self.monitor.close()
        await self.late_appends.stop()
        await self.syncs.stop()
        await self.news.stop()
        await self.loop.run_in_executor(None, self.threads.shutdown)
        _log.info("stopped", address=self.bootstrap)


def _import_what_clients_need() -> None:
    from logflume.broker.messages import preload

    table()
    preload()
