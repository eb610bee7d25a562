"""What a share group is set to."""

from __future__ import annotations

import time
from dataclasses import dataclass

from logflume.config import by_duration_ms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume._native.partition import Partition

__all__ = ["ShareSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareSettings:
    """Kafka's share.* settings of a group, and the broker's where a group has none."""

    lock_duration_ms: int = 30_000
    delivery_count_limit: int = 5
    max_record_locks: int = 2000
    auto_offset_reset: str = "latest"
    read_committed: bool = False

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
