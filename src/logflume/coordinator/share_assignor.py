"""Who reads which partitions of a share group: everybody some, every partition somebody, few moves (KIP-932)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

from .group_records import IdPartition

__all__ = ["assign_shared"]

_Side = TypeVar("_Side", bound=Hashable)


def assign_shared(
    wishes: Mapping[str, frozenset[IdPartition]], before: Mapping[str, frozenset[IdPartition]]
) -> dict[str, frozenset[IdPartition]]:
    """Member id to its partitions. `wishes`: all partitions of what each subscribes to; `before`: its present ones.

    Partitions that the same members want are shared out together. With no more members than partitions, each
    partition has one reader; with more members, each member has one partition. Nobody has two more than another.
    """
    audiences: dict[frozenset[str], list[IdPartition]] = {}
    for partition in sorted(frozenset().union(*wishes.values())):
        audience = frozenset(member for member, wanted in wishes.items() if partition in wanted)
        audiences.setdefault(audience, []).append(partition)
    found: dict[str, set[IdPartition]] = {member: set() for member in wishes}
    for audience, partitions in audiences.items():
        _share_out(sorted(audience), partitions, before, found)
    return {member: frozenset(partitions) for member, partitions in found.items()}


def _share_out(
    members: Sequence[str],
    partitions: Sequence[IdPartition],
    before: Mapping[str, frozenset[IdPartition]],
    found: dict[str, set[IdPartition]],
) -> None:
    """Add to `found` what these members have of these partitions."""
    wanted = frozenset(partitions)
    pairs = [
        (member, partition)
        for member in members
        for partition in sorted(before.get(member, frozenset()) & wanted)
    ]
    count = max(len(members), len(partitions))
    of_member = _rooms(count, members, [member for member, _ in pairs])
    of_partition = _rooms(count, partitions, [partition for _, partition in pairs])

    def place(member: str, partition: IdPartition) -> None:
        found[member].add(partition)
        of_member[member] -= 1
        of_partition[partition] -= 1

    for member, partition in pairs:
        if of_member[member] and of_partition[partition]:
            place(member, partition)
    # One side has room for one each, so what is left fits together in any order.
    free = [partition for partition in partitions for _ in range(of_partition[partition])]
    for member in members:
        for _ in range(of_member[member]):
            place(member, free.pop())


def _rooms(count: int, side: Sequence[_Side], present: Sequence[_Side]) -> dict[_Side, int]:
    """How many of `count` each gets; those that have many at present are the first to get one more."""
    least, more = divmod(count, len(side))
    counts = Counter(present)
    eager = sorted(side, key=lambda one: -counts[one])
    return {one: least + (number < more) for number, one in enumerate(eager)}
