"""A group has members of one kind: clients of a broker, or embedded consumers. Never both, whoever comes first."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from logflume.coordinator.group_claims import GroupClaims
from logflume.coordinator.group_errors import GroupError, GroupRefused
from logflume.coordinator.group_file import GroupFile
from logflume.coordinator.group_files import delete_group
from logflume.coordinator.group_member import GroupMember
from logflume.errors import GroupNotEmpty, InvalidGroup
from support.broker_groups import GROUP, World


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "g.group")


@pytest.fixture
def claims(path: str) -> Iterator[GroupClaims]:
    made = GroupClaims(lambda group: path, time.monotonic)
    yield made
    made.close()


def member(path: str, **fields) -> GroupMember:
    return GroupMember(path, GROUP, partition_count=lambda topic: 4, **fields)


def join(one: GroupMember) -> None:
    one.join(["t"], now=time.monotonic(), joined_ms=0)


def test_an_embedded_consumer_does_not_join_a_brokers_group(path: str, claims: GroupClaims) -> None:
    world = World(claims=claims)
    world.enter()
    with pytest.raises(InvalidGroup, match="Kafka clients of a broker"):
        join(member(path))
    world.pass_time(1_000_000)
    late = member(path)
    join(late)
    assert len(late.poll(time.monotonic()).assigned) == 4
    late.leave(now=time.monotonic())


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_client_does_not_join_a_group_of_embedded_consumers(
    path: str, claims: GroupClaims, protocol: str
) -> None:
    embedded = member(path)
    join(embedded)
    world = World(claims=claims)

    def attempt() -> GroupError:
        return world.join().error if protocol == "classic" else world.refused("a", 0)

    assert attempt() is GroupError.INCONSISTENT_GROUP_PROTOCOL
    assert GROUP not in world.coordinator.machines
    embedded.leave(now=time.monotonic())
    assert attempt() in (GroupError.NONE, GroupError.MEMBER_ID_REQUIRED)


def test_a_static_embedded_consumer_is_waited_for(path: str, claims: GroupClaims) -> None:
    static = member(path, instance_id="i", session_timeout_s=1000)
    join(static)
    static.leave(now=time.monotonic())
    assert World(claims=claims).refused("a", 0) is GroupError.INCONSISTENT_GROUP_PROTOCOL
    assert claims.has_embedded(GROUP)


def test_strangers_do_not_commit_for_embedded_consumers(path: str, claims: GroupClaims) -> None:
    from logflume.coordinator.group_context import CommitRequest

    embedded = member(path)
    join(embedded)
    world = World(claims=claims)
    with pytest.raises(GroupRefused, match="UNKNOWN_MEMBER_ID"):
        world.coordinator.check_commit(CommitRequest(group=GROUP))
    embedded.leave(now=time.monotonic())
    world.coordinator.check_commit(CommitRequest(group=GROUP))


def test_a_second_broker_does_not_take_the_firsts_group(path: str, claims: GroupClaims) -> None:
    World(claims=claims).heartbeat("a", 0)
    other = GroupClaims(lambda group: path, time.monotonic)
    with pytest.raises(GroupRefused, match="another broker"):
        other.claim(GROUP)
    claims.close()
    other.claim(GROUP)
    other.close()


def test_what_embedded_consumers_took_over_is_not_a_restarted_brokers(
    path: str, claims: GroupClaims
) -> None:
    world = World(claims=claims)
    world.heartbeat("a", 0)
    claims.close()  # the broker dies
    embedded = member(path)
    join(embedded)
    world.restart()
    assert world.refused("a", 1) is GroupError.GROUP_ID_NOT_FOUND
    embedded.leave(now=time.monotonic())
    assert world.heartbeat("a", 0).epoch == 1


def test_a_brokers_group_is_not_deleted_beneath_it(path: str, claims: GroupClaims) -> None:
    claims.claim(GROUP)
    with pytest.raises(GroupNotEmpty):
        delete_group(path, GROUP, now=time.monotonic())
    claims.release(GROUP)
    assert not claims.delete_file(GROUP)
    embedded = member(path)
    join(embedded)
    embedded.leave(now=time.monotonic())
    assert claims.delete_file(GROUP)


def test_names_that_strangers_make_up_leave_no_files(path: str, claims: GroupClaims) -> None:
    world = World(claims=claims)
    world.join()
    assert Path(path).exists()
    world.pass_time(1_000_000)
    assert not Path(path).exists()


def test_a_file_that_embedded_members_know_stays(path: str, claims: GroupClaims) -> None:
    embedded = member(path)
    join(embedded)
    generation = embedded.generation
    embedded.leave(now=time.monotonic())
    claims.claim(GROUP)
    claims.release(GROUP)
    again = member(path)
    join(again)
    assert again.generation > generation
    again.leave(now=time.monotonic())


def test_a_claim_holds_although_the_file_was_replaced_while_it_was_made(
    path: str, claims: GroupClaims, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = GroupFile.is_at_path, []

    def is_at_path(self: GroupFile) -> bool:
        calls.append(self)
        return len(calls) > 1 and real(self)

    monkeypatch.setattr(GroupFile, "is_at_path", is_at_path)
    claims.claim(GROUP)
    assert len(calls) == 2
    with pytest.raises(InvalidGroup):
        join(member(path))


def test_of_both_kinds_at_once_one_wins(path: str) -> None:
    """Threads, each with files of its own: their locks exclude each other as processes' do."""
    inside = {"broker": 0, "embedded": 0}
    both, guard, errors = [], threading.Lock(), []

    def enter(kind: str, by: int) -> None:
        with guard:
            inside[kind] += by
            if inside["broker"] and inside["embedded"]:
                both.append(dict(inside))

    def broker() -> None:
        claims = GroupClaims(lambda group: path, time.monotonic)
        for _ in range(60):
            try:
                claims.claim(GROUP)
            except GroupRefused:
                continue
            enter("broker", 1)
            enter("broker", -1)
            claims.release(GROUP)

    def embedded() -> None:
        for _ in range(60):
            one = member(path)
            try:
                join(one)
            except InvalidGroup:
                continue
            enter("embedded", 1)
            enter("embedded", -1)
            one.leave(now=time.monotonic())

    def guarded(run) -> None:
        try:
            run()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(run,)) for run in (broker, embedded) * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert not both
