"""Committed transactions that no committed reader may see yet, because a part of them lies behind another's open one.

Pure: places, offsets and the time enter; what is held, and from which offset on each place hides it, leave. All of it
is private to whoever holds the coordinator's mutex. Why: decision 025.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from logflume.types import TopicPartition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["GROUPS_MAX", "Group", "Table"]

GROUPS_MAX = 32
"""Beyond, transactions are let go together with the newest one that is held: the table stays small."""

_NEVER = 1 << 63


@dataclass(frozen=True, slots=True)
class Group:
    """One transaction, or several that are to be seen together.

    `since_ms`: when it was committed; `parts`: where its records lie, as (first offset, end offset).
    """

    since_ms: int
    parts: Mapping[TopicPartition, tuple[int, int]]

    def joined(self, other: Group) -> Group:
        """Both as one."""
        parts = dict(self.parts)
        for place, (first, end) in other.parts.items():
            mine = parts.get(place, (first, end))
            parts[place] = min(first, mine[0]), max(end, mine[1])
        return Group(self.since_ms, parts)

    def waits(self, hidden_from: Mapping[TopicPartition, int]) -> bool:
        """Whether a part of it is hidden."""
        return any(end > hidden_from.get(place, _NEVER) for place, (_, end) in self.parts.items())


@dataclass(frozen=True, slots=True)
class Table:
    """What is held in a directory, the oldest first."""

    number: int = 0
    groups: tuple[Group, ...] = field(default=())

    @property
    def places(self) -> set[TopicPartition]:
        """All in which something is held."""
        return {place for group in self.groups for place in group.parts}

    def with_group(self, group: Group) -> Table:
        """One more transaction; none that is there already (its coordinator died, and another goes on)."""
        if any(group.parts == other.parts for other in self.groups):
            return self
        return Table(self.number, (*self.groups, group))

    def bounded(self) -> Table:
        """At most GROUPS_MAX groups."""
        groups = self.groups
        while len(groups) > GROUPS_MAX:
            groups = (*groups[:-2], groups[-2].joined(groups[-1]))
        return Table(self.number, groups)

    def still(self, open_from: Mapping[TopicPartition, int]) -> Table:
        """What goes on being held when the earliest open transaction of each place is at the given offset.

        A transaction is held when a part of it lies behind an open one, or behind one that is held itself.
        """
        hidden = dict(open_from)
        held: set[int] = set()
        while True:
            more = {i for i, g in enumerate(self.groups) if i not in held and g.waits(hidden)}
            if not more:
                return Table(self.number, tuple(self.groups[i] for i in sorted(held)))
            held |= more
            for i in more:
                for place, (first, _) in self.groups[i].parts.items():
                    hidden[place] = min(first, hidden.get(place, _NEVER))

    def first_held(self) -> dict[TopicPartition, int]:
        """From which offset on each place hides what is held; places that hide nothing are not named."""
        out: dict[TopicPartition, int] = {}
        for group in self.groups:
            for place, (first, _) in group.parts.items():
                out[place] = min(first, out.get(place, _NEVER))
        return out

    def without(self, gone: Iterable[TopicPartition]) -> Table:
        """Without places that were deleted."""
        away = set(gone)
        if not away:
            return self
        return Table(
            self.number,
            tuple(
                Group(group.since_ms, {p: e for p, e in group.parts.items() if p not in away})
                for group in self.groups
            ),
        )

    # ---- as bytes

    def encode(self) -> bytes:
        """For a file."""
        groups = [
            [group.since_ms, [[*place, *extent] for place, extent in group.parts.items()]]
            for group in self.groups
        ]
        return json.dumps(groups, separators=(",", ":")).encode()

    @staticmethod
    def decode(number: int, data: bytes) -> Table:
        """What `encode` made. Raises ValueError."""
        groups = []
        for since, parts in json.loads(data or b"[]"):
            found = {
                TopicPartition(topic, partition): (first, end)
                for topic, partition, first, end in parts
            }
            groups.append(Group(since, found))
        return Table(number, tuple(groups))
