"""A group in one process: its members, its topics, and the time, which goes on by hand."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from logflume.coordinator.group_files import group_file_path
from logflume.coordinator.group_member import GroupChange, GroupMember


class Room:
    """A directory with topics, members of one group in it, and the time."""

    def __init__(self, directory: Path, group: str = "g") -> None:
        self.directory = str(directory)
        self.group = group
        self.path = group_file_path(self.directory, group, 50)
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        self.topics = {"t": 6}
        self.now = 1000.0
        self.members: list[GroupMember] = []

    def member(self, **options: Any) -> GroupMember:
        options.setdefault("assignors", ["range"])
        return GroupMember(
            self.path, self.group, partition_count=self.topics.get, lock_timeout_s=0.2, **options
        )

    def join(self, *topics: str, **options: Any) -> GroupMember:
        member = self.member(**options)
        member.join(topics or ("t",), now=self.now, joined_ms=17)
        self.members.append(member)
        return member

    def leave(self, member: GroupMember) -> None:
        self.members.remove(member)
        member.leave(now=self.now)

    def kill(self, member: GroupMember) -> None:
        """What the kernel does when a process dies: its descriptor goes, and nothing else."""
        self.members.remove(member)
        member._register.file.close()

    def poll(self, member: GroupMember) -> GroupChange:
        self.now += 0.02
        return member.poll(self.now)

    def settle(self) -> None:
        """Everybody polls and releases until nothing changes; nobody ever shares a partition."""
        for _ in range(50):
            quiet = True
            for member in list(self.members):
                change = self.poll(member)
                self.check_exclusive()
                if change:
                    quiet = False
                    member.release(change.revoked)
                    member.release(change.lost)
            if quiet and all(member.is_settled for member in self.members):
                return
        raise AssertionError("the group does not settle")

    def check_exclusive(self) -> None:
        held = [p for member in self.members for p in member._held]
        assert len(held) == len(set(held)), "a partition has two owners"

    def owned(self) -> list[list[int]]:
        return [sorted(p.partition for p in member.owned) for member in self.members]

    def all_owned(self) -> list[int]:
        return sorted(number for numbers in self.owned() for number in numbers)
