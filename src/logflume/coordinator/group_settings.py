"""What an operator may set about groups of a broker; the names and defaults are Kafka's."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["GroupSettings"]

INT_MAX = (1 << 31) - 1


@dataclass(frozen=True, slots=True)
class GroupSettings:
    """Times in ms. Each field is Kafka's option with dots for underscores, `group.` before it."""

    initial_rebalance_delay_ms: int = 3000
    """How long the first rebalance of an empty group waits for more members."""
    min_session_timeout_ms: int = 6000
    max_session_timeout_ms: int = 1_800_000
    max_size: int = INT_MAX
    new_member_join_timeout_ms: int = 300_000
    """A member that waits in its first JoinGroup sends no heartbeats; it is given this long (Kafka's constant)."""
    consumer_session_timeout_ms: int = 45_000
    consumer_heartbeat_interval_ms: int = 5000
    consumer_max_size: int = INT_MAX
    consumer_assignors: tuple[str, ...] = ("uniform", "range")
    """The first one serves members that name none."""
    share_session_timeout_ms: int = 45_000
    share_heartbeat_interval_ms: int = 5000
    share_max_size: int = 200
    offset_metadata_max_bytes: int = 4096
    """Kafka's offset.metadata.max.bytes."""
