"""Membership: who owns what through joining, leaving, dying, growing; all with a clock by hand."""

from __future__ import annotations

import gc
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from logflume.coordinator.group_description import EMPTY
from logflume.coordinator.group_file import GroupFile
from logflume.coordinator.group_files import (
    describe_group,
    remove_member,
)
from logflume.coordinator.group_member import NO_CHANGE, GroupChange, GroupMember
from logflume.errors import (
    Closed,
    DiskFull,
    FencedInstance,
    InvalidConfig,
    InvalidGroup,
    UnknownMember,
)
from logflume.types import TopicPartition
from support.group_room import Room

# Python 3.12 and later warn of threads, which numpy may have started; the children use none.
forks = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    room = Room(tmp_path)
    yield room
    for member in room.members:
        member.leave(now=room.now)


def numbers(partitions: tuple[TopicPartition, ...]) -> list[int]:
    return [p.partition for p in partitions]


def test_one_member_gets_everything_and_hears_of_it_once(room: Room) -> None:
    member = room.join()
    assert member.owned == frozenset()
    change = room.poll(member)
    assert numbers(change.assigned) == [0, 1, 2, 3, 4, 5]
    assert change.revoked == change.lost == ()
    assert room.poll(member) is NO_CHANGE
    assert not NO_CHANGE
    assert member.is_settled
    assert member.is_member
    assert member.generation == 1
    assert member.owned == member.target == set(change.assigned)


def test_a_partition_changes_hands_only_when_its_owner_released_it(room: Room) -> None:
    a = room.join()
    room.settle()
    b = room.join()
    assert not room.poll(b)  # everything is still a's
    change = room.poll(a)
    assert len(change.revoked) == 3
    assert change.assigned == ()
    assert a.owned == a.target
    assert not a.is_settled
    assert not room.poll(a)  # told once
    assert not room.poll(b)  # a is still finishing
    a.release(change.revoked[:1])
    assert room.poll(b).assigned == change.revoked[:1]
    a.release(change.revoked)
    assert room.poll(b).assigned == change.revoked[1:]
    assert a.is_settled
    assert b.is_settled
    room.check_exclusive()


def test_only_revoked_partitions_can_be_released(room: Room) -> None:
    member = room.join()
    room.settle()
    with pytest.raises(ValueError, match="t-0"):
        member.release([TopicPartition("t", 0)])
    member.release([TopicPartition("t", 77)])
    assert room.owned() == [[0, 1, 2, 3, 4, 5]]


def test_leaving_gives_partitions_to_the_rest_at_once(room: Room) -> None:
    members = [room.join() for _ in range(3)]
    room.settle()
    assert room.all_owned() == [0, 1, 2, 3, 4, 5]
    room.leave(members[0])
    assert not members[0].is_member
    assert members[0].owned == frozenset()
    room.settle()
    assert [len(owned) for owned in room.owned()] == [3, 3]
    members[0].leave(now=room.now)
    with pytest.raises(UnknownMember):
        members[0].poll(room.now)


@pytest.mark.parametrize("assignor", ["range", "roundrobin", "sticky", "cooperative-sticky"])
def test_the_rest_take_over_from_a_dead_member(room: Room, assignor: str) -> None:
    members = [room.join(assignors=[assignor]) for _ in range(3)]
    room.settle()
    generation = members[0].generation
    room.kill(members[1])
    room.settle()
    assert room.all_owned() == [0, 1, 2, 3, 4, 5]
    assert members[0].generation == generation + 1
    assert len(members[0].describe(now=room.now).members) == 2


def test_one_poll_takes_over_all_that_a_death_frees(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when it comes between the poll's look for the dead and its look for what is free."""
    dying = room.join()
    room.settle()
    waiting = room.join()
    assert not room.poll(waiting)  # everything is still the other's
    look = waiting._reconcile

    def die_first(*args: float) -> GroupChange:
        monkeypatch.undo()
        room.kill(dying)
        return look(*args)

    monkeypatch.setattr(waiting, "_reconcile", die_first)
    assert numbers(room.poll(waiting).assigned) == [0, 1, 2, 3, 4, 5]
    assert waiting.is_settled
    assert waiting.generation == 3


def test_a_forgotten_member_is_as_dead_as_a_killed_one(room: Room) -> None:
    room.join()
    forgotten = room.join()
    room.settle()
    room.members.remove(forgotten)
    del forgotten
    gc.collect()
    room.settle()
    assert room.owned() == [[0, 1, 2, 3, 4, 5]]


def test_a_dead_member_among_many_is_noticed(room: Room) -> None:
    room.topics["t"] = 60
    members = [room.join() for _ in range(40)]
    room.settle()
    room.kill(members[17])
    room.settle()
    assert room.all_owned() == list(range(60))


def test_slots_of_the_gone_are_used_again(room: Room) -> None:
    a, b = room.join(), room.join()
    room.kill(a)
    c = room.join()
    slots = {m.member_id: m._row.slot for m in (b, c) if m._row is not None}
    assert sorted(slots.values()) == [0, 1]


def test_partitions_that_are_added_are_assigned(room: Room) -> None:
    room.join()
    room.join()
    room.settle()
    room.topics["t"] = 9
    room.now += 1
    room.settle()
    assert room.all_owned() == list(range(9))


def test_a_topic_that_is_made_later_is_assigned_then_and_a_deleted_one_is_revoked(
    room: Room,
) -> None:
    member = room.join("later")
    room.settle()
    assert room.owned() == [[]]
    room.topics["later"] = 2
    room.now += 1
    assert numbers(room.poll(member).assigned) == [0, 1]
    del room.topics["later"]
    room.now += 1
    assert numbers(room.poll(member).revoked) == [0, 1]


def test_a_changed_subscription_moves_partitions(room: Room) -> None:
    room.topics |= {"u": 2}
    a, b = room.join("t"), room.join("t")
    room.settle()
    a.update_topics(["u"], now=room.now)
    room.settle()
    assert a.owned == {TopicPartition("u", 0), TopicPartition("u", 1)}
    assert b.owned == {TopicPartition("t", n) for n in range(6)}
    generation = a.generation
    a.update_topics(["u"], now=room.now)
    assert a.generation == generation  # nothing new


def test_members_of_one_group_need_a_common_assignor(room: Room) -> None:
    room.join(assignors=["range"])
    with pytest.raises(InvalidGroup, match="range"):
        room.join(assignors=["sticky"])
    assert not room.member(assignors=["sticky"]).is_member
    room.join(assignors=["sticky", "range"])
    room.settle()
    with pytest.raises(InvalidConfig, match="stickier"):
        room.member(assignors=["stickier"])
    with pytest.raises(InvalidConfig):
        room.member(assignors=[])


def test_a_static_member_that_returns_finds_its_partitions_and_disturbs_nobody(
    room: Room,
) -> None:
    static, other = room.join(instance_id="i"), room.join()
    room.settle()
    had, generation, old_id = static.owned, other.generation, static.member_id
    room.leave(static)
    room.settle()
    assert room.owned() == [sorted(p.partition for p in other.owned)]
    assert other.generation == generation
    back = room.join(instance_id="i")
    assert back.member_id != old_id
    room.settle()
    assert back.owned == had
    assert other.generation == back.generation == generation


def test_a_static_member_that_died_does_too(room: Room) -> None:
    static, other = room.join(instance_id="i"), room.join()
    room.settle()
    had, generation = static.owned, other.generation
    room.kill(static)
    room.settle()
    assert len(other.owned) == 3
    back = room.join(instance_id="i")
    room.settle()
    assert back.owned == had
    assert other.generation == generation


def test_a_static_member_that_stays_away_is_replaced_after_its_session_timeout(
    room: Room,
) -> None:
    static, other = room.join(instance_id="i", session_timeout_s=10), room.join()
    room.settle()
    room.kill(static)
    room.settle()
    room.now += 9
    room.settle()
    assert len(other.owned) == 3
    room.now += 2
    room.settle()
    assert len(other.owned) == 6
    room.join(instance_id="i")
    room.settle()
    assert [len(owned) for owned in room.owned()] == [3, 3]


def test_a_second_living_member_with_the_same_instance_id_is_refused(room: Room) -> None:
    first = room.join(instance_id="i")
    room.settle()
    with pytest.raises(FencedInstance) as caught:
        room.join(instance_id="i")
    assert caught.value.instance == "i"
    assert not room.poll(first)
    assert len(first.owned) == 6


def test_a_removed_member_loses_its_partitions_and_may_join_again(room: Room) -> None:
    a, b = room.join(), room.join()
    room.settle()
    had = a.owned
    remove_member(room.path, "g", a.member_id, now=room.now)
    assert not room.poll(b)  # a still holds them
    change = room.poll(a)
    assert set(change.lost) == had
    assert change.revoked == change.assigned == ()
    assert not a.is_member
    assert not room.poll(a)
    with pytest.raises(InvalidGroup):
        a.join(["t"], now=room.now, joined_ms=0)
    assert not room.poll(b)
    a.release(change.lost)
    assert set(room.poll(b).assigned) == had
    a.join(["t"], now=room.now, joined_ms=0)
    room.settle()
    assert [len(owned) for owned in room.owned()] == [3, 3]
    with pytest.raises(UnknownMember):
        remove_member(room.path, "g", "nobody", now=room.now)


def test_a_member_whose_file_is_gone_loses_everything(room: Room) -> None:
    member = room.join()
    room.settle()
    os.unlink(room.path)
    room.now += 1
    assert len(room.poll(member).lost) == 6
    assert not member.is_member


def test_joining_twice_is_refused_and_before_joining_nothing_works(room: Room) -> None:
    member = room.member()
    with pytest.raises(UnknownMember):
        member.poll(room.now)
    with pytest.raises(UnknownMember):
        member.describe(now=room.now)
    member.leave(now=room.now)
    member = room.join()
    with pytest.raises(InvalidGroup, match="joined already"):
        member.join(["t"], now=room.now, joined_ms=0)


@forks
def test_a_forked_child_is_no_member(room: Room) -> None:
    member = room.join()
    room.settle()
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            said = []
            try:
                member.poll(room.now)
            except Closed as error:
                said.append(str(error))
            said.append(str(member.is_member))
            member.leave(now=room.now)  # must not take the parent out
            os.write(write_end, "|".join(said).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    message = os.read(read_end, 1000).decode()
    os.close(read_end)
    os.close(write_end)
    assert "inherited by a forked child" in message
    assert message.endswith("|False")
    assert not room.poll(member)
    assert len(member.owned) == 6
    assert describe_group(room.path, "g", now=room.now).state != EMPTY


@forks
def test_a_forked_child_can_join_as_another_member(room: Room) -> None:
    member = room.join()
    room.settle()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            member.join(["t"], now=room.now, joined_ms=0)
            seen = member.describe(now=room.now).members
            if [m.pid for m in seen] == [os.getppid(), os.getpid()] and not member.owned:
                status = 0
            member.leave(now=room.now)
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    room.settle()
    assert room.owned() == [[0, 1, 2, 3, 4, 5]]


def test_a_full_disk_in_a_poll_loses_no_change(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = room.join(), room.join()
    room.settle()
    room.kill(b)

    def full(self: GroupFile, data: bytes, generation: int) -> None:
        raise DiskFull(path=self.path)

    with monkeypatch.context() as patch:
        patch.setattr(GroupFile, "write", full)
        with pytest.raises(DiskFull):
            room.poll(a)
    assert len(room.poll(a).assigned) == 3


@pytest.mark.parametrize("seed", range(8))
def test_random_comings_and_goings_end_with_every_partition_owned_once(
    tmp_path: Path, seed: int
) -> None:
    print(f"seed {seed}")
    rng = random.Random(seed)
    room = Room(tmp_path)
    room.topics = {"t": 5, "u": 3, "v": 7}
    pending: dict[GroupMember, list[TopicPartition]] = {}
    assignor = rng.choice(["range", "roundrobin", "sticky", "cooperative-sticky"])
    for step in range(250):
        action = rng.random()
        if not room.members or (action < 0.08 and len(room.members) < 7):
            room.join(*rng.sample("tuv", rng.randint(1, 3)), assignors=[assignor])
        elif action < 0.12:
            room.leave(rng.choice(room.members))
        elif action < 0.16:
            room.kill(rng.choice(room.members))
        elif action < 0.18:
            room.topics[rng.choice("tuv")] += 1
            room.now += 1
        elif action < 0.22:
            rng.choice(room.members).update_topics(
                rng.sample("tuv", rng.randint(1, 3)), now=room.now
            )
        else:
            member = rng.choice(room.members)
            waiting = pending.setdefault(member, [])
            if waiting and rng.random() < 0.5:
                member.release(waiting)
                waiting.clear()
            change = room.poll(member)
            assert not change.lost
            assert set(change.assigned) <= member.owned
            waiting += change.revoked
        room.check_exclusive()
        if step % 50 == 49:
            for member, waiting in pending.items():
                if member in room.members:
                    member.release(waiting)
            pending.clear()
            room.now += 1
            room.settle()
            owned = {p for member in room.members for p in member.owned}
            subscribed = {p.topic for p in owned}
            for member in room.members:
                subscribed |= set(member._register.table.members[member.member_id].topics)
            assert owned == {
                TopicPartition(topic, n) for topic in subscribed for n in range(room.topics[topic])
            }
    for member in room.members:
        member.leave(now=room.now)
