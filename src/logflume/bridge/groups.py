"""Committed offsets of groups, for those who go on reading the copy."""

from __future__ import annotations

from logflume.config.names import OFFSETS_TOPIC

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from logflume.client.log import Log
    from logflume.types import OffsetAndMetadata, TopicPartition

__all__ = ["copy_groups"]


def copy_groups(source: Log, target: Log, topics: Collection[str]) -> list[str]:
    """Commit in the copy what each group of a directory has committed for these topics; the groups' names, sorted.

    Raises UnsupportedByEngine when the source is a cluster, CommitFailed when a group has members in the copy.
    """
    found: dict[str, dict[TopicPartition, OffsetAndMetadata]] = {}
    if OFFSETS_TOPIC not in source.topics(internal=True):
        return []
    from logflume.coordinator.offset_store import OffsetStore

    for partition in source.directory.partitions(OFFSETS_TOPIC):
        store = OffsetStore(partition)
        for group in store.groups():
            offsets = {w: entry for w, entry in store.offsets(group).items() if w.topic in topics}
            if offsets:
                found.setdefault(group, {}).update(offsets)
    for group, offsets in found.items():
        with target.consumer(group=group, enable_auto_commit=False) as consumer:
            consumer.commit(dict(offsets.items()))
    return sorted(found)
