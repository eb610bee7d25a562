"""A log directory, for asyncio."""

from __future__ import annotations

import os
import weakref

from logflume.aio.blocking import in_thread
from logflume.aio.consumer import Consumer
from logflume.aio.partition import Partition
from logflume.aio.producer import Producer
from logflume.aio.queue import Queue
from logflume.aio.topic import Topic
from logflume.client.log import open_log as open_sync
from logflume.closing import AsyncClosing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping
    from re import Pattern
    from types import TracebackType
    from typing import Any, NoReturn

    from logflume.client.engine import TopicInfo
    from logflume.client.log import Log as SyncLog
    from logflume.client.queue.queue import Listener
    from logflume.types import PartitionReport

__all__ = ["Log", "Opening", "open_log"]


def open_log(path: str | os.PathLike[str], *, read_only: bool = False, **config: object) -> Opening:
    """Open a log: `async with logflume.aio.open("data") as log`, or `log = await logflume.aio.open("data")`.

    Parameters and errors as logflume.open; errors come when it is awaited or entered.
    """
    return Opening(path, read_only, config)


class Opening:
    """What open() returns: awaited, it gives the Log; as a context manager it closes it, too."""

    def __init__(
        self, path: str | os.PathLike[str], read_only: bool, config: Mapping[str, object]
    ) -> None:
        self._path = path
        self._read_only = read_only
        self._config = config
        self._log: Log | None = None

    async def _open(self) -> Log:
        opened = in_thread(open_sync, self._path, read_only=self._read_only, **self._config)
        return Log(await opened)

    def __await__(self) -> Generator[Any, Any, Log]:
        return self._open().__await__()

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(
            f"no {name!r} before the log is open: `async with logflume.aio.open(...) as log`, or"
            " `log = await logflume.aio.open(...)`"
        )

    def __repr__(self) -> str:
        return f"<aio.Opening of {os.fspath(self._path)!s}, not awaited>"

    async def __aenter__(self) -> Log:
        self._log = await self._open()
        return self._log

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._log is not None:
            await self._log.close()


class Log(AsyncClosing):
    """Topics, producers and consumers of one directory; see logflume.Log.

    Several event loops, each in its thread, may share one; its producers may be shared as well, a consumer
    belongs to the loop that uses it first.
    """

    def __init__(self, log: SyncLog) -> None:
        self._log = log
        self._consumers: weakref.WeakSet[Consumer | Queue] = weakref.WeakSet()

    @property
    def blocking(self) -> SyncLog:
        """The synchronous Log that does the work; both may be used side by side."""
        return self._log

    @property
    def path(self) -> str:
        """The directory."""
        return self._log.path

    # ---- topics

    async def topics(self, *, internal: bool = False) -> list[str]:
        """Names, sorted; internal topics only with `internal=True`."""
        if self._log.engine.is_remote:
            return await in_thread(self._log.topics, internal=internal)
        return self._log.topics(internal=internal)

    async def create_topic(
        self,
        name: str,
        *,
        partitions: int | None = None,
        config: Mapping[str, object] | None = None,
    ) -> Topic:
        """Make a topic; `config` has Kafka's names. Raises as logflume.Log.create_topic."""
        await in_thread(self._log.create_topic, name, partitions=partitions, config=config)
        return self[name]

    async def alter_topic(
        self,
        name: str,
        *,
        partitions: int | None = None,
        config: Mapping[str, object] | None = None,
    ) -> Topic:
        """Add partitions, or change settings. Raises as logflume.Log.alter_topic."""
        await in_thread(self._log.alter_topic, name, partitions=partitions, config=config)
        return self[name]

    async def delete_topic(self, name: str) -> None:
        """Delete a topic with its records. Raises UnknownTopicOrPartition."""
        await in_thread(self._log.delete_topic, name)

    async def describe_topic(self, name: str) -> TopicInfo:
        """Name, id, number of partitions and settings. Raises UnknownTopicOrPartition."""
        if self._log.engine.is_remote:
            return await in_thread(self._log.describe_topic, name)
        return self._log.describe_topic(name)

    def __getitem__(self, name: str) -> Topic:
        """`log["clicks"]`; on a cluster it is asked for in the loop. Raises UnknownTopicOrPartition."""
        self._log.describe_topic(name)
        return Topic(self._log, name)

    def __contains__(self, name: object) -> bool:
        return name in self._log

    def partition(self, topic: str, number: int) -> Partition:
        """Direct access to a partition. `await` it to have it opened (and recovered, if need be) off the loop."""
        return Partition(self._log.engine, topic, number)

    # ---- writing and reading

    def producer(self, **config: object) -> Producer:
        """A Producer; options as keywords, as for logflume.Log.producer."""
        return Producer(self._log.engine, self._log.producer(**config))

    def consumer(
        self,
        *topics: str | Iterable[str] | Pattern[str],
        group: str | None = None,
        **config: object,
    ) -> Consumer:
        """A Consumer of topics; options as keywords, as for logflume.Log.consumer.

        `await` it, or enter it with `async with`, to have it subscribed (errors come there); else its first call
        does that.
        """
        made = Consumer(self._log, topics, self._log.consumer(group=group, **config))
        self._consumers.add(made)
        return made

    def queue(
        self,
        topics: str | Iterable[str],
        *,
        group: str,
        on_acknowledged: Listener | None = None,
        **config: object,
    ) -> Queue:
        """A Queue of a topic or several; parameters as for logflume.Log.queue. `on_acknowledged` is called in a thread.

        `await` it, or enter it with `async with`, to have it join the group (errors come there); else its first call
        does that.
        """
        made = Queue(
            self._log,
            lambda: self._log.queue(topics, group=group, on_acknowledged=on_acknowledged, **config),
            group,
        )
        self._consumers.add(made)
        return made

    # ---- upkeep

    async def delete_records(
        self, offsets: Mapping[tuple[str, int], int]
    ) -> dict[tuple[str, int], int]:
        """Make each given offset (-1: the end) its partition's first; returns the new start offsets."""
        return await in_thread(self._log.delete_records, offsets)

    async def maintenance(
        self, *, now_ms: int | None = None
    ) -> dict[tuple[str, int], tuple[int, int]]:
        """Apply retention now; see logflume.Log.maintenance."""
        return await in_thread(self._log.maintenance, now_ms=now_ms)

    async def recovery(self) -> list[PartitionReport]:
        """What opening each partition opened so far found and did."""
        return self._log.recovery()

    # ---- life

    @property
    def closed(self) -> bool:
        """True after close()."""
        return self._log.closed

    async def close(self) -> None:
        """Close producers (flushing them), consumers and partitions; ends iterations. Idempotent."""
        for consumer in list(self._consumers):
            consumer.end()
        if not self._log.closed:
            await in_thread(self._log.close)

    def __repr__(self) -> str:
        return f"<aio.Log {self.path}{', closed' if self.closed else ''}>"
