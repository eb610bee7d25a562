"""The copy's topics: made as the original's are."""

from __future__ import annotations

import time

from logflume.bridge.offset_map import MAP_TOPIC
from logflume.config.names import INTERNAL_TOPICS
from logflume.errors import InvalidPartitions, UnknownTopicOrPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logflume.bridge.archive import Archive
    from logflume.client.log import Log

__all__ = ["copied_topics", "make_topic", "settle"]

_SETTLE_S = 0.5


def copied_topics(source: Log | Archive) -> list[str]:
    """Those that are copied unless topics are named: all but what belongs to the place itself."""
    return [n for n in source.topics() if n not in INTERNAL_TOPICS and n != MAP_TOPIC]


def make_topic(source: Log | Archive, target: Log, name: str, count: int) -> None:
    """Make a topic with `count` partitions and the source's settings, or add what partitions it lacks.

    Raises InvalidPartitions when the copy has more.
    """
    try:
        have = len(target[name])
    except UnknownTopicOrPartition:
        config = source.describe_topic(name).config.explicit()
        target.create_topic(name, partitions=count, config=config)
        return
    if have < count:
        target.alter_topic(name, partitions=count)
    elif have > count:
        raise InvalidPartitions(
            topic=name, partitions=count, reason=f"the copy has {have}, and keys would part ways"
        )


def settle(target: Log, name: str) -> None:
    """Until nothing comes any more of what a killed copier had sent: its last requests may still be under way."""
    if not target.engine.is_remote:
        return
    ends = [partition.end_offset for partition in target[name]]
    while any(ends):
        time.sleep(_SETTLE_S)
        before, ends = ends, [partition.end_offset for partition in target[name]]
        if before == ends:
            return
