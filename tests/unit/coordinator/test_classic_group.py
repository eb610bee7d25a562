"""The classic group protocol by itself: joining, generations, leaders, time-outs, static members."""

from __future__ import annotations

import pytest

from logflume.coordinator.classic_requests import Leaver
from logflume.coordinator.group_context import CommitRequest
from logflume.coordinator.group_errors import GroupError, GroupRefused
from logflume.coordinator.group_settings import GroupSettings
from logflume.errors import DiskFull
from support.broker_groups import GROUP, REBALANCE_MS, SESSION_MS, World


@pytest.fixture
def world() -> World:
    return World()


def state(world: World) -> str:
    return world.coordinator.machines[GROUP].group.state


def commit_error(world: World, **fields) -> GroupError:
    try:
        world.coordinator.check_commit(CommitRequest(group=GROUP, **fields))
    except GroupRefused as refused:
        return refused.error
    return GroupError.NONE


# Joining


def test_a_first_member_comes_back_with_the_id_it_is_given_and_leads(world: World) -> None:
    first = world.join()
    assert first.error is GroupError.MEMBER_ID_REQUIRED
    assert first.answer.member_id == "c-id1"
    second = world.join("c-id1")
    assert second.answer.generation == 1
    assert second.answer.leader == "c-id1"
    assert second.answer.protocol == "range"
    assert second.answer.protocol_type == "consumer"
    assert [(m.member_id, m.metadata) for m in second.answer.members] == [("c-id1", b"r")]


def test_an_old_client_is_let_in_without_an_id_of_its_own(world: World) -> None:
    joined = world.join(requires_id=False)
    assert joined.answer.member_id == "c-id1"
    assert joined.answer.generation == 1


def test_an_id_that_was_never_given_is_unknown(world: World) -> None:
    assert world.join("made-up").error is GroupError.UNKNOWN_MEMBER_ID
    world.stable()
    assert world.join("made-up").error is GroupError.UNKNOWN_MEMBER_ID


def test_an_id_that_nobody_came_back_with_is_forgotten(world: World) -> None:
    given = world.join().answer.member_id
    world.pass_time(SESSION_MS + 1)
    assert world.join(given).error is GroupError.UNKNOWN_MEMBER_ID


def test_the_first_rebalance_waits_for_more_members_but_not_for_ever() -> None:
    world = World(settings=GroupSettings(initial_rebalance_delay_ms=3000))
    one = world.enter()
    world.pass_time(2000)
    two = world.enter()
    world.pass_time(1500)
    assert one.answer is None, "a newcomer extends the wait"
    world.pass_time(3000)
    assert one.answer.generation == two.answer.generation == 1
    assert len(one.answer.members) == 2
    assert two.answer.members == ()


def test_the_first_wait_is_bounded_by_the_rebalance_timeout() -> None:
    world = World(settings=GroupSettings(initial_rebalance_delay_ms=3000))
    one = world.enter(rebalance_timeout_ms=8000, session_timeout_ms=20_000)
    waiting = [one]
    for _ in range(10):
        world.pass_time(1000)
        if one.answer is None:
            waiting.append(world.enter(rebalance_timeout_ms=8000, session_timeout_ms=20_000))
    assert one.answer.generation == 1
    assert len(one.answer.members) == len(waiting)


def test_protocols_are_chosen_by_votes_among_those_that_all_know(world: World) -> None:
    lists = [("range", "sticky", "x"), ("sticky", "range"), ("y", "sticky", "range")]
    leader, *_ = world.stable()
    joins = [world.enter(protocols=tuple((n, n.encode()) for n in names)) for names in lists]
    joins.append(world.join(leader, protocols=(("sticky", b"s"), ("range", b"r"))))
    assert {j.answer.protocol for j in joins} == {"sticky"}


@pytest.mark.parametrize(
    "fields",
    [
        {"protocols": (("other", b""),)},
        {"protocol_type": "connect"},
        {"protocols": ()},
    ],
)
def test_a_member_that_shares_no_protocol_is_refused(world: World, fields) -> None:
    world.stable()
    assert world.join(**fields).error is GroupError.INCONSISTENT_GROUP_PROTOCOL


def test_a_group_has_an_end_to_its_size() -> None:
    world = World(settings=GroupSettings(initial_rebalance_delay_ms=0, max_size=2))
    world.stable(2)
    assert world.join().error is GroupError.GROUP_MAX_SIZE_REACHED


@pytest.mark.parametrize("timeout_ms", [5999, 1_800_001])
def test_a_session_timeout_must_be_within_limits(world: World, timeout_ms: int) -> None:
    assert world.join(session_timeout_ms=timeout_ms).error is GroupError.INVALID_SESSION_TIMEOUT


def test_an_empty_group_id_is_invalid(world: World) -> None:
    assert world.join(group="").error is GroupError.INVALID_GROUP_ID


# Rebalancing


def test_a_newcomer_starts_a_rebalance_of_which_heartbeats_tell(world: World) -> None:
    (old,) = world.stable()
    new = world.enter()
    assert new.answer is None
    assert world.beat(old, 1) is GroupError.REBALANCE_IN_PROGRESS
    again = world.join(old)
    assert new.answer.generation == again.answer.generation == 2
    assert again.answer.leader == old
    assert world.beat(old, 1) is GroupError.ILLEGAL_GENERATION
    assert world.beat(old, 2) is GroupError.NONE


def test_who_does_not_join_in_time_is_put_out(world: World) -> None:
    old, other = world.stable(2)
    new = world.enter()
    for _ in range(REBALANCE_MS // 5000):
        world.pass_time(5000)
        world.beat(old, 2)  # lives, but does not join
        world.beat(other, 2)
    world.pass_time(1)
    assert new.answer.leader == new.answer.member_id
    assert world.beat(old, 2) is GroupError.UNKNOWN_MEMBER_ID


def test_everybody_gets_the_part_that_the_leader_gave(world: World) -> None:
    first, second = world.stable(2)
    assert state(world) == "Stable"
    assert world.sync(second, 2).answer.assignment == second.encode()
    assert world.sync(first, 2).answer.assignment == first.encode()


def test_followers_wait_for_the_leaders_sync(world: World) -> None:
    leader, follower = world.stable(2)
    joins = [world.join(leader), world.join(follower)]
    assert {j.answer.generation for j in joins} == {3}
    waiting = world.sync(follower, 3)
    assert waiting.answer is None
    world.sync(leader, 3, assignments={follower: b"all"})
    assert waiting.answer.assignment == b"all"
    assert waiting.answer.protocol == "range"


def test_a_sync_that_waits_is_told_of_the_next_rebalance(world: World) -> None:
    leader, follower = world.stable(2)
    world.join(leader)
    world.join(follower)
    waiting = world.sync(follower, 3)
    world.enter()
    assert waiting.error is GroupError.REBALANCE_IN_PROGRESS
    assert world.sync(leader, 3).error is GroupError.REBALANCE_IN_PROGRESS


def test_who_never_syncs_is_put_out(world: World) -> None:
    leader, follower = world.stable(2)
    world.join(leader)
    world.join(follower)
    waiting = world.sync(follower, 3)
    for _ in range(REBALANCE_MS // 5000 + 1):  # the leader lives, but brings no assignment
        world.pass_time(5000)
        world.beat(leader, 3)
    assert waiting.error is GroupError.REBALANCE_IN_PROGRESS
    assert world.beat(leader, 3) is GroupError.UNKNOWN_MEMBER_ID
    assert world.join(follower).answer.leader == follower


def test_a_lost_join_answer_is_given_again(world: World) -> None:
    leader, follower = world.stable(2)
    world.join(leader)
    once = world.join(follower)
    again = world.join(follower)
    assert again.answer == once.answer
    assert state(world) == "CompletingRebalance"


def test_a_follower_that_joins_a_stable_group_without_news_disturbs_nobody(world: World) -> None:
    _, follower = world.stable(2)
    again = world.join(follower)
    assert again.answer.generation == 2
    assert again.answer.members == ()
    assert state(world) == "Stable"


def test_the_leader_may_start_a_rebalance_by_joining(world: World) -> None:
    leader, _ = world.stable(2)
    assert world.join(leader).answer is None
    assert state(world) == "PreparingRebalance"


def test_a_member_with_news_starts_a_rebalance(world: World) -> None:
    _, follower = world.stable(2)
    world.join(follower, protocols=(("range", b"other topics"),))
    assert state(world) == "PreparingRebalance"


def test_a_second_join_of_a_waiting_member_takes_the_firsts_place(world: World) -> None:
    world.stable()
    first = world.enter()
    member_id = next(iter(world.coordinator.machines[GROUP].group.members.keys() - {"c-id1"}))
    second = world.join(member_id)
    assert first.error is GroupError.REBALANCE_IN_PROGRESS
    assert second.answer is None


def test_a_sync_with_another_protocol_is_refused(world: World) -> None:
    (leader,) = world.stable()
    wrong = GroupError.INCONSISTENT_GROUP_PROTOCOL
    assert world.sync(leader, 1, protocol="sticky").error is wrong
    assert world.sync(leader, 1, protocol_type="connect").error is wrong


# Leaving and dying


def test_a_member_that_leaves_starts_a_rebalance_of_the_others(world: World) -> None:
    leader, follower = world.stable(2)
    answers = world.coordinator.leave(GROUP, [Leaver(leader, None), Leaver("nobody", None)])
    assert answers == [GroupError.NONE, GroupError.UNKNOWN_MEMBER_ID]
    assert world.beat(follower, 2) is GroupError.REBALANCE_IN_PROGRESS
    assert world.join(follower).answer.leader == follower


def test_the_last_one_that_leaves_leaves_an_empty_group(world: World) -> None:
    (leader,) = world.stable()
    world.coordinator.leave(GROUP, [Leaver(leader, None)])
    assert state(world) == "Empty"
    assert world.coordinator.machines[GROUP].group.generation == 2
    assert world.beat(leader, 1) is GroupError.UNKNOWN_MEMBER_ID
    assert world.coordinator.tick() is None, "nothing is left to wait for"


def test_a_member_that_falls_silent_dies_with_its_session(world: World) -> None:
    silent, other = world.stable(2)
    for _ in range(3):
        world.pass_time(SESSION_MS // 2)
        world.beat(other, 2)
    assert world.beat(silent, 2) is GroupError.UNKNOWN_MEMBER_ID
    assert world.beat(other, 2) is GroupError.REBALANCE_IN_PROGRESS


def test_a_member_that_waits_for_its_answer_does_not_die_of_silence(world: World) -> None:
    (old,) = world.stable(session_timeout_ms=30_000)
    new = world.enter(session_timeout_ms=6000)
    world.pass_time(20_000)
    world.beat(old, 1)
    world.join(old, session_timeout_ms=30_000)
    assert new.answer.generation == 2


def test_a_group_whose_members_all_die_is_empty(world: World) -> None:
    world.stable(3)
    world.pass_time(10 * REBALANCE_MS)
    assert state(world) == "Empty"
    assert GROUP not in world.claims


def test_a_leave_ends_the_wait_for_an_id_that_was_given_out(world: World) -> None:
    (old,) = world.stable()
    given = world.join().answer.member_id
    new = world.enter()
    world.join(old)
    assert new.answer is None, "an id is out: its client is waited for"
    world.coordinator.leave(GROUP, [Leaver(given, None)])
    assert new.answer.generation == 2


# Static members


def test_a_static_member_comes_back_without_a_rebalance(world: World) -> None:
    first = world.join(instance_id="i")
    world.sync(first.answer.member_id, 1, instance_id="i", assignments={"i-id1": b"mine"})
    again = world.join(instance_id="i")
    assert again.answer.generation == 1
    assert again.answer.member_id == "i-id2"
    assert again.answer.leader == "i-id2"
    assert again.answer.skip_assignment
    assert world.sync("i-id2", 1, instance_id="i").answer.assignment == b"mine"
    assert world.beat("i-id1", 1, "i") is GroupError.FENCED_INSTANCE_ID
    assert world.beat("i-id1", 1) is GroupError.UNKNOWN_MEMBER_ID


def test_an_old_client_that_is_back_as_leader_is_not_asked_to_assign(world: World) -> None:
    world.sync(world.join(instance_id="i").answer.member_id, 1, assignments={"i-id1": b"mine"})
    again = world.join(instance_id="i", may_skip_assignment=False)
    assert again.answer.leader == "i-id1"
    assert again.answer.members == ()


def test_a_static_members_successor_fences_its_waiting_requests(world: World) -> None:
    world.stable()
    first = world.join(instance_id="i")
    assert first.answer is None
    second = world.join(instance_id="i")
    assert first.error is GroupError.FENCED_INSTANCE_ID
    world.join("c-id1")
    assert second.answer.generation == 2


def test_a_static_member_back_during_the_assignment_starts_it_anew(world: World) -> None:
    world.stable()
    static = world.join(instance_id="i")
    world.join("c-id1")
    assert static.answer.generation == 2
    world.join(instance_id="i")
    assert state(world) == "PreparingRebalance"


def test_a_static_member_that_changes_the_protocol_starts_a_rebalance(world: World) -> None:
    one = world.join(instance_id="i", protocols=(("range", b""), ("sticky", b"")))
    world.sync(one.answer.member_id, 1, assignments={})
    back = world.join(instance_id="i", protocols=(("sticky", b""),))
    assert back.answer.generation == 2
    assert back.answer.protocol == "sticky"


def test_a_static_member_keeps_its_place_through_others_rebalances(world: World) -> None:
    static = world.join(instance_id="i", session_timeout_ms=600_000, rebalance_timeout_ms=10_000)
    world.sync(static.answer.member_id, 1)
    new = world.enter(rebalance_timeout_ms=10_000)
    world.pass_time(10_001)
    assert new.answer.generation == 2
    members = world.coordinator.machines[GROUP].group.members
    assert static.answer.member_id in members


def test_an_operator_may_take_a_static_member_out_by_its_instance_id(world: World) -> None:
    world.join(instance_id="i")
    assert world.coordinator.leave(GROUP, [Leaver("", "i")]) == [GroupError.NONE]
    assert state(world) == "Empty"
    assert world.coordinator.leave(GROUP, [Leaver("", "i")]) == [GroupError.UNKNOWN_MEMBER_ID]


# Commits


def test_members_may_commit_and_strangers_only_where_nobody_is(world: World) -> None:
    assert commit_error(world) is GroupError.NONE
    assert commit_error(world, member_id="m", epoch=3) is GroupError.GROUP_ID_NOT_FOUND
    old = commit_error(world, member_id="m", epoch=3, knows_epochs=False)
    assert old is GroupError.ILLEGAL_GENERATION
    (leader,) = world.stable()
    assert commit_error(world) is GroupError.UNKNOWN_MEMBER_ID
    assert commit_error(world, transactional=True) is GroupError.NONE
    assert commit_error(world, member_id=leader, epoch=1) is GroupError.NONE
    assert commit_error(world, member_id=leader, epoch=2) is GroupError.ILLEGAL_GENERATION
    assert commit_error(world, member_id="m", epoch=1) is GroupError.UNKNOWN_MEMBER_ID


def test_a_commit_is_refused_while_the_assignment_is_made(world: World) -> None:
    (leader,) = world.stable()
    world.join(leader)
    refused = commit_error(world, member_id=leader, epoch=2)
    assert refused is GroupError.REBALANCE_IN_PROGRESS
    assert commit_error(world, member_id=leader, epoch=2, transactional=True) is GroupError.NONE


# The log


def test_a_broker_that_starts_again_knows_its_members(world: World) -> None:
    leader, follower = world.stable(2)
    world.restart()
    assert world.beat(leader, 2) is GroupError.NONE
    assert world.sync(follower, 2).answer.assignment == follower.encode()
    world.pass_time(SESSION_MS - 1)
    assert state(world) == "Stable"
    world.pass_time(10 * REBALANCE_MS)
    assert state(world) == "Empty"


def test_generations_go_on_where_they_were(world: World) -> None:
    world.stable()
    world.pass_time(10 * REBALANCE_MS)
    world.restart()
    assert world.enter().answer.generation == 3


def test_a_full_disk_gives_no_assignment_that_is_not_stored(world: World) -> None:
    (leader,) = world.stable()
    joined = world.join(leader)
    world.store.fail = DiskFull(path="/full")
    answer = world.sync(leader, joined.answer.generation, assignments={leader: b"x"})
    assert answer.error is GroupError.COORDINATOR_NOT_AVAILABLE
    assert state(world) == "PreparingRebalance"
    world.store.fail = None
    assert world.join(leader).answer.generation == 3


def test_a_static_member_whose_return_is_not_stored_is_as_it_was(world: World) -> None:
    world.sync(world.join(instance_id="i").answer.member_id, 1, assignments={"i-id1": b"mine"})
    world.store.fail = DiskFull(path="/full")
    assert world.join(instance_id="i").error is GroupError.COORDINATOR_NOT_AVAILABLE
    world.store.fail = None
    assert world.beat("i-id1", 1, "i") is GroupError.NONE
    world.restart()
    assert world.beat("i-id1", 1, "i") is GroupError.NONE
