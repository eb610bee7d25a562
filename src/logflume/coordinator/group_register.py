"""A group's table as one member sees it: read from its file, and changed there under its lock."""

from __future__ import annotations

from collections.abc import Callable, Collection

from logflume.errors import Closed, InvalidGroup, UnknownMember
from logflume.types import TopicPartition

from .group_description import GroupDescription, describe_table
from .group_file import GroupFile, StoredTable
from .group_roster import admit, remove_dead
from .group_table import GroupTable, MemberRow

__all__ = ["GroupRegister"]


class GroupRegister:
    """The file, open from `enter` to `close`, and the last table read from it. Not thread-safe.

    `open_file(path)` makes the GroupFile. `partition_count` as for GroupMember.
    """

    def __init__(
        self,
        path: str,
        group: str,
        *,
        partition_count: Callable[[str], int | None],
        open_file: Callable[[str], GroupFile],
    ) -> None:
        self.table = GroupTable(group)
        self._path = path
        self._group = group
        self._partition_count = partition_count
        self._open_file = open_file
        self._file: GroupFile | None = None

    @property
    def is_open(self) -> bool:
        """True from `enter` to `close`; False in a forked child."""
        return self._file is not None and not self._file.closed

    @property
    def file(self) -> GroupFile:
        """The open file. Raises UnknownMember before `enter`, Closed in a forked child."""
        if self._file is None:
            raise UnknownMember(group=self._group, member="")
        if self._file.closed:
            raise Closed(what=f"membership in group {self._group!r}, inherited by a forked child,")
        return self._file

    def close(self) -> None:
        """Free every lock taken through the file. May be called again."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def enter(self, row: MemberRow, now: float) -> None:
        """Open the file, made if need be, and put the member into the table.

        Raises FencedInstance, InvalidGroup; then the file is closed again.
        """
        try:
            while not self._entered(row, now):
                self.close()
        except BaseException:
            self.close()
            raise

    def _entered(self, row: MemberRow, now: float) -> bool:
        self._file = file = self._open_file(self._path)
        with file.locked():
            # Deleted between open and lock? Then nobody else will ever look into this one.
            if not file.is_at_path():
                return False
            if file.is_brokers:
                reason = (
                    "its members are Kafka clients of a broker on this directory; end them first"
                )
                raise InvalidGroup(group=self._group, reason=reason)
            table = self._decode(file.read_or_restart())
            _, removed = remove_dead(table, file, table.members.values(), now)
            predecessor = admit(table, file, row)
            counts = table.counts_now(self._partition_count)
            # A static member back with the same wishes leaves the assignment as it was.
            returns = predecessor is not None and predecessor.topics == row.topics
            if removed or not returns or counts != table.partition_counts:
                table.rebalance(counts, file.are_partitions_owned)
            self._store(file, table)
            return True

    def depart(self, row: MemberRow, own_numbers: Collection[int], now: float) -> None:
        """Take the member out of the table; a static one is only marked as gone."""
        file = self.file
        with file.locked():
            table = self._decode(file.read())
            stored = table.members.get(row.member_id)
            if stored is None:
                return
            if stored.instance_id is not None:
                stored.gone_since, stored.owned = now, []
            else:
                del table.members[row.member_id]
                remove_dead(table, file, table.members.values(), now)
                self._rebalance(table, own_numbers)
            self._store(file, table)

    def refresh(self) -> bool:
        """Read the table if there is a newer one; True if so. Costs no system call if not."""
        file = self.file
        if file.generation == self.table.generation:
            return False
        with file.locked(shared=True):
            self.table = self._decode(file.read())
        return True

    def update(
        self,
        member_id: str,
        own_numbers: Collection[int],
        now: float,
        topics: tuple[str, ...] | None = None,
    ) -> None:
        """Bring the table up to date: the dead out, partitions counted anew, own wishes in."""
        file = self.file
        with file.locked():
            table = self._decode(file.read())
            others = [row for row in table.members.values() if row.member_id != member_id]
            changed, rebalance = remove_dead(table, file, others, now)
            own = table.members.get(member_id)
            if own is not None and topics is not None and own.topics != topics:
                own.topics = topics
                rebalance = True
            if rebalance or table.counts_now(self._partition_count) != table.partition_counts:
                self._rebalance(table, own_numbers)
                changed = True
            if changed:
                self._store(file, table)
            self.table = table

    def is_outdated(self) -> bool:
        """Whether topics came, went or grew since the assignment was made."""
        return self.table.counts_now(self._partition_count) != self.table.partition_counts

    def publish_owned(self, member_id: str, owned: Collection[TopicPartition]) -> None:
        """Tell people (`describe`) what a member owns. No new generation: nothing follows from it."""
        file = self.file
        with file.locked():
            table = self._decode(file.read())
            row = table.members.get(member_id)
            if row is not None:
                row.owned = sorted(owned)
                file.write(table.encode(), table.generation)

    def describe(self, member_id: str, now: float) -> GroupDescription:
        """The group as it is now, asked by a member of it."""
        file = self.file
        with file.locked(shared=True):
            return describe_table(self._decode(file.read()), file, now, own_id=member_id)

    def _rebalance(self, table: GroupTable, own_numbers: Collection[int]) -> None:
        def is_owned(first: int, count: int) -> bool:
            # The kernel does not show one's own locks.
            own = any(first <= number < first + count for number in own_numbers)
            return own or self.file.are_partitions_owned(first, count)

        table.rebalance(table.counts_now(self._partition_count), is_owned)

    def _store(self, file: GroupFile, table: GroupTable) -> None:
        file.write(table.encode(), table.generation)
        self.table = table

    def _decode(self, stored: StoredTable) -> GroupTable:
        if stored.data is None:
            return GroupTable(self._group, generation=stored.generation)
        table = GroupTable.decode(stored.data, path=self._path)
        if table.group != self._group:
            reason = f"its file {self._path} belongs to group {table.group!r}"
            raise InvalidGroup(group=self._group, reason=reason)
        return table
