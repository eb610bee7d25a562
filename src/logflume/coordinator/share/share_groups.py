"""All share groups of a directory, for those who hold nothing: who is there, how far each is, starting elsewhere."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from operator import itemgetter
from uuid import UUID

from logflume.config.names import OFFSETS_TOPIC, SHARE_STATE_TOPIC
from logflume.coordinator.group_file import GroupFile
from logflume.coordinator.group_records import decode_group_key
from logflume.coordinator.offset_store import OffsetStore
from logflume.coordinator.share_records import SHARE_GROUP
from logflume.errors import GroupNotEmpty, GroupNotFound, UnknownTopicOrPartition
from logflume.log.boot import boot_id
from logflume.types import NamedTuple, TopicPartition

from .group_record import GroupRecord
from .share_partition import SharePartitionInfo, describe
from .state_log import DurableState, ShareStateLog
from .state_schema import ShareKey, state_partition_for
from .state_topic import open_state_log, state_partitions, topic_id_of, working_file_path
from .window import Window
from .working_table import Holder, WorkingTable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume.log.directory import LogDirectory

__all__ = ["ShareGroups", "SharingMember"]


class SharingMember(NamedTuple):
    """Who may hold records of these partitions; the rest is for people. `joined_ms`: since 1970."""

    member_id: str
    pid: int
    client_id: str
    joined_ms: int
    partitions: tuple[TopicPartition, ...]


class ShareGroups:
    """Not thread-safe. Looking works on a read-only directory, and changes nothing."""

    def __init__(self, directory: LogDirectory) -> None:
        self._directory = directory
        self._logs: dict[int, ShareStateLog] = {}

    # ---- looking

    def groups(self) -> list[str]:
        """Names, sorted."""
        names = {key.group for key in self._keys()}
        names |= self._recorded()
        return sorted(names)

    def _recorded(self) -> set[str]:
        """Groups that are in `__consumer_offsets`, with or without a state."""
        found: dict[str, bool] = {}

        def take(key: bytes, value: bytes | None) -> None:
            decoded = decode_group_key(key)
            if decoded is not None and decoded.version == SHARE_GROUP:
                found[decoded.group] = value is not None

        if OFFSETS_TOPIC in self._directory.topics(internal=True):
            for partition in self._directory.partitions(OFFSETS_TOPIC):
                OffsetStore(partition, on_other=take).refresh()
        return {group for group, there in found.items() if there}

    def partitions(self, group: str) -> dict[TopicPartition, SharePartitionInfo]:
        """Where the group stands in each partition that it has a state for, sorted."""
        out = {}
        for key, where in self._of(group):
            table = self._table(key)
            if table is None:
                continue
            out[where] = describe(table, self._log_end(where))
        return dict(sorted(out.items()))

    def members(self, group: str) -> list[SharingMember]:
        """Who lives, embedded or behind a broker; sorted by id."""
        found: dict[str, SharingMember] = {}
        for key, where in sorted(self._of(group), key=itemgetter(1)):
            for holder in self._living(key):
                known = found.get(holder.member_id)
                partitions = (*known.partitions, where) if known is not None else (where,)
                found[holder.member_id] = SharingMember(
                    holder.member_id, holder.pid, holder.client_id, holder.joined_ms, partitions
                )
        return [found[member_id] for member_id in sorted(found)]

    def with_state(self) -> dict[str, set[str]]:
        """Groups that have begun with a partition, and the ids of who lives of each. Less work than `groups`."""
        found: dict[str, set[str]] = {}
        for key in self._keys():
            found.setdefault(key.group, set()).update(one.member_id for one in self._living(key))
        return found

    def _living(self, key: ShareKey) -> list[Holder]:
        with self._file(key) as file:
            table = None if file is None else self._decode(file)
            if file is None or table is None:
                return []
            return [one for one in table.holders.values() if file.is_slot_alive(one.slot)]

    # ---- changing

    def alter_offsets(self, group: str, offsets: Mapping[TopicPartition, int]) -> None:
        """Begin at these offsets instead, with nothing in flight; makes the group if there is none. Durable.

        Raises GroupNotEmpty, UnknownTopicOrPartition, InvalidGroup.
        """
        self._check_empty(group)
        record = GroupRecord(self._directory, group)
        for where, offset in offsets.items():
            self._directory.partition(where.topic, where.partition)
            topic_id = topic_id_of(self._directory, where.topic)
            key = ShareKey(group, topic_id, where.partition)
            self._restart(key, offset)
            record.add(topic_id, where.topic, [where.partition])

    def delete_offsets(self, group: str, topics: Iterable[str]) -> None:
        """Forget where the group stands in these topics. Durable. Raises GroupNotFound, GroupNotEmpty."""
        if group not in self.groups():
            raise GroupNotFound(group=group)
        self._check_empty(group)
        ids = {topic_id_of(self._directory, topic) for topic in topics}
        self._delete([key for key in self._keys() if key.group == group and key.topic_id in ids])
        GroupRecord(self._directory, group).remove(ids)

    def delete_group(self, group: str) -> None:
        """Forget a group. Durable. Raises GroupNotFound, GroupNotEmpty."""
        if group not in self.groups():
            raise GroupNotFound(group=group)
        self._check_empty(group)
        self._delete([key for key in self._keys() if key.group == group])
        GroupRecord(self._directory, group).delete()

    def delete_topic(self, topic_id: UUID) -> None:
        """A topic is deleted: so is what all groups had of it."""
        keys = [key for key in self._keys() if key.topic_id == topic_id]
        self._delete(keys)
        for group in {key.group for key in keys}:
            GroupRecord(self._directory, group).remove([topic_id])

    def _check_empty(self, group: str) -> None:
        if self.members(group):
            raise GroupNotEmpty(group=group)

    def _restart(self, key: ShareKey, offset: int) -> None:
        log = self._state_log(key, create=True)
        with self._file(key, create=True) as file:
            assert file is not None
            old = log.state(key)
            state = DurableState(
                old.snapshot_epoch + 1 if old is not None else 0,
                # Members of before, and what a Kafka has in memory, are told by it that all is new.
                old.state_epoch + 1 if old is not None else 0,
                old.leader_epoch if old is not None else 0,
                old.create_ms if old is not None else time.time_ns() // 1_000_000,
                Window(offset),
            )
            log.sync(log.append_snapshot(key, state))
            self._end(file)

    def _delete(self, keys: list[ShareKey]) -> None:
        for key in keys:
            log = self._state_log(key)
            with self._file(key, create=True) as file:
                assert file is not None
                log.sync(log.append_tombstones([key]))
                self._end(file)

    def _end(self, file: GroupFile) -> None:
        """Whoever has the file open takes the state from the log. The caller has its lock."""
        table = WorkingTable(boot_id(), Window(0), deleted=True)
        file.write(table.encode(), file.read_or_restart().generation + 1)
        with suppress(FileNotFoundError):
            os.unlink(file.path)

    # ---- files

    def _count(self) -> int:
        return state_partitions(self._directory, create=False)

    def _state_log(self, key: ShareKey, *, create: bool = False) -> ShareStateLog:
        count = state_partitions(self._directory, create=create)
        return self._log_of(state_partition_for(key, count))

    def _log_of(self, number: int) -> ShareStateLog:
        found = self._logs.get(number)
        if found is None:
            found = self._logs[number] = open_state_log(self._directory, number)
        return found

    def _keys(self) -> list[ShareKey]:
        return [key for number in range(self._count()) for key in self._log_of(number).share_keys()]

    def _of(self, group: str) -> list[tuple[ShareKey, TopicPartition]]:
        """The share partitions of a group whose topics there are."""
        names = {}
        for topic in self._directory.topics(internal=True):
            if topic != SHARE_STATE_TOPIC:
                with suppress(UnknownTopicOrPartition):
                    names[topic_id_of(self._directory, topic)] = topic
        return [
            (key, TopicPartition(names[key.topic_id], key.partition))
            for key in self._keys()
            if key.group == group and key.topic_id in names
        ]

    def _log_end(self, where: TopicPartition) -> int:
        return int(self._directory.partition(where.topic, where.partition).end_offset)

    @contextmanager
    def _file(self, key: ShareKey, *, create: bool = False) -> Iterator[GroupFile | None]:
        """A share partition's file, locked; None where there is none and none is to be made."""
        path = working_file_path(self._directory, key, self._count())
        timeout_s = self._directory.config.lock_timeout_ms / 1000
        while True:
            try:
                file = GroupFile(
                    path, create=create, read_only=not create, lock_timeout_s=timeout_s
                )
            except FileNotFoundError:
                yield None
                return
            try:
                with file.locked(shared=not create):
                    if not file.is_at_path():
                        continue  # deleted between open and lock
                    yield file
                    return
            finally:
                file.close()

    def _decode(self, file: GroupFile) -> WorkingTable | None:
        data = file.read().data
        return None if data is None else WorkingTable.decode(data, path=file.path)

    def _table(self, key: ShareKey) -> WorkingTable | None:
        """What the members share; what the log says where there are none."""
        with self._file(key) as file:
            table = None if file is None else self._decode(file)
            if table is not None and not table.deleted and table.boot == boot_id():
                return table
        state = self._state_log(key).state(key)
        if state is None or state.window is None:
            return None
        return WorkingTable(
            boot_id(), state.window, state.state_epoch, state.snapshot_epoch, state.leader_epoch
        )
