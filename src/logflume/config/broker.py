"""Options of a broker: those of Kafka's server.properties that concern connections and requests."""

from __future__ import annotations

from logflume.config.groups import GroupOptions
from logflume.config.kinds import INT_MAX, LONG_MAX, Bool, Duration, Int, Size, Text
from logflume.config.option import Config, option
from logflume.config.security import SecurityOptions

__all__ = ["BrokerConfig"]


class BrokerConfig(SecurityOptions, GroupOptions, Config, table="broker"):
    """Limits on what clients may ask for, before and after they are known."""

    auto_create_topics_enable: bool = option(
        True,
        Bool(),
        doc="Create a topic when a client asks for its metadata in order to write to it.",
    )
    connections_max_idle_ms: int = option(
        600_000, Duration(min=100), doc="Connections that are idle for longer are closed."
    )
    delete_topic_enable: bool = option(True, Bool(), doc="Whether clients may delete topics.")
    fetch_max_bytes: int = option(
        55 << 20,
        Size(min=1024),
        doc="Most bytes of records in a fetch's answer, whatever the client asks for; one batch is always let through.",
    )
    http: str = option(
        None,
        Text(),
        doc="HOST:PORT of /metrics (for Prometheus) and /healthz; none when it is not given.",
        origin="logflume",
    )
    http_public: bool = option(
        False,
        Bool(),
        doc="Whether other machines may reach them, too; nobody has to say who he is there.",
        origin="logflume",
    )
    log_retention_check_interval_ms: int = option(
        300_000,
        Duration(min=1),
        doc="Time between two looks for segments to delete and topics to compact.",
    )
    max_connections: int = option(
        INT_MAX, Int(min=1), doc="Connections at a time; further ones are closed at once."
    )
    max_incremental_fetch_session_cache_slots: int = option(
        1000,
        Int(min=0),
        doc="Fetch sessions kept; clients beyond them name all their partitions in each request.",
    )
    queued_max_request_bytes: int = option(
        512 << 20,
        Size(min=1024, max=LONG_MAX),
        doc="What the requests of all clients may hold in memory. Beyond it, no further request is read until"
        " others are answered. Kafka's default is no limit.",
    )
    request_read_timeout_ms: int = option(
        30_000,
        Duration(min=10, max=INT_MAX),
        doc="Time for a request to arrive, from its first byte to its last; then the connection is closed.",
        origin="logflume",
    )
    socket_request_max_bytes: int = option(
        100 << 20, Size(min=1024), doc="Largest request; a larger one closes the connection."
    )
    transaction_abort_timed_out_transaction_cleanup_interval_ms: int = option(
        10_000,
        Duration(min=10),
        doc="Time between two looks for transactions of clients that are open for longer than their"
        " transaction.timeout.ms. Where a reader waits for one, it is looked for each second.",
    )
