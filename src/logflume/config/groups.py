"""Options about groups whose members are a broker's clients: part of the table `broker`."""

from __future__ import annotations

from logflume.config.kinds import INT_MAX, Choices, Duration, Int, Size
from logflume.config.option import option

__all__ = ["GroupOptions"]


class GroupOptions:
    """Times and limits of groups; what members ask for must lie within."""

    group_consumer_assignors: tuple[str, ...] = option(
        ("uniform", "range"),
        Choices("uniform", "range"),
        doc="Assignors of groups with group.protocol=consumer; the first one where members name none.",
    )
    group_consumer_heartbeat_interval_ms: int = option(
        5000,
        Duration(min=1, max=INT_MAX),
        doc="How often members of groups with group.protocol=consumer are told to send a heartbeat;"
        " they learn of changes by it.",
    )
    group_consumer_max_size: int = option(
        INT_MAX,
        Int(min=1, max=INT_MAX),
        doc="Most members of a group with group.protocol=consumer.",
    )
    group_consumer_session_timeout_ms: int = option(
        45_000,
        Duration(min=1, max=INT_MAX),
        doc="Time after which a silent member of a group with group.protocol=consumer is put out.",
    )
    group_initial_rebalance_delay_ms: int = option(
        0,
        Duration(max=INT_MAX),
        doc="How long the first rebalance of an empty group waits for further members."
        " Kafka's default is 3000, and 0 in the file that it ships for a start.",
    )
    group_max_session_timeout_ms: int = option(
        1_800_000, Duration(min=1, max=INT_MAX), doc="Longest session.timeout.ms of a member."
    )
    group_max_size: int = option(
        INT_MAX, Int(min=1, max=INT_MAX), doc="Most members of a group of the classic protocol."
    )
    group_min_session_timeout_ms: int = option(
        6000, Duration(min=1, max=INT_MAX), doc="Shortest session.timeout.ms of a member."
    )
    group_share_delivery_count_limit: int = option(
        5,
        Int(min=2, max=10),
        doc="How often a record is delivered to a share group before it is given up.",
    )
    group_share_heartbeat_interval_ms: int = option(
        5000,
        Duration(min=1, max=INT_MAX),
        doc="How often members of share groups are told to send a heartbeat.",
    )
    group_share_max_share_sessions: int = option(
        2000,
        Int(min=1, max=INT_MAX),
        doc="Members of share groups that may fetch at a time.",
    )
    group_share_max_size: int = option(
        200, Int(min=1, max=1000), doc="Most members of a share group."
    )
    group_share_partition_max_record_locks: int = option(
        2000,
        Int(min=100, max=10_000),
        doc="Most records of a partition between the first that a share group has not settled and the last that"
        " was delivered.",
    )
    group_share_record_lock_duration_ms: int = option(
        30_000,
        Duration(min=1000, max=3_600_000),
        doc="How long a member of a share group has a record for itself.",
    )
    group_share_session_timeout_ms: int = option(
        45_000,
        Duration(min=1, max=INT_MAX),
        doc="Time after which a silent member of a share group is put out.",
    )
    offset_metadata_max_bytes: int = option(
        4096, Size(max=4096), doc="Longest note that a client's commit may carry with an offset."
    )
