"""Committed offsets of groups, for those who go on reading the copy."""

from __future__ import annotations

from logflume.types import OffsetAndMetadata, TopicPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from logflume.client.log import Log

    Groups = dict[str, list[tuple[str, int, int, str]]]
    Translate = Callable[[TopicPartition, int], int]

__all__ = ["commit_groups", "committed_offsets", "copy_groups", "translated"]


def copy_groups(
    source: Log,
    target: Log,
    topics: Collection[str],
    *,
    translate: Translate | None = None,
) -> list[str]:
    """Commit in the copy what each group has committed for these topics; the groups' names, sorted.

    `translate`: from a partition's offset in the source to that in the copy, where they are not the same. Raises
    CommitFailed when a group has members in the copy.
    """
    groups = committed_offsets(source, topics)
    if translate is not None:
        groups = translated(groups, translate)
    return commit_groups(target, groups)


def translated(groups: Groups, translate: Translate) -> Groups:
    """What groups have committed, in the copy's offsets."""
    return {
        group: [(t, p, translate(TopicPartition(t, p), o), m) for t, p, o, m in rows]
        for group, rows in groups.items()
    }


def committed_offsets(source: Log, topics: Collection[str]) -> Groups:
    """What each group has committed for these topics: topic, partition, offset, metadata, sorted."""
    found: Groups = {}
    for group, offsets in source.engine.committed_by_groups(topics).items():
        rows = [(*where, entry.offset, entry.metadata) for where, entry in offsets.items()]
        if rows:
            found[group] = sorted(rows)
    return dict(sorted(found.items()))


def commit_groups(
    target: Log, groups: Groups, ends: Mapping[TopicPartition, int] | None = None
) -> list[str]:
    """Commit these offsets, none behind its partition's end; the groups' names."""
    for group, rows in groups.items():
        offsets = {
            TopicPartition(topic, number): OffsetAndMetadata(
                offset if ends is None else min(offset, ends[TopicPartition(topic, number)]),
                metadata,
            )
            for topic, number, offset, metadata in rows
        }
        with target.consumer(group=group, enable_auto_commit=False) as consumer:
            consumer.commit(dict(offsets.items()))
    return sorted(groups)
