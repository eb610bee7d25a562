"""Ending transactions so that committed readers see all of each one, or nothing: beside the markers, what is held."""

from __future__ import annotations

import os

from logflume._native.transactions import TransactionPage, complete, extents
from logflume.config.names import OFFSETS_TOPIC
from logflume.errors import CorruptRecord
from logflume.log import layout
from logflume.log.held_file import read_held, write_held
from logflume.types import TopicPartition

from .held import Group, Table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from logflume._native.partition import Partition
    from logflume.types import OpenTransaction

    from .entry import Entry

    _Extent = tuple[int | None, int | None, int | None, int | None]

__all__ = ["Holding"]

_CHAIN_MS = 20  # what is held for less is no chain yet: commits that meet in the disk's sync end by themselves


class Holding:
    """A directory's held transactions. The coordinator's mutex is held in all calls.

    The order of steps makes a death in the middle harmless: a transaction is in the file before readers could see a
    part of it, and leaves the file when they see all of it.
    """

    def __init__(
        self,
        path: str,
        known: Callable[[Iterable[TopicPartition]], list[Partition]],
        now_ms: Callable[[], int],
    ) -> None:
        self._path = path
        self._known = known
        self._now_ms = now_ms
        self._table = Table()

    def is_used(self, page: TransactionPage | None) -> bool:
        """Whether anything may be held."""
        if page is not None:
            return page.held
        return os.path.exists(os.path.join(self._path, layout.HELD_FILE))

    def places(self) -> list[TopicPartition]:
        """Where something is held."""
        return sorted(self._load().places)

    def end(
        self,
        page: TransactionPage | None,
        partitions: Sequence[Partition],
        *,
        producer_id: int,
        producer_epoch: int,
        coordinator_epoch: int,
        commit: bool,
    ) -> list[int]:
        """As `complete`. Without partitions: lets go of what need not be held any more."""
        number, holds, still = 0, [], None
        known = self._load() if self.is_used(page) else None
        # A group's offsets are read as of each transaction's end, whatever lies before them there.
        read = [partition for partition in partitions if partition.topic != OFFSETS_TOPIC]
        found = extents(read, producer_id) if commit or known is not None else []
        if known is not None or (commit and any(_is_behind(*extent) for extent in found)):
            table = known or self._load()
            others = self._known(sorted(table.places - {_place(p) for p in read}))
            found += extents(others, producer_id)
            everywhere = [*read, *others]
            table = table.without(table.places - {_place(p) for p in everywhere})
            mine = self._group(everywhere, found) if commit else None
            before = table if mine is None else table.with_group(mine)
            still = before.still(_open_from(everywhere, found, ended=len(read)))
            if page is not None:
                page.held = True
            if mine in still.groups:
                self._save(before)
            still = still.bounded()
            first = still.first_held()
            holds = [(partition, first.get(_place(partition))) for partition in everywhere]
            number = self._table.number
        offsets = complete(
            page,
            partitions,
            producer_id=producer_id,
            producer_epoch=producer_epoch,
            coordinator_epoch=coordinator_epoch,
            commit=commit,
            holds=holds,
            held_table=number,
        )
        if still is not None:
            if still.groups != self._table.groups:
                self._save(still)
            if page is not None:
                page.held = bool(still.groups)
        return offsets

    def is_chain(
        self,
        open_in: Callable[[Partition], Iterable[OpenTransaction]],
        entry_of: Callable[[int], Entry | None],
    ) -> bool:
        """Whether what is held longest waits only for transactions that began after it was committed.

        Then new ones had better wait for a moment: when each overlaps with the next, there is never an end that all can
        be shown at.
        """
        table = self._load()
        if not table.groups or self._now_ms() - table.groups[0].since_ms < _CHAIN_MS:
            return False
        since = table.groups[0].since_ms
        blockers = 0
        for partition in self._known(sorted(table.places)):
            end = max(
                g.parts[_place(partition)][1] for g in table.groups if _place(partition) in g.parts
            )
            for found in open_in(partition):
                if found.first_offset >= end:
                    continue
                entry = entry_of(found.producer_id)
                if entry is None or entry.started_ms <= since:
                    return False
                blockers += 1
        return bool(blockers)

    # ---- the table

    def _group(self, partitions: Sequence[Partition], found: Sequence[_Extent]) -> Group | None:
        parts = {
            _place(partition): (first, end)
            for partition, (first, end, _, _) in zip(partitions, found)
            if first is not None and end is not None
        }
        return Group(self._now_ms(), parts) if parts else None

    def _load(self) -> Table:
        """As the file has it: other processes write it, too. Read each time, for nothing outside tells two apart."""
        number, data = read_held(self._path)
        try:
            self._table = Table.decode(number, data)
        except (ValueError, TypeError) as error:
            path = os.path.join(self._path, layout.HELD_FILE)
            reason = f"it is no table of held transactions: {error}"
            raise CorruptRecord(path=path, position=0, reason=reason) from error
        return self._table

    def _save(self, table: Table) -> None:
        number = table.number or int.from_bytes(os.urandom(7)) | 1
        write_held(self._path, number, table.encode())
        self._table = Table(number, table.groups)


def _place(partition: Partition) -> TopicPartition:
    return TopicPartition(partition.topic, partition.partition)


def _is_behind(first: int | None, end: int | None, other: int | None, held: int | None) -> bool:
    """Whether the transaction has records behind another's first one that is undecided, or hidden."""
    if first is None or end is None:
        return False
    return (other is not None and other < end) or (held is not None and held < end)


def _open_from(
    partitions: Sequence[Partition], found: Sequence[_Extent], *, ended: int
) -> dict[TopicPartition, int]:
    """Where the earliest transaction of each place is open, once this one has ended in the first `ended` partitions."""
    out = {}
    for i, (partition, (first, _, other, _)) in enumerate(zip(partitions, found)):
        offsets = [o for o in (other, first if i >= ended else None) if o is not None]
        if offsets:
            out[_place(partition)] = min(offsets)
    return out
