"""What `__consumer_offsets` says of a share group of embedded members, so that a Kafka or a broker knows it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from uuid import UUID

from logflume.coordinator.group_file import GroupFile
from logflume.coordinator.group_files import group_file_path, share_lock_path
from logflume.coordinator.group_records import decode_group_key, encode_group_key
from logflume.coordinator.offset_store import OffsetStore
from logflume.coordinator.offsets_topic import offsets_partition, offsets_partitions
from logflume.coordinator.share_records import (
    SHARE_GROUP,
    SHARE_PARTITIONS,
    SharedTopic,
    SharePartitions,
    decode_share_partitions,
    encode_share_epoch,
    encode_share_partitions,
)
from logflume.errors import InvalidGroup

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume.log.directory import LogDirectory

__all__ = ["GroupRecord"]


class GroupRecord:
    """One group's. Not thread-safe; changed under the lock of a file of the group, so that members do not undo
    each other. Making it raises InvalidGroup for a group that has committed offsets: it is one of consumers."""

    def __init__(self, directory: LogDirectory, group: str) -> None:
        self._group = group
        self._epoch: bytes | None = None
        self._topics: bytes | None = None
        count = offsets_partitions(directory)
        self._lock_path = share_lock_path(group_file_path(directory.path, group, count))
        self._lock_timeout_s = directory.config.lock_timeout_ms / 1000
        self._store = OffsetStore(offsets_partition(directory, group), on_other=self._take)
        if self._store.offsets(group):
            raise InvalidGroup(
                group=group, reason="it is a group of consumers, with committed offsets"
            )

    def _take(self, key: bytes, value: bytes | None) -> None:
        found = decode_group_key(key)
        if found is None or found.group != self._group:
            return
        if found.version == SHARE_GROUP:
            self._epoch = value
        elif found.version == SHARE_PARTITIONS:
            self._topics = value

    def read(self) -> SharePartitions | None:
        """The topics with a state; None when there is no such group."""
        self._store.refresh()
        if self._topics is not None:
            return decode_share_partitions(self._topics)
        return None if self._epoch is None else SharePartitions()

    def add(self, topic_id: UUID, name: str, numbers: Iterable[int]) -> None:
        """These partitions have a state."""
        wanted = set(numbers)
        if self._epoch is not None and wanted <= self._numbers(self.read(), topic_id):
            return
        with self._changing():
            found = self.read() or SharePartitions()
            wanted |= self._numbers(found, topic_id)
            topic = SharedTopic(name, frozenset(wanted))
            self._write(found, {**found.initialized, topic_id: topic})

    def remove(self, topic_ids: Iterable[UUID]) -> None:
        """These topics have none any more."""
        gone = set(topic_ids)
        with self._changing():
            found = self.read()
            if found is not None:
                self._write(found, {i: t for i, t in found.initialized.items() if i not in gone})

    def delete(self) -> None:
        """There is no such group any more."""
        with self._changing():
            keys = [encode_group_key(kind, self._group) for kind in (SHARE_GROUP, SHARE_PARTITIONS)]
            self._store.append([(key, None) for key in keys], durable=True)
            with suppress(FileNotFoundError):
                os.unlink(self._lock_path)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        file = GroupFile(self._lock_path, create=True, lock_timeout_s=self._lock_timeout_s)
        try:
            with file.locked():
                yield
        finally:
            file.close()

    def _write(self, found: SharePartitions, initialized: Mapping[UUID, SharedTopic]) -> None:
        value = SharePartitions(found.initializing, initialized, found.deleting)
        key = encode_group_key(SHARE_PARTITIONS, self._group)
        records: list[tuple[bytes, bytes | None]] = [(key, encode_share_partitions(value))]
        if self._epoch is None:
            # Only where there is none: a broker's epoch must not go back.
            records.insert(0, (encode_group_key(SHARE_GROUP, self._group), encode_share_epoch(1)))
        self._store.append(records, durable=False)

    @staticmethod
    def _numbers(found: SharePartitions | None, topic_id: UUID) -> set[int]:
        topic = None if found is None else found.initialized.get(topic_id)
        return set() if topic is None else set(topic.partitions)
