"""Groups seen from outside: where their files are, what is said of them, how they are deleted."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from logflume.coordinator.group_description import EMPTY, RECONCILING, STABLE
from logflume.coordinator.group_files import delete_group, describe_group, list_groups
from logflume.errors import GroupNotEmpty, GroupNotFound
from logflume.types import TopicPartition
from support.group_room import Room


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    room = Room(tmp_path)
    yield room
    for member in room.members:
        member.leave(now=room.now)


@pytest.mark.parametrize(
    "group", ["../../etc/passwd", "a/b", "..", "ü" * 300, "x" * 3000, ".group"]
)
def test_no_group_id_leads_out_of_the_directory(tmp_path: Path, group: str) -> None:
    room = Room(tmp_path / "log", group)
    member = room.join()
    room.settle()
    assert len(member.owned) == 6
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [str(path) for path in files] == [room.path]
    assert files[0].parent.parent == tmp_path / "log"
    member.leave(now=room.now)
    assert [listing.group for listing in list_groups(room.directory, now=room.now)] == [group]


def test_what_describe_says(room: Room) -> None:
    with pytest.raises(GroupNotFound):
        describe_group(room.path, "g", now=room.now)
    a = room.join(client_id="front")
    assert a.member_id.startswith("front-")
    assert describe_group(room.path, "g", now=room.now).state == RECONCILING
    room.settle()
    room.poll(a)
    room.now += 1
    room.poll(a)
    seen = describe_group(room.path, "g", now=room.now)
    assert seen == a.describe(now=room.now)
    assert (seen.state, seen.assignor, seen.generation) == (STABLE, "range", 1)
    (member,) = seen.members
    assert (member.client_id, member.pid, member.joined_ms) == ("front", os.getpid(), 17)
    assert len(member.owned) == len(member.assigned) == 6
    assert seen.owner_of(TopicPartition("t", 5)) == member
    assert seen.owner_of(TopicPartition("t", 6)) is None
    room.kill(a)
    assert describe_group(room.path, "g", now=room.now).state == EMPTY


def test_list_and_delete(room: Room) -> None:
    a = room.join()
    room.settle()
    with pytest.raises(GroupNotEmpty):
        delete_group(room.path, "g", now=room.now)
    room.leave(a)
    assert [(g.group, g.state) for g in list_groups(room.directory, now=room.now)] == [("g", EMPTY)]
    delete_group(room.path, "g", now=room.now)
    assert list_groups(room.directory, now=room.now) == []
    with pytest.raises(GroupNotFound):
        delete_group(room.path, "g", now=room.now)
    Path(room.path).write_bytes(b"rubbish" * 1000)
    (listing,) = list_groups(room.directory, now=room.now)
    assert listing.fault is not None
    assert "not a group file" in listing.fault


def test_a_gone_static_member_keeps_its_group_from_being_deleted(room: Room) -> None:
    static = room.join(instance_id="i", session_timeout_s=10)
    room.leave(static)
    with pytest.raises(GroupNotEmpty):
        delete_group(room.path, "g", now=room.now)
    delete_group(room.path, "g", now=room.now + 11)
