"""What `__consumer_offsets` says of a share group: that there is one, and which topics have a state."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from uuid import UUID

from logflume.coordinator.group_file import GroupFile
from logflume.coordinator.group_files import group_file_path
from logflume.coordinator.offset_store import OffsetStore
from logflume.coordinator.offsets_topic import offsets_partition, offsets_partitions
from logflume.errors import InvalidGroup

from .group_schema import (
    SHARE_GROUP,
    STATE_PARTITIONS,
    InitializedTopic,
    StatePartitions,
    decode_share_group_key,
    decode_state_partitions,
    encode_group,
    encode_group_key,
    encode_state_partitions,
    encode_state_partitions_key,
)

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
        self._lock_path = group_file_path(directory.path, group, count) + ".share"
        self._lock_timeout_s = directory.config.lock_timeout_ms / 1000
        self._store = OffsetStore(offsets_partition(directory, group), on_other=self._take)
        if self._store.offsets(group):
            raise InvalidGroup(
                group=group, reason="it is a group of consumers, with committed offsets"
            )

    def _take(self, key: bytes, value: bytes | None) -> None:
        found = decode_share_group_key(key)
        if found == (SHARE_GROUP, self._group):
            self._epoch = value
        elif found == (STATE_PARTITIONS, self._group):
            self._topics = value

    def read(self) -> StatePartitions | None:
        """The topics with a state; None when there is no such group."""
        self._store.refresh()
        if self._topics is not None:
            return decode_state_partitions(self._topics)
        return None if self._epoch is None else StatePartitions()

    def add(self, topic_id: UUID, name: str, numbers: Iterable[int]) -> None:
        """These partitions have a state."""
        wanted = set(numbers)
        if self._epoch is not None and wanted <= self._numbers(self.read(), topic_id):
            return
        with self._changing():
            found = self.read() or StatePartitions()
            wanted |= self._numbers(found, topic_id)
            others = [t for t in found.initialized if t.topic_id != topic_id]
            self._write(found, [*others, InitializedTopic(topic_id, name, tuple(sorted(wanted)))])

    def remove(self, topic_ids: Iterable[UUID]) -> None:
        """These topics have none any more."""
        gone = set(topic_ids)
        with self._changing():
            found = self.read()
            if found is not None:
                self._write(found, [t for t in found.initialized if t.topic_id not in gone])

    def delete(self) -> None:
        """There is no such group any more."""
        with self._changing():
            keys = [encode_group_key(self._group), encode_state_partitions_key(self._group)]
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

    def _write(self, found: StatePartitions, initialized: list[InitializedTopic]) -> None:
        value = StatePartitions(found.initializing, tuple(initialized), found.deleting)
        records: list[tuple[bytes, bytes | None]] = [
            (encode_state_partitions_key(self._group), encode_state_partitions(value)),
        ]
        if self._epoch is None:
            records.insert(0, (encode_group_key(self._group), encode_group(1)))
        self._store.append(records, durable=False)

    @staticmethod
    def _numbers(found: StatePartitions | None, topic_id: UUID) -> set[int]:
        if found is None:
            return set()
        return {n for t in found.initialized if t.topic_id == topic_id for n in t.partitions}
