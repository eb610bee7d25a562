"""One living holder of records of a share group: a queue in this process, or a broker for its clients."""

from __future__ import annotations

from logflume.config.names import check_group
from logflume.errors import ReadOnlyDirectory

from .group_record import GroupRecord
from .settings import ShareSettings
from .share_partition import SharePartition
from .state_log import ShareStateLog
from .state_schema import ShareKey, state_partition_for
from .state_topic import open_state_log, state_partitions, topic_id_of, working_file_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume.log.directory import LogDirectory

__all__ = ["ShareHolder"]


class ShareHolder:
    """Its share partitions, by topic and number. Not thread-safe. Close it; its death does the same.

    `announce`: write to `__consumer_offsets` that there is this group, and which topics have a state; a broker's
    coordinator does that itself. `lock_timeout_s`: how long a step may wait for another process's (default: the
    directory's lock.timeout.ms). Raises InvalidGroup for a group of consumers, ReadOnlyDirectory.
    """

    def __init__(
        self,
        directory: LogDirectory,
        group: str,
        settings: ShareSettings,
        *,
        client_id: str = "",
        lock_timeout_s: float | None = None,
        announce: bool = True,
    ) -> None:
        if directory.read_only:
            raise ReadOnlyDirectory(
                path=directory.path, reason="a queue writes what became of records"
            )
        self.group = check_group(group)
        self.settings = settings
        self._directory = directory
        self._client_id = client_id
        configured_s = directory.config.lock_timeout_ms / 1000
        self._lock_timeout_s = configured_s if lock_timeout_s is None else lock_timeout_s
        self._state_logs: dict[int, ShareStateLog] = {}
        self._partitions: dict[tuple[str, int], SharePartition] = {}
        self._record = GroupRecord(directory, group) if announce else None

    def partition(self, topic: str, number: int) -> SharePartition:
        """What the group does with a partition. Opens it at the first call, and may wait for the disk then."""
        found = self._partitions.get((topic, number))
        if found is not None and not found.log.gone:
            return found
        if found is not None:
            found.forget()  # the topic was deleted and made anew
        directory = self._directory
        log = directory.partition(topic, number)
        key = ShareKey(self.group, topic_id_of(directory, topic), number)
        count = state_partitions(directory)
        state_number = state_partition_for(key, count)
        state_log = self._state_logs.get(state_number)
        if state_log is None:
            state_log = self._state_logs[state_number] = open_state_log(directory, state_number)
        made = self._partitions[topic, number] = SharePartition(
            log,
            key,
            working_file_path(directory, key, count),
            state_log,
            self.settings,
            client_id=self._client_id,
            snapshot_every=directory.config.share_coordinator_snapshot_update_records_per_snapshot,
            lock_timeout_s=self._lock_timeout_s,
        )
        return made

    def enter(self, topic: str, numbers: range, member_id: str) -> None:
        """Be a member for these partitions of a topic; the group is known by it from now on."""
        for number in numbers:
            self.partition(topic, number).join(member_id)
        if self._record is not None:
            self._record.add(topic_id_of(self._directory, topic), topic, numbers)

    def close(self) -> None:
        """Release all that is held. Idempotent."""
        for partition in self._partitions.values():
            partition.close()
        self._partitions.clear()

    def abandon(self) -> None:
        """In a forked child: the parent goes on holding."""
        for partition in self._partitions.values():
            partition.forget()
        self._partitions.clear()
