"""Share groups (KIP-932) by themselves: members, epochs, who reads what, what a new broker knows of it."""

from __future__ import annotations

import pytest

from logflume.coordinator.group_context import CommitRequest
from logflume.coordinator.group_errors import GroupError, GroupRefused
from logflume.coordinator.group_settings import GroupSettings
from logflume.coordinator.share_group import ShareGroup
from logflume.errors import DiskFull
from support.broker_groups import GROUP, World

SESSION_MS = GroupSettings().share_session_timeout_ms
ALL = {("t", number) for number in range(4)}


@pytest.fixture
def world() -> World:
    return World()


def group_of(world: World) -> ShareGroup:
    found = world.coordinator.share_group(GROUP)
    assert found is not None
    return found


def test_the_first_member_reads_everything_at_once(world: World) -> None:
    answer = world.share("a", 0)
    assert (answer.member_id, answer.epoch, answer.heartbeat_interval_ms) == ("a", 1, 5000)
    assert answer.assignment is not None
    assert world.named(answer.assignment) == ALL
    assert group_of(world).state == "Stable"


def test_an_assignment_is_told_once_and_to_who_says_everything(world: World) -> None:
    told = world.share("a", 0).assignment
    assert world.share("a", 1).assignment is None
    assert world.share("a", 1, topics=("t",)).assignment == told


def test_nobody_waits_for_another_to_give_up(world: World) -> None:
    world.share("a", 0)
    new = world.share("b", 0)
    assert (new.epoch, len(new.assignment or ())) == (2, 2)
    old = world.share("a", 1)
    assert (old.epoch, len(old.assignment or ())) == (2, 2)
    assert world.named((new.assignment or frozenset()) | (old.assignment or frozenset())) == ALL


def test_more_members_than_partitions_read_them_together(world: World) -> None:
    answers = [world.share(f"m{number}", 0) for number in range(7)]
    assert len(answers[-1].assignment or ()) == 1
    targets = group_of(world).targets
    assert {len(parts) for parts in targets.values()} == {1}
    assert frozenset().union(*targets.values()) == group_of(world).members["m0"].assigned


def test_an_answer_may_be_lost(world: World) -> None:
    world.share("a", 0)
    world.share("b", 0)
    assert world.share("a", 1).epoch == 2
    assert world.share("a", 1).epoch == 2, "the one before is good for one more time"
    world.share("c", 0)
    assert world.share("a", 2).epoch == 3
    assert world.share_refused("a", 1) is GroupError.FENCED_MEMBER_EPOCH
    assert world.share_refused("a", 9) is GroupError.FENCED_MEMBER_EPOCH


def test_a_member_that_leaves_or_falls_silent_is_out(world: World) -> None:
    world.share("a", 0)
    world.share("b", 0)
    assert len(world.share("a", 1).assignment or ()) == 2
    assert world.share("b", -1).epoch == -1
    assert len(world.share("a", 2).assignment or ()) == 4
    world.pass_time(SESSION_MS + 1)
    assert group_of(world).state == "Empty"
    assert world.share_refused("a", 3) is GroupError.UNKNOWN_MEMBER_ID


def test_a_topic_that_grows_comes_or_goes_makes_a_new_epoch(world: World) -> None:
    world.share("a", 0, topics=("t", "later"))
    world.catalog.grow("t", 6)
    grown = world.share("a", 1)
    assert (grown.epoch, len(grown.assignment or ())) == (2, 6)
    world.catalog.create("later", 1)
    assert len(world.share("a", 2).assignment or ()) == 7
    begun = group_of(world).partitions.initialized.values()
    assert {(topic.name, len(topic.partitions)) for topic in begun} == {("t", 6), ("later", 1)}
    world.catalog.delete("t")
    assert world.named(world.share("a", 3).assignment or ()) == {("later", 0)}


def test_requests_that_cannot_be_are_refused(world: World) -> None:
    refused = world.share_refused
    assert refused("", 0) is GroupError.INVALID_REQUEST
    assert refused("a", 0, group="") is GroupError.INVALID_REQUEST
    assert refused("a", 0, topics=()) is GroupError.INVALID_REQUEST
    assert refused("a", 0, rack_id="") is GroupError.INVALID_REQUEST
    assert refused("a", -2) is GroupError.INVALID_REQUEST
    assert refused("a", 1) is GroupError.GROUP_ID_NOT_FOUND
    assert refused("a", -1) is GroupError.GROUP_ID_NOT_FOUND
    assert world.coordinator.machines == {}


def test_a_full_group_takes_nobody(world: World) -> None:
    world = World(settings=GroupSettings(share_max_size=1))
    world.share("a", 0)
    assert world.share_refused("b", 0) is GroupError.GROUP_MAX_SIZE_REACHED
    assert world.share_refused("a", 0) is GroupError.NONE


def test_a_new_broker_goes_on_where_the_old_one_was(world: World) -> None:
    world.share("a", 0)
    world.share("b", 0)
    before = group_of(world)
    world.restart()
    after = group_of(world)
    assert after.members == before.members
    assert after.targets == before.targets
    assert after.partitions == before.partitions
    assert world.share("b", 2).assignment is None
    world.pass_time(SESSION_MS - 1)
    world.share("b", 2)
    world.pass_time(2)
    assert set(group_of(world).members) == {"b"}, "the other one was not heard of since"


def test_an_empty_group_stays_until_it_is_deleted(world: World) -> None:
    world.share("a", 0)
    world.share("a", -1)
    world.restart()
    assert group_of(world).state == "Empty"
    assert group_of(world).partitions.initialized
    world.coordinator.delete(GROUP)
    world.restart()
    assert world.coordinator.share_group(GROUP) is None


def test_a_group_with_members_is_not_deleted(world: World) -> None:
    world.share("a", 0)
    with pytest.raises(GroupRefused) as caught:
        world.coordinator.delete(GROUP)
    assert caught.value.error is GroupError.NON_EMPTY_GROUP


def test_kinds_of_groups_do_not_mix(world: World) -> None:
    world.share("s", 0)
    assert world.refused("c", 0) is GroupError.GROUP_ID_NOT_FOUND
    assert world.join().error is GroupError.INCONSISTENT_GROUP_PROTOCOL
    for check in (
        lambda: world.coordinator.check_commit(CommitRequest(group=GROUP)),
        lambda: world.coordinator.check_fetch(GROUP, None, -1),
    ):
        with pytest.raises(GroupRefused) as caught:
            check()
        assert caught.value.error is GroupError.GROUP_ID_NOT_FOUND
    world.heartbeat("c", 0, group="consumers")
    assert world.share_refused("s", 0, group="consumers") is GroupError.GROUP_ID_NOT_FOUND


def test_what_was_not_stored_did_not_happen(world: World) -> None:
    world.share("a", 0)
    world.store.fail = DiskFull(path="/", reason="full")
    with pytest.raises(DiskFull):
        world.share("b", 0)
    world.store.fail = None
    assert set(group_of(world).members) == {"a"}
    assert world.share("a", 1).assignment is None
