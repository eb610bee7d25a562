"""One file for each API that the broker serves.

What lives here: functions from a decoded request to the fields of its response, each with its card: versions,
what they bring, and where the answer differs from Kafka's.
Enters: a `Call` (who asks; `call.directory`, `call.broker`, `call.in_thread`) and kio's request object.
Leaves: a mapping of fields. It does not know: sockets, frames, bytes.

How to write one:

1. Name the file after the API, open it with the card (`'''Heartbeat: v0-4. ...'''`), and put its name into
   `MODULES` below. A test compares the cards with the table, and docs/PROTOCOL.md with both.
2. Enter the function with `@handles(ApiKey.X, versions="first-last")`. It gets `(call, request)`: `request` has the
   attributes of kio's class for `call.version` (`python -m pydoc kio.schema.heartbeat.v4.request`); fields that
   an older version lacks are missing, so read them with `getattr(request, "group_instance_id", None)`.
3. Return a dict of the response's fields, nested lists of dicts where the message has arrays. Give all fields of
   all versions: what the client's version lacks is left out, what is not given gets the schema's default
   (`throttle_time` is 0 unless given). Error codes are ints, times in ms are ints (`throttle_time`), topic ids the
   22 characters that `directory.topic(name).topic_id` has. A field name that no version knows fails in the tests.
4. Be quick or be async: a plain function runs on the event loop, so it must not wait; an `async def` may await
   `call.in_thread(function, ...)` for what touches the disk or takes another process's lock. A request is begun when
   the one before it on the same connection is answered. When the client goes away, what it asked for is carried
   through all the same, but for handlers that are `cancellable` (those that mostly wait, as fetch does).
5. Raise a LogflumeError for an error of the whole request only together with `failed=` (see `handles`); errors of a
   single topic or group stand in its own `error_code` (`error.code`).
6. What has to live longer than a request (groups, sessions) is a class made with the broker: `call.broker.service(
   GroupService)` makes `GroupService(broker)` at the first call and returns the same one ever after; `stop()` on it
   is awaited when the broker stops. Time comes from `call.broker.clock` (`.ms()` since 1970, `.monotonic()` in s),
   timers from `call.broker.loop.call_later`.
"""

from __future__ import annotations

from importlib import import_module

__all__ = ["MODULES", "load"]

MODULES: tuple[str, ...] = (
    "produce",
    "fetch",
    "list_offsets",
    "metadata",
    "offset_commit",
    "offset_fetch",
    "find_coordinator",
    "join_group",
    "heartbeat",
    "leave_group",
    "sync_group",
    "describe_groups",
    "list_groups",
    "sasl_handshake",
    "api_versions",
    "create_topics",
    "delete_topics",
    "delete_records",
    "init_producer_id",
    "offset_for_leader_epoch",
    "add_partitions_to_txn",
    "add_offsets_to_txn",
    "end_txn",
    "write_txn_markers",
    "txn_offset_commit",
    "describe_acls",
    "create_acls",
    "delete_acls",
    "describe_configs",
    "alter_configs",
    "describe_log_dirs",
    "sasl_authenticate",
    "create_partitions",
    "delete_groups",
    "elect_leaders",
    "incremental_alter_configs",
    "alter_partition_reassignments",
    "list_partition_reassignments",
    "offset_delete",
    "describe_client_quotas",
    "alter_client_quotas",
    "describe_user_scram_credentials",
    "alter_user_scram_credentials",
    "describe_cluster",
    "describe_producers",
    "describe_transactions",
    "list_transactions",
    "consumer_group_heartbeat",
    "consumer_group_describe",
    "list_config_resources",
    "describe_topic_partitions",
    "share_group_heartbeat",
    "share_group_describe",
    "share_fetch",
    "share_acknowledge",
    "describe_share_group_offsets",
    "alter_share_group_offsets",
    "delete_share_group_offsets",
)
"""The files here, by API key."""


def load() -> None:
    """Import all handlers, which enters them into the table."""
    for name in MODULES:
        import_module(f"{__name__}.{name}")
