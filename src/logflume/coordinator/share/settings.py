"""What a share group is set to."""

from __future__ import annotations

import time
from dataclasses import dataclass

from logflume.config import by_duration_ms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from logflume._native.partition import Partition
    from logflume.config.group import GroupConfig

    class Common(Protocol):
        """What holds for groups that say nothing themselves: a directory's configuration, or a broker's."""

        @property
        def group_share_record_lock_duration_ms(self) -> int: ...
        @property
        def group_share_delivery_count_limit(self) -> int: ...
        @property
        def group_share_partition_max_record_locks(self) -> int: ...


__all__ = ["ShareSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareSettings:
    """Kafka's share.* settings of a group, and the broker's where a group has none."""

    lock_duration_ms: int = 30_000
    delivery_count_limit: int = 5
    max_record_locks: int = 2000
    auto_offset_reset: str = "latest"
    read_committed: bool = False
    renew: bool = True
    """Whether a member may ask for more time (share.renew.acknowledge.enable)."""

    @classmethod
    def of(cls, group: GroupConfig, common: Common) -> ShareSettings:
        """What a group is set to, and what all groups are where it is not."""
        return cls(
            lock_duration_ms=group.share_record_lock_duration_ms
            or common.group_share_record_lock_duration_ms,
            delivery_count_limit=group.share_delivery_count_limit
            or common.group_share_delivery_count_limit,
            max_record_locks=group.share_partition_max_record_locks
            or common.group_share_partition_max_record_locks,
            auto_offset_reset=group.share_auto_offset_reset,
            read_committed=group.share_isolation_level == "read_committed",
            renew=group.share_renew_acknowledge_enable,
        )

    def first_offset(self, log: Partition) -> int:
        """Where a group begins with a partition that it never read."""
        if self.auto_offset_reset == "earliest":
            return int(log.start_offset)
        age_ms = by_duration_ms(self.auto_offset_reset)
        if age_ms is not None:
            found = log.offset_for_time(time.time_ns() // 1_000_000 - age_ms)
            if found is not None:
                return int(found)
        return int(log.last_stable_offset if self.read_committed else log.end_offset)
