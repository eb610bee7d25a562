"""Who is in a group: letting members in, and taking those out whose locks the kernel has freed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from logflume.errors import FencedInstance, InvalidGroup

from .assignors import choose_assignor
from .group_file import GroupFile
from .group_table import GroupTable, MemberRow

__all__ = ["admit", "is_dead", "remove_dead"]


def is_dead(row: MemberRow, file: GroupFile, now: float) -> bool:
    """Whether there is something to do about a member: it died, or its time to return is over.

    Must not be asked about oneself: one's own lock does not show.
    """
    if row.gone_since is not None:
        return row.is_expired(now)
    return not file.is_slot_alive(row.slot)


def remove_dead(
    table: GroupTable, file: GroupFile, rows: Iterable[MemberRow], now: float
) -> tuple[bool, bool]:
    """Take the dead among `rows` out of the table; static ones only after their session timeout.

    Returns (whether the table changed, whether there is a new assignment to make). The caller
    holds the table's lock.
    """
    changed = removed = False
    for row in list(rows):
        if not is_dead(row, file, now):
            continue
        changed = True
        if row.instance_id is not None and row.gone_since is None:
            row.gone_since = now
            row.owned = []
        else:
            del table.members[row.member_id]
            removed = True
    return changed, removed


def admit(table: GroupTable, file: GroupFile, row: MemberRow) -> MemberRow | None:
    """Put a member into the table, with a slot of its own, locked; returns the static one it replaces.

    The caller holds the table's lock and has removed the dead. Raises FencedInstance when a living
    member has its instance id, InvalidGroup when it shares no assignor with the others.
    """
    predecessor = _predecessor(table, row.instance_id, file)
    others = [other for other in table.members.values() if other is not predecessor]
    _check_assignors(table.group, row, others)
    if predecessor is not None:
        del table.members[predecessor.member_id]
        row.target = predecessor.target
    taken = {other.slot for other in others}
    slot = predecessor.slot if predecessor is not None else 0
    # A slot without row may be locked still: by a member that was removed, or is just leaving.
    while slot in taken or not file.lock_slot(slot):
        slot += 1
    row.slot = slot
    table.members[row.member_id] = row
    return predecessor


def _predecessor(table: GroupTable, instance_id: str | None, file: GroupFile) -> MemberRow | None:
    if instance_id is None:
        return None
    for row in table.members.values():
        if row.instance_id == instance_id:
            if row.gone_since is None and file.is_slot_alive(row.slot):
                raise FencedInstance(group=table.group, instance=instance_id)
            return row
    return None


def _check_assignors(group: str, row: MemberRow, others: Sequence[MemberRow]) -> None:
    if choose_assignor([row.assignors, *(other.assignors for other in others)]) is None:
        theirs = sorted({name for other in others for name in other.assignors})
        raise InvalidGroup(
            group=group,
            reason=f"its members use {', '.join(theirs)}; none shares {', '.join(row.assignors)}"
            " with all of them (Kafka: INCONSISTENT_GROUP_PROTOCOL)",
        )
