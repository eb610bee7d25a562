"""Retention and compaction of a whole directory, when somebody asks for it."""

from __future__ import annotations

import functools

from logflume.config.names import TRANSACTIONS_TOPIC
from logflume.log import compaction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from logflume.log.directory import LogDirectory
    from logflume.log.topic_store import TopicEntry
    from logflume.types import CompactionReport

__all__ = ["compact", "enforce_retention"]


def _with_policy(directory: LogDirectory, policy: str) -> list[TopicEntry]:
    return [
        entry
        for entry in directory.entries(fresh=True).values()
        if not entry.deleting and policy in entry.config.cleanup_policy
    ]


def enforce_retention(
    directory: LogDirectory, now_ms: int
) -> dict[tuple[str, int], tuple[int, int]]:
    """Delete what is too old or too much; {(topic, partition): (segments, bytes)} of what went."""
    directory.check_writable()
    removed = {}
    for entry in _with_policy(directory, "delete"):
        for number in range(entry.partitions):
            partition = directory.partition(entry.name, number)
            gone = partition.expire(now_ms, entry.config.retention_ms, entry.config.retention_bytes)
            if gone[0]:
                removed[entry.name, number] = gone
    return removed


def compact(
    directory: LogDirectory,
    now_ms: int,
    *,
    topics: Collection[str] | None = None,
    force: bool = False,
) -> list[CompactionReport]:
    """Compact partitions of topics with the policy `compact` that are dirty enough, the dirtiest first.

    `topics`: only these. `force`: also where little or nothing is dirty, for tombstones whose time is over.
    Raises CorruptRecord, UnsupportedFormat, DiskFull, SyncFailed, LockTimeout.
    """
    directory.check_writable()
    due = []
    for entry in _with_policy(directory, "compact"):
        # The transactions' own log is kept short by those who write it: its records carry more than their values.
        if entry.name == TRANSACTIONS_TOPIC or not (topics is None or entry.name in topics):
            continue
        for number in range(entry.partitions):
            partition = directory.partition(entry.name, number)
            checkpoint = directory.cleaned_offset(partition)
            found = compaction.look(partition, entry.config, checkpoint, now_ms)
            if force or compaction.is_due(partition, entry.config, found, now_ms):
                due.append((partition, entry.config, found))
    reports = []
    for partition, config, found in sorted(due, key=lambda item: -item[2].dirty_ratio):
        report = compaction.compact(
            partition,
            config,
            found,
            now_ms=now_ms,
            map_bytes=directory.config.log_cleaner_dedupe_buffer_size,
            producer_expiration_ms=directory.config.producer_id_expiration_ms,
            record=functools.partial(directory.record_cleaned, partition),
        )
        if report is not None:
            reports.append(report)
    directory.check_open()
    return reports
