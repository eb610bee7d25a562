"""All groups of a directory, for those who are not members: where their files are, what they say."""

from __future__ import annotations

import os
from dataclasses import dataclass

from logflume.config.names import check_group
from logflume.errors import CorruptRecord, GroupNotEmpty, GroupNotFound, UnknownMember
from logflume.log.layout import partition_directory_name, safe_file_name

from .group_description import EMPTY, GroupDescription, describe_table
from .group_file import GroupFile
from .group_roster import remove_dead
from .group_table import GroupTable
from .offsets_schema import partition_for

__all__ = [
    "OFFSETS_TOPIC",
    "GroupListing",
    "delete_group",
    "describe_group",
    "group_file_path",
    "is_served",
    "list_groups",
    "remove_member",
    "share_lock_path",
]

OFFSETS_TOPIC = "__consumer_offsets"
GROUP_SUFFIX = ".group"
SHARE_SUFFIX = ".share"


@dataclass(frozen=True, slots=True)
class GroupListing:
    """A group found in a directory. `fault` says why its file could not be read, else None."""

    group: str
    state: str
    path: str
    fault: str | None = None


def group_file_path(directory: str, group: str, partition_count: int) -> str:
    """Where a group's members meet: beside its offsets, under a name that can lead nowhere else.

    `directory` is the log's, `partition_count` that of `__consumer_offsets`. Raises InvalidGroup.
    """
    partition = partition_for(check_group(group), partition_count)
    name = safe_file_name(group) + GROUP_SUFFIX
    return os.path.join(directory, partition_directory_name(OFFSETS_TOPIC, partition), name)


def share_lock_path(path: str) -> str:
    """What is there beside a group's file as long as the group is one of queues, which consumers cannot join."""
    return path + SHARE_SUFFIX


def describe_group(path: str, group: str, *, now: float) -> GroupDescription:
    """State, members and owners. Works on a read-only directory.

    Raises GroupNotFound when nobody was ever a member (there may be committed offsets all the
    same), CorruptRecord, LockTimeout.
    """
    file = _open(path, group, read_only=True)
    try:
        with file.locked(shared=True):
            return describe_table(_read(file, group), file, now)
    finally:
        file.close()


def is_served(path: str) -> bool:
    """Whether a broker's clients are the group's members now."""
    try:
        file = GroupFile(path, read_only=True)
    except FileNotFoundError:
        return False
    try:
        return file.is_brokers
    finally:
        file.close()


def list_groups(directory: str, *, now: float) -> list[GroupListing]:
    """Groups that have had members, sorted; those with committed offsets only are in OffsetStore.

    A file that cannot be read is listed under its own name, with the fault.
    """
    found = []
    for entry in os.scandir(directory):
        if not entry.name.startswith(f"{OFFSETS_TOPIC}-") or not entry.is_dir():
            continue
        for name in os.listdir(entry.path):
            if name.endswith(GROUP_SUFFIX):
                listing = _listing(os.path.join(entry.path, name), now)
                if listing is not None:
                    found.append(listing)
    return sorted(found, key=lambda listing: listing.group)


def _listing(path: str, now: float) -> GroupListing | None:
    try:
        file = GroupFile(path, read_only=True)
    except FileNotFoundError:
        return None  # deleted just now
    except CorruptRecord as error:
        return GroupListing(os.path.basename(path), "Unknown", path, str(error))
    try:
        with file.locked(shared=True):
            stored = file.read()
            if stored.data is None:
                return None  # its first member is still on the way in
            table = GroupTable.decode(stored.data, path=path)
            return GroupListing(table.group, describe_table(table, file, now).state, path)
    except CorruptRecord as error:
        return GroupListing(os.path.basename(path), "Unknown", path, str(error))
    finally:
        file.close()


def delete_group(path: str, group: str, *, now: float) -> None:
    """Remove a group's file. Its committed offsets go by `OffsetStore.delete`.

    Raises GroupNotFound, and GroupNotEmpty while it has members: living ones, or static ones that
    may still return.
    """
    file = _open(path, group)
    try:
        with file.locked():
            if file.is_brokers or describe_table(_read(file, group), file, now).state != EMPTY:
                raise GroupNotEmpty(group=group)
            if file.is_at_path():
                os.unlink(path)
    finally:
        file.close()


def remove_member(path: str, group: str, member_id: str, *, now: float) -> None:
    """Take a member out of a group: it learns by its next poll that its partitions are lost.

    They go to others when it has released them. Also ends a gone static member's time to return.
    Raises GroupNotFound, UnknownMember.
    """
    file = _open(path, group)
    try:
        with file.locked():
            table = _read(file, group)
            if table.members.pop(member_id, None) is None:
                raise UnknownMember(group=group, member=member_id)
            remove_dead(table, file, table.members.values(), now)
            table.rebalance(table.counts_now(table.partition_counts.get), file.are_partitions_owned)
            file.write(table.encode(), table.generation)
    finally:
        file.close()


def _open(path: str, group: str, *, read_only: bool = False) -> GroupFile:
    try:
        return GroupFile(path, read_only=read_only)
    except FileNotFoundError:
        raise GroupNotFound(group=group) from None


def _read(file: GroupFile, group: str) -> GroupTable:
    """The table. The caller holds the lock."""
    stored = file.read()
    if stored.data is None:
        return GroupTable(group)
    table = GroupTable.decode(stored.data, path=file.path)
    if table.group != group:  # names of more than 200 bytes are cut and closed with a hash
        raise GroupNotFound(group=group)
    return table
