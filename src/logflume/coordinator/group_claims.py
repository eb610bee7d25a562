"""Which groups are this broker's: a group has members of one kind, embedded consumers or Kafka clients.

Each group's file has one more lock, the broker's. A broker takes it before it lets the first client in,
and an embedded consumer does not join while it is held; a broker does not take it while embedded
members live. Both look under the lock of the file's table, so the two can never both succeed. The
kernel frees the lock when the broker dies. See docs/decisions/051-one-kind-of-member.md.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from logflume.errors import GroupNotFound, LogflumeError
from logflume.observe import get_logger

from .group_description import EMPTY, describe_table
from .group_errors import GroupError, GroupRefused
from .group_file import GroupFile
from .group_files import delete_group
from .group_table import GroupTable

__all__ = ["GroupClaims"]

_logger = get_logger(__name__)


class GroupClaims:
    """The groups that this broker's clients are members of. Not thread-safe.

    `path_of(group)` is the group's file; `clock` the one of embedded members (time.monotonic, seconds);
    `lock_timeout_s`: how long to wait for a file that an embedded member is changing.
    """

    def __init__(
        self,
        path_of: Callable[[str], str],
        clock: Callable[[], float],
        *,
        lock_timeout_s: float = 10.0,
    ) -> None:
        self._path_of = path_of
        self._lock_timeout_s = lock_timeout_s
        self._clock = clock
        self._held: dict[str, GroupFile] = {}

    def __contains__(self, group: str) -> bool:
        return group in self._held

    def claim(self, group: str) -> None:
        """Take the group for this broker's clients; nothing happens when it has it already.

        Raises GroupRefused (INCONSISTENT_GROUP_PROTOCOL) while it has embedded members, or another
        broker has it; and LockTimeout, DiskFull ... when its file cannot be had.
        """
        while group not in self._held:
            file = GroupFile(self._path_of(group), create=True, lock_timeout_s=self._lock_timeout_s)
            try:
                if self._take(file, group):
                    self._held[group] = file
            finally:
                if group not in self._held:
                    file.close()

    def _take(self, file: GroupFile, group: str) -> bool:
        with file.locked():
            if not file.is_at_path():
                return False  # deleted between open and lock
            if self._is_embedded(file, group):
                reason = f"Group {group} has embedded members in processes of this machine."
                raise GroupRefused(GroupError.INCONSISTENT_GROUP_PROTOCOL, reason)
            if not file.lock_for_broker():
                reason = f"Group {group} is served by another broker on this directory."
                raise GroupRefused(GroupError.INCONSISTENT_GROUP_PROTOCOL, reason)
            return True

    def has_embedded(self, group: str) -> bool:
        """Whether embedded consumers are members of a group, living or, if static, soon back."""
        if group in self._held:
            return False
        try:
            file = GroupFile(
                self._path_of(group), read_only=True, lock_timeout_s=self._lock_timeout_s
            )
        except FileNotFoundError:
            return False
        try:
            with file.locked(shared=True):
                return self._is_embedded(file, group)
        finally:
            file.close()

    def _is_embedded(self, file: GroupFile, group: str) -> bool:
        stored = file.read_or_restart()
        if stored.data is None:
            return False
        table = GroupTable.decode(stored.data, path=file.path)
        return table.group == group and describe_table(table, file, self._clock()).state != EMPTY

    def delete_file(self, group: str) -> bool:
        """Remove the file of a group without members; False when there was none. Raises GroupNotEmpty."""
        self.release(group)
        try:
            delete_group(self._path_of(group), group, now=self._clock())
        except GroupNotFound:
            return False
        return True

    def release(self, group: str) -> None:
        """The last client is gone: embedded consumers may join from now on.

        A file that never had an embedded member goes too: names that strangers make up leave nothing behind.
        """
        file = self._held.pop(group, None)
        if file is None:
            return
        try:
            with file.locked():
                if file.read().data is None and file.is_at_path():
                    os.unlink(file.path)
        except (LogflumeError, OSError) as error:
            _logger.warning("group file not tidied up", path=file.path, why=str(error))
        finally:
            file.close()

    def close(self) -> None:
        """Release all."""
        for group in list(self._held):
            self.release(group)
