"""A log directory as its users see it."""

from __future__ import annotations

import atexit
import os
import threading
import weakref

from logflume.client.topic import Topic
from logflume.closing import Closing
from logflume.config.names import INTERNAL_TOPICS, TRANSACTIONS_TOPIC
from logflume.errors import (
    Closed,
    InvalidConfig,
    InvalidTopicName,
    TopicExists,
    UnsupportedByEngine,
)

# The directory's hook for forked children has to stand before this module's.
from logflume.log.directory import LogDirectory

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Mapping
    from re import Pattern
    from typing import Any, TypeVar, overload

    from logflume._native.partition import Partition
    from logflume.client.consumer import Consumer
    from logflume.client.engine import Engine, TopicInfo
    from logflume.client.outbox import Outbox, OutboxTransaction
    from logflume.client.producer import Producer
    from logflume.client.queue import Queue
    from logflume.client.queue.queue import Listener
    from logflume.client.table import Changelog, Table
    from logflume.client.table.core import Core as TableCore
    from logflume.client.table.table import Form
    from logflume.client.upkeep import Upkeep
    from logflume.coordinator.transactions.administration import Transactions
    from logflume.types import CompactionReport, PartitionReport

    K = TypeVar("K")
    V = TypeVar("V")

__all__ = ["Log", "open_log"]

_BROKERS = "the topic's settings: the brokers apply them"
_MIRRORED = "a directory into which logflume.bridge.mirror copies the topic"

_live: weakref.WeakSet[Log] = weakref.WeakSet()


def open_log(path: str | os.PathLike[str], *, read_only: bool = False, **config: object) -> Log:
    """Open a log directory, made when it is missing, or a Kafka cluster: `kafka://host:9092,host2:9092`.

    Parameters: `path`; `read_only`, for a directory that may not be written or that a stopped Kafka left;
    options of the directory as keywords (`offsets_topic_num_partitions=8`). Options of a cluster's connections are
    librdkafka's, in the address (`kafka://host:9092?security.protocol=ssl`) or as keywords.
    Raises DirectoryLocked while a Kafka runs on it, NetworkFilesystem, ReadOnlyDirectory, UnsupportedFormat,
    CorruptRecord, UnknownConfig, InvalidConfig (an empty path too); of a cluster InvalidConfig and MissingExtra: it is
    connected to by the first call.
    """
    name = os.fsdecode(path)
    if not name:
        # "" would be the working directory: an environment variable that is not set must not fill that.
        raise InvalidConfig(
            name="path", value=path, reason="a directory is needed; this one is '.'"
        )
    if "://" not in name:
        from logflume.client.directory_engine import DirectoryEngine

        return Log(DirectoryEngine(name, config, read_only=read_only))
    from logflume.client.cluster import Cluster

    if read_only:
        raise UnsupportedByEngine(what="read_only", instead="a user who may only read")
    return Log(Cluster(name, config))


class Log(Closing):
    """Topics, producers and consumers of one directory, or of one cluster.

    Thread-safe. Any number of processes may have the directory open. A forked child goes on using its copy:
    its files are opened anew. Close it, or use it as a context manager.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        # Held until closed: one that was dropped may still have records to append.
        self._producers: set[Producer] = set()
        self._consumers: weakref.WeakSet[Consumer | Queue] = weakref.WeakSet()
        self._upkeep: Upkeep | None = None
        self._outbox: Outbox | None = None
        self._tables: weakref.WeakSet[TableCore] = weakref.WeakSet()
        self._mutex = threading.Lock()
        _live.add(self)

    # ---- topics

    @property
    def path(self) -> str:
        """The directory; of a cluster, its address without options."""
        return self._engine.path

    @property
    def engine(self) -> Engine:
        """The layer below: for the rooms above."""
        return self._engine

    @property
    def directory(self) -> LogDirectory:
        """The directory, for tools. Raises UnsupportedByEngine on a cluster."""
        return self._need_directory("what needs a log's files", "a directory, or a consumer")

    def topics(self, *, internal: bool = False) -> list[str]:
        """Names, sorted; internal topics only with `internal=True`."""
        return self._engine.topics(internal=internal)

    def create_topic(
        self,
        name: str,
        *,
        partitions: int | None = None,
        config: Mapping[str, object] | None = None,
        exist_ok: bool = False,
    ) -> Topic:
        """Make a topic; `config` has Kafka's names (`{"retention.ms": 86_400_000}`).

        With `exist_ok` a topic that is there already is given back as it is. Raises TopicExists,
        InvalidTopicName, InvalidPartitions, InvalidConfig, UnknownConfig.
        """
        if name in INTERNAL_TOPICS:
            raise InvalidTopicName(topic=name, reason="internal topics are made by logflume only")
        try:
            self._engine.create_topic(name, partitions=partitions, config=config)
        except TopicExists:
            if not exist_ok:
                raise
        return Topic(self._engine, name)

    def alter_topic(
        self,
        name: str,
        *,
        partitions: int | None = None,
        config: Mapping[str, object] | None = None,
    ) -> Topic:
        """Add partitions, or change settings (None sets one back to its default). Takes effect at once.

        Raises UnknownTopicOrPartition, InvalidPartitions, InvalidConfig, UnknownConfig.
        """
        self._engine.alter_topic(name, partitions=partitions, config=config)
        return Topic(self._engine, name)

    def delete_topic(self, name: str) -> None:
        """Delete a topic with its records, and what groups committed for it. Raises UnknownTopicOrPartition."""
        self._engine.delete_topic(name)

    def describe_topic(self, name: str) -> TopicInfo:
        """Name, id, number of partitions and settings. Raises UnknownTopicOrPartition."""
        return self._engine.topic(name)

    def __getitem__(self, name: str) -> Topic:
        """`log["clicks"]`; raises UnknownTopicOrPartition, which is no KeyError: a topic may come later."""
        self._engine.topic(name)
        return Topic(self._engine, name)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._engine.topics(internal=True)

    def __iter__(self) -> Iterator[str]:
        return iter(self.topics())

    def partition(self, topic: str, number: int) -> Partition:
        """Direct access to a partition, without producer, consumer or group."""
        found: Partition = self._engine.partition(topic, number)
        return found

    # ---- writing and reading

    def producer(self, **config: object) -> Producer:
        """A Producer. Options are keywords, with Kafka's names and underscores for dots; those wanted most:

        `acks` ("all", 1 or 0), `linger_ms` (5), `batch_size` (65536 or "64KiB"), `compression_type` ("none", "gzip",
        "snappy", "lz4", "zstd"), `transactional_id`, `max_request_size`, `partitioner`. All of them are in
        docs/configuration.md. Raises UnknownConfig, InvalidConfig, ReadOnlyDirectory, Closed.
        """
        from logflume.client.producer import Producer

        self._check_open()
        made = Producer(self, config)
        self._producers.add(made)
        return made

    def consumer(
        self,
        *topics: str | Iterable[str] | Pattern[str],
        group: str | None = None,
        **config: object,
    ) -> Consumer:
        """A Consumer of topics (names, or one compiled pattern); without any, use `assign` or `subscribe`.

        With `group`, the group's members share the partitions and positions are committed to it; without,
        this consumer reads all of them. Options are keywords, with Kafka's names and underscores for dots; those wanted
        most: `auto_offset_reset` ("latest", "earliest", "none", "by_duration:PT1H"), `enable_auto_commit` (True),
        `isolation_level` ("read_uncommitted", "read_committed"), `max_poll_records` (500), `group_instance_id`,
        `partition_assignment_strategy`. All of them are in docs/configuration.md. Raises UnknownConfig, InvalidConfig,
        UnknownTopicOrPartition, Closed.
        """
        from logflume.client.consumer import Consumer

        self._check_open()
        made = Consumer(self, topics, group, config)
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
        """A Queue of a topic or several: each record goes to one of the group's members, until one accepts it.

        Options as keywords: `acknowledgement="explicit"`, `share_auto_offset_reset="earliest"`, ...
        `on_acknowledged(partition, error)` is told what became of answers, None when they count. Raises
        UnknownTopicOrPartition, InvalidGroup, InvalidConfig, UnknownConfig.
        """
        from logflume.client.queue import Queue

        self._check_open()
        made = Queue(self, topics, group, on_acknowledged, config)
        self._consumers.add(made)
        return made

    def transaction(self, *, sqlite: sqlite3.Connection) -> OutboxTransaction:
        """A transaction of this log and of a SQLite connection: both are committed, or neither is.

        `with log.transaction(sqlite=connection) as txn:` what `txn` sends and what is done on the connection
        inside. A crash at any moment leaves both sides agreed, once the log is opened again. Raises InvalidTxnState
        when the connection is in a transaction, InvalidConfig for a database without a file or with
        `PRAGMA synchronous` below FULL, and at the end of the block what SQLite's commit and Transaction.commit raise.
        """
        from logflume.client.outbox import Outbox, OutboxTransaction

        self._check_open()
        self._need_directory(
            "a transaction together with SQLite",
            "a directory as the outbox, and logflume.bridge.mirror into the cluster",
        )
        with self._mutex:
            if self._outbox is None:
                self._outbox = Outbox(self)
        return OutboxTransaction(self._outbox, sqlite)

    def forget_producer(self, producer: Producer) -> None:
        """It is closed."""
        self._producers.discard(producer)

    if TYPE_CHECKING:  # for the type checker: what the keys and values are

        @overload
        def table(
            self, topic: str, *, key_serde: Form[K], value_serde: Form[V], **options: Any
        ) -> Table[K, V]: ...
        @overload
        def table(self, topic: str, *, key_serde: Form[K], **options: Any) -> Table[K, bytes]: ...
        @overload
        def table(self, topic: str, *, value_serde: Form[V], **options: Any) -> Table[bytes, V]: ...
        @overload
        def table(self, topic: str, **options: Any) -> Table[bytes, bytes]: ...

    def table(self, topic: str, **options: Any) -> Table[Any, Any]:
        """A topic as a mapping, the last value of each key; options as keywords, see `table.Table`.

        Raises UnknownTopicOrPartition, InvalidConfig, UnknownConfig, CorruptRecord.
        """
        from logflume.client.table import Table

        self._check_open()
        self._need_directory("table()", _MIRRORED)
        made: Table[Any, Any] = Table(self, topic, **options)
        self._tables.add(made.core)
        return made

    def changelog(self, topic: str, partition: int, **options: Any) -> Changelog[Any, Any]:
        """The state of a stream processor's task: a mapping whose changes are written to one partition.

        See `table.Changelog`. Raises as `table`.
        """
        from logflume.client.table import Changelog

        self._check_open()
        self._need_directory("changelog()", _MIRRORED)
        made: Changelog[Any, Any] = Changelog(self, topic, partition, **options)
        self._tables.add(made.core)
        return made

    @property
    def transactions(self) -> Transactions:
        """Looking at transactions, and ending those whose producer is dead. Raises UnsupportedByEngine on a cluster."""
        from logflume.client.directory_engine import transactions_of

        return transactions_of(self._engine)

    def publish_open_batches(self) -> None:
        """Close the batches that this process's producers hold open: somebody waits for their records."""
        for producer in list(self._producers):
            producer.publish()

    # ---- upkeep

    def delete_records(self, offsets: Mapping[tuple[str, int], int]) -> dict[tuple[str, int], int]:
        """Make each given offset (-1: the end) its partition's first; returns the new start offsets."""
        return {
            (topic, number): self._engine.delete_records(topic, number, before)
            for (topic, number), before in offsets.items()
        }

    def maintenance(self, *, now_ms: int | None = None) -> dict[tuple[str, int], tuple[int, int]]:
        """Apply retention and compaction now: {(topic, partition): (segments, bytes)} by which logs became smaller.

        Nothing goes behind your back: call this when it suits, run `logflume maintain`, or ask for
        `start_maintenance`. Other processes may have the directory open and write meanwhile. Raises as `compact`.
        """
        import time

        from logflume.log import upkeep

        now = time.time_ns() // 1_000_000 if now_ms is None else now_ms
        directory = self._need_directory("maintenance()", _BROKERS)
        if TRANSACTIONS_TOPIC in directory.topics(internal=True):
            # What nobody will commit any more is in the way of both.
            self.transactions.settle()
        removed = upkeep.enforce_retention(directory, now)
        for report in upkeep.compact(directory, now):
            where = report.topic, report.partition
            segments, size = removed.get(where, (0, 0))
            if report.bytes_removed > 0:
                removed[where] = segments + report.segments_removed, size + report.bytes_removed
        return removed

    def compact(
        self, *topics: str, now_ms: int | None = None, force: bool = False
    ) -> list[CompactionReport]:
        """Compact topics (all, when none is named) whose `cleanup.policy` says so, and are dirty enough.

        `force`: whatever `min.cleanable.dirty.ratio` says. The active segment stays as it is. A partition that
        another process or thread compacts now is passed over. Raises UnknownTopicOrPartition, CorruptRecord,
        UnsupportedFormat, DiskFull, SyncFailed, LockTimeout; every record that counts is still there then.
        """
        import time

        from logflume.log import upkeep

        directory = self._need_directory("compact()", _BROKERS)
        for name in topics:
            self._engine.topic(name)
        now = time.time_ns() // 1_000_000 if now_ms is None else now_ms
        return upkeep.compact(directory, now, topics=topics or None, force=force)

    def start_maintenance(self, interval_s: float) -> Upkeep:
        """Call `maintenance()` every `interval_s` seconds in a thread of this process, until the log is closed.

        Returns what can `stop()` it. Starting again ends the one before.
        """
        from logflume.client.upkeep import Upkeep

        self._check_open()
        self._need_directory("start_maintenance()", _BROKERS)
        if self._upkeep is not None:
            self._upkeep.stop()
        self._upkeep = Upkeep(self, interval_s)
        return self._upkeep

    def recovery(self) -> list[PartitionReport]:
        """What opening each partition opened so far found and did."""
        return self._engine.partition_reports()

    def _need_directory(self, what: str, instead: str) -> LogDirectory:
        from logflume.client.directory_engine import directory_of

        return directory_of(self._engine, what, instead)

    # ---- life

    @property
    def closed(self) -> bool:
        """True once it was closed."""
        return self._engine.closed

    def _check_open(self) -> None:
        if self._engine.closed:
            raise Closed(what=f"the log {self.path}")

    def close(self) -> None:
        """Close tables, producers (flushing them), consumers and partitions. Idempotent. Raises the first failure."""
        failure: Exception | None = None
        if self._upkeep is not None:
            self._upkeep.ask_to_stop()
        users: list[TableCore | Producer | Consumer | Queue] = [
            *self._tables,
            *self._producers,
            *self._consumers,
        ]
        for user in users:
            try:
                user.close()
            except Exception as error:  # all are closed; the first failure is raised below
                failure = failure or error
        self._engine.close()
        if self._upkeep is not None:
            self._upkeep.stop()
        _live.discard(self)
        if failure is not None:
            raise failure

    def __repr__(self) -> str:
        return f"<Log {self.path}{', closed' if self.closed else ''}>"


def _close_all() -> None:
    """At exit: what was sent is flushed and partitions are left clean, as with close()."""
    for log in list(_live):
        try:
            log.close()
        except Exception as error:  # the interpreter is going: say it and let the others close
            from logflume.observe import get_logger

            get_logger(__name__).error("close_at_exit_failed", path=log.path, error=error)


atexit.register(_close_all)


def _abandon_in_child() -> None:
    for log in list(_live):
        for producer in list(log._producers):
            producer.abandon()
        for consumer in list(log._consumers):
            consumer.abandon()
        for table in list(log._tables):
            table.abandon()


# Registered after the directory's hook, so run before it would be wrong: children run hooks in order of
# registration, and the directory's module was imported first.
os.register_at_fork(after_in_child=_abandon_in_child)
