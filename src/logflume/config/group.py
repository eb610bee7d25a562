"""Options of single groups: Kafka's resource GROUP, changed with kafka-configs while the group is in use."""

from __future__ import annotations

from logflume.config.kinds import INT_MAX, Bool, Choice, Duration, Int, SharedReset
from logflume.config.option import Config, option

__all__ = ["GroupConfig"]


class GroupConfig(Config, table="group"):
    """What has no value here has that of the broker: the option of the same name with `group.` before it."""

    consumer_heartbeat_interval_ms: int | None = option(
        None,
        Duration(min=1, max=INT_MAX),
        doc="How often members of the group with group.protocol=consumer are told to send a heartbeat.",
    )
    consumer_session_timeout_ms: int | None = option(
        None,
        Duration(min=1, max=INT_MAX),
        doc="Time after which a silent member of the group with group.protocol=consumer is put out.",
    )
    share_auto_offset_reset: str = option(
        "latest",
        SharedReset(),
        doc="Where a share group begins in a partition that it has not read yet.",
    )
    share_delivery_count_limit: int | None = option(
        None,
        Int(min=2, max=10),
        doc="How often a record is delivered to a share group before it is given up.",
    )
    share_heartbeat_interval_ms: int | None = option(
        None,
        Duration(min=1, max=INT_MAX),
        doc="How often members of a share group are told to send a heartbeat.",
    )
    share_isolation_level: str = option(
        "read_uncommitted",
        Choice("read_uncommitted", "read_committed"),
        doc="Whether a share group reads records of transactions that are open or aborted, too.",
    )
    share_partition_max_record_locks: int | None = option(
        None,
        Int(min=100, max=10_000),
        doc="Most records of a partition between the first that is not settled and the last that was delivered.",
    )
    share_record_lock_duration_ms: int | None = option(
        None,
        Duration(min=1000, max=3_600_000),
        doc="How long a member of a share group has a record for itself.",
    )
    share_renew_acknowledge_enable: bool = option(
        True,
        Bool(),
        doc="Whether members of a share group may ask for more time with a record (KIP-1222).",
    )
    share_session_timeout_ms: int | None = option(
        None,
        Duration(min=1, max=INT_MAX),
        doc="Time after which a silent member of a share group is put out.",
    )
