"""Groups' committed offsets on their way into a copy, again and again while the copy follows."""

from __future__ import annotations

import time

from logflume.bridge.groups import committed_offsets
from logflume.coordinator.group_description import EMPTY
from logflume.coordinator.group_files import is_served, list_groups
from logflume.errors import CommitFailed, UnknownMember
from logflume.types import OffsetAndMetadata, TopicPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from logflume.bridge.offset_map import OffsetMap
    from logflume.client.consumer import Consumer
    from logflume.client.log import Log

__all__ = ["FollowingGroups"]

_INTERVAL_S = 5.0


class FollowingGroups:
    """Commits in the copy what groups have committed in the source, in the copy's offsets. Not thread-safe.

    Only forwards: who went on with the copy is not sent back, and a group that has members there is left alone.
    Nothing is kept beside the copy: what a group has there says how far it came. `offsets`: those of the copy may be
    others.
    """

    def __init__(self, source: Log, target: Log, offsets: OffsetMap | None) -> None:
        self._source = source
        self._target = target
        self._offsets = offsets
        self._last: float | None = None

    def is_due(self) -> bool:
        """True when the last step was some seconds ago."""
        return self._last is None or time.monotonic() - self._last >= _INTERVAL_S

    def step(self, topics: Collection[str]) -> None:
        """Have the groups stand in the copy where they stand now, as far as it goes. Raises what committing raises."""
        self._last = time.monotonic()
        ends = {
            TopicPartition(name, number): int(partition.end_offset)
            for name in topics
            for number, partition in enumerate(self._target[name])
        }
        alive = self._alive()
        for group, rows in committed_offsets(self._source, topics).items():
            if group in alive:
                continue
            wanted = {}
            for topic, number, offset, metadata in rows:
                where = TopicPartition(topic, number)
                if where in ends:
                    there = self._translated(where, offset)
                    wanted[where] = OffsetAndMetadata(min(there, ends[where]), metadata)
            with self._target.consumer(group=group, enable_auto_commit=False) as consumer:
                _commit(consumer, wanted)

    def _alive(self) -> set[str]:
        """Groups with members in the copy. A cluster refuses what would be committed beside them."""
        if self._target.engine.is_remote:
            return set()
        found = list_groups(self._target.path, now=time.monotonic())
        return {each.group for each in found if each.state != EMPTY or is_served(each.path)}

    def _translated(self, where: TopicPartition, offset: int) -> int:
        return offset if self._offsets is None else self._offsets.translate(where, offset)


def _commit(consumer: Consumer, wanted: dict[TopicPartition, OffsetAndMetadata]) -> None:
    ahead = {
        where: entry
        for where, entry in wanted.items()
        if entry.offset > (consumer.committed(where) or 0)
    }
    if not ahead:
        return
    try:
        consumer.commit(dict(ahead.items()))
    except (CommitFailed, UnknownMember):
        # It has members in the copy: its offsets are theirs.
        return
