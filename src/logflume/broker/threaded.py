"""A broker inside a program: its event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import os
import threading

from logflume.broker.server import Broker
from logflume.closing import Closing
from logflume.config import BrokerConfig, DirectoryConfig
from logflume.config.option import dotted
from logflume.coordinator.transactions.directory import TransactionalDirectory
from logflume.log.directory import LogDirectory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Protocol

    class HasDirectory(Protocol):
        """A `logflume.Log`, which this room does not know."""

        @property
        def directory(self) -> LogDirectory:
            """The layer below."""


__all__ = ["ThreadedBroker", "new_event_loop", "serve", "split_options"]


def new_event_loop() -> asyncio.AbstractEventLoop:
    """uvloop's where it is installed, else asyncio's own."""
    try:
        import uvloop
    except ModuleNotFoundError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def serve(
    log: HasDirectory | str | os.PathLike[str],
    listen: str | Sequence[str] = "127.0.0.1:0",
    *,
    insecure: bool = False,
    **config: object,
) -> ThreadedBroker:
    """Serve a log to Kafka clients, in this process; returns when they can connect.

    Parameters: `log`, open, or a directory's path, which is then opened and closed with the broker; `listen`,
    "host:port", by default any free port of this machine (see `broker.bootstrap`), or "SASL_SSL://host:port", also
    several; `insecure`, to listen where
    others can connect without authentication; options of the table `broker` as keywords (with a path, those of
    the directory, too).
    Raises InvalidConfig, UnknownConfig, OSError (the address is taken), and what opening a directory raises.
    """
    if isinstance(log, (str, os.PathLike)):
        for_broker, for_directory = split_options(config)
        directory = TransactionalDirectory(os.fspath(log), for_directory)
        return ThreadedBroker(directory, listen, for_broker, insecure=insecure, owned=True)
    return ThreadedBroker(log.directory, listen, config, insecure=insecure)


def split_options(given: Mapping[str, object]) -> tuple[dict[str, object], dict[str, object]]:
    """Options of the broker, and those of the directory. An unknown one goes to the broker, which says so."""
    for_directory = {
        name: value
        for name, value in given.items()
        if dotted(name) in DirectoryConfig.names and dotted(name) not in BrokerConfig.names
    }
    return {n: v for n, v in given.items() if n not in for_directory}, for_directory


class ThreadedBroker(Closing):
    """A running broker. Thread-safe. Close it, or use it as a context manager; a forked child has none."""

    def __init__(
        self,
        directory: LogDirectory,
        listen: str | Sequence[str],
        config: Mapping[str, object],
        *,
        insecure: bool = False,
        owned: bool = False,
    ) -> None:
        self._directory = directory
        self._owned = owned
        self._pid = os.getpid()
        try:
            self._broker = Broker(directory, listen, config, insecure=insecure)
            self._loop = new_event_loop()
        except BaseException:
            if owned:
                directory.close()
            raise
        self._thread = threading.Thread(target=self._run, name="logflume-broker", daemon=True)
        self._thread.start()
        try:
            self._call(self._broker.start())
        except BaseException:
            self._finish()
            raise

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        # Which ends what is left in the loop, and closes it.
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.get_loop().run_forever()

    def _call(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    @property
    def broker(self) -> Broker:
        """The broker itself; it belongs to its event loop's thread."""
        return self._broker

    @property
    def bootstrap(self) -> str:
        """ "host:port" for a client's bootstrap.servers."""
        return self._broker.bootstrap

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._loop.is_closed()

    def close(self, grace_s: float = 5.0) -> None:
        """Answer what was asked (for at most `grace_s` seconds), then stop. Idempotent."""
        if self._pid != os.getpid() or not self._thread.is_alive():
            return
        try:
            self._call(self._broker.stop(grace_s))
        finally:
            self._finish()

    def _finish(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        if self._owned:
            self._directory.close()

    def __repr__(self) -> str:
        return f"<Broker {self.bootstrap}{', closed' if self.closed else ''}>"
