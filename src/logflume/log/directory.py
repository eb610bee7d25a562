"""A log directory: its identity, its topics, its open partitions."""

from __future__ import annotations

import contextlib
import os
import threading
import weakref

from logflume._native.partition import Partition
from logflume.config import DirectoryConfig, check_partitions, check_topic, parse, update
from logflume.config.names import INTERNAL_TOPICS, TRANSACTIONS_TOPIC, as_number, as_topic
from logflume.config.topic import TopicConfig
from logflume.errors import (
    Closed,
    InvalidPartitions,
    LogflumeError,
    ReadOnlyDirectory,
    StorageError,
    TopicExists,
    UnknownTopicOrPartition,
)
from logflume.log import layout, partition_settings
from logflume.log.bulk_sync import sync_partitions, sync_together
from logflume.log.filesystem import (
    is_writable,
    raise_typed,
    refuse_network,
    sync_directory,
)
from logflume.log.ids import new_id
from logflume.log.locks import DirectoryLock
from logflume.log.offsets_file import OffsetsFile
from logflume.log.partition_directory import make_partition_directory
from logflume.log.producer_ids import ProducerIds
from logflume.log.properties import MetaProperties, read_meta, write_meta
from logflume.log.small_file import TEMPORARY_SUFFIX, remove_temporaries
from logflume.log.topic_store import TopicEntry, TopicStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any


__all__ = ["LogDirectory"]

_open_directories: weakref.WeakSet[LogDirectory] = weakref.WeakSet()


class LogDirectory:
    """All partitions below one directory. Thread-safe; a forked child's copy opens its files anew.

    Parameters: `path`, made when missing unless `read_only`; `config`, options of the directory.
    Raises DirectoryLocked, NetworkFilesystem, ReadOnlyDirectory, UnsupportedFormat, CorruptRecord.
    """

    def __init__(
        self,
        path: str,
        config: Mapping[str, object] | None = None,
        *,
        read_only: bool = False,
    ) -> None:
        self.path = os.path.abspath(path)
        self.config = parse(DirectoryConfig, config or {})
        self.read_only = read_only
        self._partitions: dict[tuple[str, int], Partition] = {}
        self._gone: list[Partition] = []  # deleted by other processes; still held by who reads them
        self._applied: dict[str, TopicConfig] = {}
        self._mutex = threading.RLock()
        self._closed = False
        self._prepare()
        self.meta = self._identity()
        self._store = TopicStore(self.path)
        self._starts = OffsetsFile(os.path.join(self.path, layout.LOG_START_FILE), self._lock)
        self._cleaned = OffsetsFile(
            os.path.join(self.path, layout.CLEANER_OFFSETS_FILE), self._lock
        )
        self.producer_ids = ProducerIds(self.path, self._lock)
        if not read_only:
            self._finish_deletions()
            self._remove_leftovers()
            if self._has_transactions():
                self._open_transactions()
        _open_directories.add(self)

    def _prepare(self) -> None:
        if not self.read_only:
            try:
                os.makedirs(self.path, exist_ok=True)
            except FileExistsError:
                raise StorageError(path=self.path, reason="is not a directory") from None
            except OSError as error:
                raise_typed(error, self.path)
        elif not os.path.isdir(self.path):
            raise StorageError(path=self.path, reason="there is no such directory")
        if not self.config.allow_network_filesystem:
            refuse_network(self.path)
        if not self.read_only and not is_writable(self.path):
            raise ReadOnlyDirectory(path=self.path, reason="open it with read_only=True to read it")
        self._lock = DirectoryLock(
            self.path, timeout_s=self.config.lock_timeout_ms / 1000, read_only=self.read_only
        )

    def _identity(self) -> MetaProperties:
        path = os.path.join(self.path, layout.META_FILE)
        meta = read_meta(path)
        if meta is not None or self.read_only:
            return meta or MetaProperties(cluster_id="", node_id=0, directory_id="")
        with self._lock.changing():
            meta = read_meta(path)
            if meta is None:
                meta = MetaProperties(cluster_id=new_id(), node_id=1, directory_id=new_id())
                write_meta(path, meta)
        return meta

    # ---- topics

    def topics(self, *, internal: bool = False) -> list[str]:
        """Names, sorted; internal ones only when asked for."""
        self.check_open()
        return sorted(
            name
            for name, entry in self._entries().items()
            if not entry.deleting and (internal or name not in INTERNAL_TOPICS)
        )

    def entries(self, *, fresh: bool = False) -> Mapping[str, TopicEntry]:
        """All topics by name, those being deleted too. The same object until somebody changes a topic.

        `fresh`: look now, not when the file was last seen to change.
        """
        self.check_open()
        return self._entries(fresh=fresh)

    def _entries(self, *, fresh: bool = False) -> dict[str, TopicEntry]:
        with self._mutex:
            entries = self._store.topics(fresh=fresh)
            for name, config in list(self._applied.items()):
                entry = entries.get(name)
                if entry is not None and entry.config is not config:
                    self._apply(entry)
            return entries

    def topic(self, name: str) -> TopicEntry:
        """What is known of a topic. Raises UnknownTopicOrPartition."""
        self.check_open()
        entry = self._entries().get(as_topic(name))
        if entry is None or entry.deleting:
            raise UnknownTopicOrPartition(topic=name)
        return entry

    def create_topic(
        self,
        name: str,
        *,
        partitions: int | None = None,
        config: Mapping[str, object] | None = None,
    ) -> TopicEntry:
        """Make a topic. Raises TopicExists, InvalidTopicName, InvalidPartitions, InvalidConfig."""
        self.check_writable()
        count = check_partitions(
            name, self.config.num_partitions if partitions is None else partitions
        )
        settings = parse(TopicConfig, config or {})
        with self._mutex, self._lock.changing():
            entries = self._store.topics(fresh=True)
            if name in entries:
                raise TopicExists(topic=name)
            check_topic(name, existing=[other for other in entries if other != name])
            entry = TopicEntry(name, new_id(), count, settings)
            self._store.put(entry)
            self._make_directories(entry)
        return entry

    def alter_topic(
        self,
        name: str,
        *,
        partitions: int | None = None,
        config: Mapping[str, object] | None = None,
    ) -> TopicEntry:
        """Change settings (None sets one back to its default) or add partitions.

        Raises UnknownTopicOrPartition, InvalidPartitions (fewer than there are), InvalidConfig.
        """
        self.check_writable()
        with self._mutex, self._lock.changing():
            entry = self._store.topics(fresh=True).get(name)
            if entry is None or entry.deleting:
                raise UnknownTopicOrPartition(topic=name)
            if partitions is not None:
                partitions = check_partitions(name, partitions)
                if partitions < entry.partitions:
                    reason = f"it has {entry.partitions} already"
                    raise InvalidPartitions(topic=name, partitions=partitions, reason=reason)
                entry = entry._replace(partitions=partitions)
            if config:
                entry = entry._replace(config=update(entry.config, config))
            self._store.put(entry)
            self._make_directories(entry)
            self._entries(fresh=True)
        return entry

    def delete_topic(self, name: str) -> None:
        """Delete a topic and its records. Raises UnknownTopicOrPartition."""
        self.check_writable()
        with self._mutex, self._lock.changing():
            entry = self._store.topics(fresh=True).get(name)
            if entry is None or entry.deleting:
                raise UnknownTopicOrPartition(topic=name)
            self._delete(entry)

    def _delete(self, entry: TopicEntry) -> None:
        """The mark first: a crash leaves a deletion that the next opener finishes."""
        import shutil  # eight milliseconds that opening a log need not pay

        self._store.put(entry._replace(deleting=True))
        for number in range(entry.partitions):
            directory = self.partition_path(entry.name, number)
            if os.path.isdir(directory):
                self._opened(entry, number).mark_deleted()
            open_log = self._partitions.pop((entry.name, number), None)
            if open_log is not None:
                open_log.close()
            if os.path.isdir(directory):
                away = os.path.join(
                    self.path,
                    layout.deleted_directory_name(entry.name, number, os.urandom(16).hex()),
                )
                os.rename(directory, away)
                shutil.rmtree(away)
        self._applied.pop(entry.name, None)
        self._cleaned.forget(entry.name)
        self._starts.forget(entry.name)
        self._store.put(remove=entry.name)
        sync_directory(self.path)

    def _finish_deletions(self) -> None:
        if not any(entry.deleting for entry in self._store.topics().values()):
            return
        with self._lock.changing():
            for entry in list(self._store.topics(fresh=True).values()):
                if entry.deleting:
                    self._delete(entry)

    def _has_transactions(self) -> bool:
        used = TRANSACTIONS_TOPIC in self._entries()
        return used or os.path.exists(os.path.join(self.path, layout.TRANSACTIONS_PAGE_FILE))

    def _open_transactions(self) -> None:
        """Before anybody can append, what was committed and lost with the power is put back: by a subclass."""
        self.close()
        raise StorageError(
            path=self.path, reason="it has transactions: open it as TransactionalDirectory"
        )

    def _remove_leftovers(self) -> None:
        """Temporary files of processes that were killed while they replaced one of the directory's."""
        if any(name.endswith(TEMPORARY_SUFFIX) for name in os.listdir(self.path)):
            with self._lock.changing():
                remove_temporaries(self.path)

    def partition_path(self, topic: str, partition: int) -> str:
        """A partition's directory, be it there or not."""
        return os.path.join(self.path, layout.partition_directory_name(topic, partition))

    def _make_directories(self, entry: TopicEntry) -> None:
        for number in range(entry.partitions):
            self._make_directory(entry, number)
        sync_directory(self.path)

    def _make_directory(self, entry: TopicEntry, number: int) -> None:
        make_partition_directory(self.partition_path(entry.name, number), entry.topic_id)

    # ---- partitions

    def partition(self, topic: str, number: int) -> Partition:
        """The open partition; opened (and recovered, if need be) at the first call."""
        found = self._partitions.get((topic, number))
        if found is not None and not found.closed and not found.gone:
            return found
        self.check_open()
        with self._mutex:
            entry = self._entries(fresh=found is not None).get(topic)
            if entry is None or entry.deleting:
                raise UnknownTopicOrPartition(topic=topic)
            number = as_number(number)
            if not 0 <= number < entry.partitions:
                raise UnknownTopicOrPartition(topic=topic, partition=number)
            if not self.read_only:
                self._make_directory(entry, number)
            elif not os.path.isdir(self.partition_path(topic, number)):
                raise UnknownTopicOrPartition(topic=topic, partition=number)
            opened = self._partitions.get((topic, number))
            if opened is not None and opened.gone:
                # Deleted by another process, and made again since: another partition, in another directory.
                self._gone.append(self._partitions.pop((topic, number)))
            return self._opened(entry, number)

    def _opened(self, entry: TopicEntry, number: int) -> Partition:
        """As partition(), of a topic that may be on its way out. The caller holds the mutex."""
        opened = self._partitions.get((entry.name, number))
        if opened is None or opened.closed:
            path = self.partition_path(entry.name, number)
            opened = Partition(
                path,
                entry.name,
                number,
                self._lock.fd,
                read_only=self.read_only,
                **partition_settings.of_directory(self.config),
                **partition_settings.opening(self.path, path, entry.name, number),
                **self._running(entry, number),
            )
            self._partitions[entry.name, number] = opened
            self._applied[entry.name] = entry.config
        return opened

    def partitions(self, topic: str) -> list[Partition]:
        """All partitions of a topic, open."""
        return [self.partition(topic, n) for n in range(self.topic(topic).partitions)]

    def open_partitions(self) -> Iterable[Partition]:
        """Those that this process has open now."""
        with self._mutex:
            return [p for p in self._partitions.values() if not p.closed]

    def _apply(self, entry: TopicEntry) -> None:
        for (topic, number), opened in self._partitions.items():
            if topic == entry.name and not opened.closed:
                opened.configure(**self._running(entry, number))
        self._applied[entry.name] = entry.config

    def _running(self, entry: TopicEntry, number: int) -> dict[str, Any]:
        compacted = self._cleaned.get(entry.name, number) is not None
        return partition_settings.running(entry, compacted=compacted)

    def refresh(self) -> None:
        """Take over what other processes changed: settings, new partitions."""
        if self._store.changed():
            self._entries()

    def delete_records(self, topic: str, number: int, before: int) -> int:
        """Make `before` (-1: the end) the first offset; returns the new start. Raises OffsetOutOfRange."""
        self.check_writable()
        partition = self.partition(topic, number)
        offset = partition.end_offset if before == -1 else before
        partition.set_start_offset(offset)
        # On disk before a file goes: a crash between must not bring deleted records back half.
        self._starts.record(topic, number, partition.start_offset, never_back=True)
        partition.delete_old_segments()
        return int(partition.start_offset)

    def cleaned_offset(self, partition: Partition) -> int | None:
        """First offset that no compaction has compared with those before it; None when there was none."""
        return self._cleaned.get(partition.topic, partition.partition)

    def record_cleaned(self, partition: Partition, offset: int) -> None:
        """Note where the next compaction of a partition begins."""
        with self._mutex:
            if not self._closed:
                self._cleaned.record(partition.topic, partition.partition, offset)

    # ---- life

    def check_open(self) -> None:
        """Raises Closed."""
        if self._closed:
            raise Closed(what=f"the log {self.path}")

    @property
    def lock_fd(self) -> int:
        """The open lock file, for kernel locks on its bytes."""
        return self._lock.fd

    def check_writable(self) -> None:
        """Raises Closed, ReadOnlyDirectory."""
        self.check_open()
        if self.read_only:
            raise ReadOnlyDirectory(path=self.path, reason="opened with read_only=True")

    @property
    def closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        """Close every partition and let go of the directory. Idempotent; raises the first failure, after all."""
        with self._mutex:
            if self._closed:
                return
            self._closed = True
            failure: Exception | None = None
            self._sync_in_bulk()
            for opened in (*self._partitions.values(), *self._gone):
                try:
                    opened.close()
                except (
                    Exception
                ) as error:  # every partition gets its chance; the first failure is raised
                    failure = failure or error
            self._partitions.clear()
            self._gone.clear()
            self._lock.close()
        if failure is not None:
            raise failure

    def sync(self, partitions: Iterable[Partition]) -> None:
        """Return when all that these partitions hold is on disk. Raises SyncFailed."""
        sync_partitions(partitions)

    def _sync_in_bulk(self) -> None:
        """Before many are closed: trimmed, then synced together. What fails here fails again when it is closed."""
        dirty = [
            p for p in self._partitions.values() if not p.closed and p.durable_offset < p.end_offset
        ]
        for partition in dirty if not self.read_only else ():
            with contextlib.suppress(LogflumeError):
                partition.trim()
        sync_together(dirty)

    def _reopen_in_child(self) -> None:
        self._mutex = threading.RLock()
        if self._closed:
            return
        self._lock.reopen()
        self.producer_ids.forget()
        for opened in self._partitions.values():
            opened.reopen_after_fork(self._lock.fd)


def _after_fork_in_child() -> None:
    for directory in list(_open_directories):
        directory._reopen_in_child()


os.register_at_fork(after_in_child=_after_fork_in_child)
