"""Options of a consumer, named as Kafka names them."""

from __future__ import annotations

from logflume.config.foreign import CLIENT
from logflume.config.kinds import (
    INT_MAX,
    Bool,
    Choice,
    Choices,
    Duration,
    Int,
    OffsetReset,
    Size,
    Text,
)
from logflume.config.option import Config, option
from logflume.errors import InvalidConfig

__all__ = ["ConsumerConfig"]

_LOCKS = "Membership is by locks that the kernel frees when a member dies; there is no heartbeat."
_NO_FETCH = "Records are read from the mapped file; there is no fetch request to shape."
_NO_REQUESTS = "There are no requests; each call takes its own timeout."

_ASSIGNORS = {
    f"org.apache.kafka.clients.consumer.{java}Assignor": word
    for java, word in (
        ("Range", "range"),
        ("RoundRobin", "roundrobin"),
        ("Sticky", "sticky"),
        ("CooperativeSticky", "cooperative-sticky"),
    )
}


class ConsumerConfig(Config, table="consumer"):
    """Which group, where to start, how much at once, what is visible."""

    allow_auto_create_topics: bool = option(
        False,
        Bool(),
        doc="Create a topic by subscribing to it. Kafka's default is true.",
        refused="topics are created by create_topic",
    )
    auto_commit_interval_ms: int = option(
        5000, Duration(max=INT_MAX), doc="Time between two automatic commits."
    )
    auto_offset_reset: str = option(
        "latest",
        OffsetReset(),
        doc="Where to start without a committed offset, or when it is out of range; `none` raises.",
    )
    check_crcs: bool = option(
        True, Bool(), doc="Check each batch's checksum, once for each batch and process."
    )
    client_id: str | None = option(None, Text(), doc="A name for logs and messages.")
    client_rack: str | None = option(
        None, Text(), doc="Where the client is.", no_effect="There is one copy, and it is here."
    )
    default_api_timeout_ms: int = option(
        60_000,
        Duration(max=INT_MAX),
        doc="How long calls that take no timeout of their own wait.",
        no_effect=_NO_REQUESTS,
    )
    enable_auto_commit: bool = option(
        True, Bool(), doc="Commit positions automatically while polling and at close."
    )
    exclude_internal_topics: bool = option(
        True, Bool(), doc="Leave internal topics out when subscribing by pattern."
    )
    fetch_max_bytes: int = option(
        52_428_800, Size(), doc="Largest answer to a fetch.", no_effect=_NO_FETCH
    )
    fetch_max_wait_ms: int = option(
        500, Duration(max=INT_MAX), doc="Longest wait of a fetch.", no_effect=_NO_FETCH
    )
    fetch_min_bytes: int = option(
        1, Size(), doc="Bytes that a fetch waits for.", no_effect=_NO_FETCH
    )
    group_id: str | None = option(
        None,
        Text(),
        doc="The consumer group; needed to subscribe and to commit.",
        also=("group",),
    )
    group_instance_id: str | None = option(
        None,
        Text(),
        doc="Static membership: a restart under the same name gets the same partitions back.",
    )
    group_protocol: str = option(
        "classic",
        Choice("classic", "consumer"),
        doc="How a group agrees on who reads what.",
        refused="embedded consumers have one protocol, by locks",
    )
    heartbeat_interval_ms: int = option(
        3000, Duration(max=INT_MAX), doc="Time between two heartbeats.", no_effect=_LOCKS
    )
    isolation_level: str = option(
        "read_uncommitted",
        Choice("read_uncommitted", "read_committed"),
        doc="Whether records of open and aborted transactions are seen; `read_committed` stops before the"
        " first open one.",
    )
    max_partition_fetch_bytes: int = option(
        1_048_576, Size(), doc="Largest part of a fetch's answer.", no_effect=_NO_FETCH
    )
    max_poll_interval_ms: int = option(
        300_000,
        Duration(min=1, max=INT_MAX),
        doc="Time without a poll after which a member counts as dead.",
        no_effect=_LOCKS,
    )
    max_poll_records: int = option(500, Int(min=1), doc="Most records that one poll returns.")
    partition_assignment_strategy: tuple[str, ...] = option(
        ("range", "cooperative-sticky"),
        Choices("range", "roundrobin", "sticky", "cooperative-sticky", also=_ASSIGNORS),
        doc="Ways of sharing partitions that this member knows, best first; the group uses the"
        " first that all its members know.",
    )
    request_timeout_ms: int = option(
        30_000, Duration(max=INT_MAX), doc="Time for one request.", no_effect=_NO_REQUESTS
    )
    retry_backoff_max_ms: int = option(
        1000, Duration(), doc="Longest time between two tries.", no_effect=_NO_REQUESTS
    )
    retry_backoff_ms: int = option(
        100, Duration(), doc="Time before the second try.", no_effect=_NO_REQUESTS
    )
    session_timeout_ms: int = option(
        45_000,
        Duration(max=INT_MAX),
        doc="How long a static member that left or died keeps its partitions; any other loses them at once.",
    )

    foreign = {
        **CLIENT,
        "group.remote.assignor": "embedded consumers agree among themselves; there is no server",
    }

    def check(self) -> None:
        """A static member needs a group to be a member of."""
        if self.group_instance_id is not None and self.group_id is None:
            raise InvalidConfig(
                name="group.instance.id", value=self.group_instance_id, reason="needs group.id"
            )
