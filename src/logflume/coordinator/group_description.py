"""What can be said of a group to people: its state, its members, what each owns."""

from __future__ import annotations

from dataclasses import dataclass

from logflume.types import TopicPartition

from .group_file import GroupFile
from .group_roster import is_dead
from .group_table import GroupTable, MemberRow

__all__ = [
    "EMPTY",
    "RECONCILING",
    "STABLE",
    "GroupDescription",
    "MemberDescription",
    "describe_table",
]

EMPTY = "Empty"
"""No members; there may be committed offsets."""
RECONCILING = "Reconciling"
"""Partitions are on their way from one member to another."""
STABLE = "Stable"
"""Every member owns what it should."""


@dataclass(frozen=True, slots=True)
class MemberDescription:
    """One member. `assigned` is what it should own, `owned` what it said last that it does."""

    member_id: str
    client_id: str
    instance_id: str | None
    pid: int
    joined_ms: int
    topics: tuple[str, ...]
    assigned: tuple[TopicPartition, ...]
    owned: tuple[TopicPartition, ...]
    alive: bool
    """False for a static member that is gone but may still return, and for all while their broker is down."""
    client_host: str = ""
    """Of a Kafka client of a broker, which has no `pid` and no `joined_ms` (0)."""


@dataclass(frozen=True, slots=True)
class GroupDescription:
    """A group. `assignor` is None while it is empty; `state` is one of this module's names."""

    group: str
    state: str
    generation: int
    assignor: str | None
    members: tuple[MemberDescription, ...]

    def owner_of(self, partition: TopicPartition) -> MemberDescription | None:
        """The member that owns a partition, if any does."""
        return next((member for member in self.members if partition in member.owned), None)


def describe_table(
    table: GroupTable, file: GroupFile, now: float, *, own_id: str | None = None
) -> GroupDescription:
    """Describe a table as it is, less members found dead. The caller holds the file's lock.

    `own_id` is the member that asks through its own file, whose locks do not show there.
    """
    dead = [
        row.member_id
        for row in table.members.values()
        if row.member_id != own_id and _is_gone_for_good(row, file, now)
    ]
    members = tuple(
        _describe(row, row.member_id == own_id or file.is_slot_alive(row.slot))
        for row in sorted(table.members.values(), key=lambda row: row.slot)
        if row.member_id not in dead
    )
    settled = not dead and all(set(m.assigned) == set(m.owned) for m in members if m.alive)
    state = EMPTY if not members else STABLE if settled else RECONCILING
    return GroupDescription(table.group, state, table.generation, table.assignor, members)


def _is_gone_for_good(row: MemberRow, file: GroupFile, now: float) -> bool:
    if row.instance_id is not None and row.gone_since is None:
        return False  # static: dead or not, it has its time to come back
    return is_dead(row, file, now)


def _describe(row: MemberRow, alive: bool) -> MemberDescription:
    alive = alive and row.gone_since is None
    return MemberDescription(
        member_id=row.member_id,
        client_id=row.client_id,
        instance_id=row.instance_id,
        pid=row.pid,
        joined_ms=row.joined_ms,
        topics=row.topics,
        assigned=tuple(row.target),
        owned=tuple(row.owned) if alive else (),
        alive=alive,
    )
