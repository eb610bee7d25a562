"""The consumer protocol (KIP-848) by itself: epochs, reconciliation, static members, expressions, conversions."""

from __future__ import annotations

from dataclasses import replace

import pytest

from logflume.coordinator.group_context import CommitRequest
from logflume.coordinator.group_errors import GroupError, GroupRefused
from logflume.coordinator.group_settings import GroupSettings
from logflume.errors import DiskFull
from support.broker_groups import GROUP, REBALANCE_MS, World

SESSION_MS = GroupSettings().consumer_session_timeout_ms
NONE = GroupError.NONE


@pytest.fixture
def world() -> World:
    return World()


def group_of(world: World):
    return world.coordinator.machines[GROUP].group


def settle(world: World, members: dict[str, int]) -> dict[str, set[tuple[str, int]]]:
    """Members heartbeat and confirm until nothing changes; what each has."""
    has: dict[str, frozenset] = {m: group_of(world).members[m].assigned for m in members}
    for _ in range(10):
        for member, epoch in members.items():
            answer = world.heartbeat(member, epoch, owned=has[member])
            members[member] = answer.epoch
            if answer.assignment is not None:
                has[member] = answer.assignment
    assert group_of(world).state == "Stable"
    return {member: world.named(parts) for member, parts in has.items()}


# Joining and reconciling


def test_the_first_member_gets_everything_at_once(world: World) -> None:
    answer = world.heartbeat("a", 0)
    assert (answer.member_id, answer.epoch) == ("a", 1)
    assert world.named(answer.assignment) == {("t", n) for n in range(4)}
    assert answer.heartbeat_interval_ms == 5000


def test_an_assignment_is_told_once(world: World) -> None:
    world.heartbeat("a", 0)
    assert world.heartbeat("a", 1).assignment is None


def test_a_full_heartbeat_is_answered_in_full(world: World) -> None:
    given = world.heartbeat("a", 0).assignment
    again = world.heartbeat("a", 1, topics=("t",), owned=given, rebalance_timeout_ms=REBALANCE_MS)
    assert again.assignment == given


def test_a_newcomer_waits_until_partitions_are_given_up(world: World) -> None:
    everything = world.heartbeat("a", 0).assignment
    new = world.heartbeat("b", 0)
    assert new.epoch == 2
    assert new.assignment == frozenset()
    told = world.heartbeat("a", 1, owned=everything)
    assert told.epoch == 1, "it stays in its epoch until it gave up"
    assert len(told.assignment) == 2
    assert not world.heartbeat("b", 2).assignment
    confirmed = world.heartbeat("a", 1, owned=told.assignment)
    assert confirmed.epoch == 2
    got = world.heartbeat("b", 2).assignment
    assert len(got) == 2
    assert got.isdisjoint(told.assignment)
    assert group_of(world).state == "Stable"


def test_who_does_not_give_up_in_time_is_put_out(world: World) -> None:
    everything = world.heartbeat("a", 0).assignment
    world.heartbeat("b", 0)
    for _ in range(REBALANCE_MS // 5000 + 1):
        world.refused("a", 1, owned=everything)
        world.heartbeat(
            "b", 2 if "a" in group_of(world).members else group_of(world).members["b"].epoch
        )
        world.pass_time(5000)
    assert world.refused("a", 1, owned=everything) is GroupError.UNKNOWN_MEMBER_ID
    assert len(settle(world, {"b": group_of(world).members["b"].epoch})["b"]) == 4


def test_few_partitions_move(world: World) -> None:
    world.catalog.grow("t", 12)
    members = {"a": world.heartbeat("a", 0).epoch}
    before = settle(world, members)
    for name in ("b", "c", "d"):
        members[name] = world.heartbeat(name, 0).epoch
        after = settle(world, members)
        assert {len(parts) for parts in after.values()} == {12 // len(members)}
        assert all(after[m] <= before[m] for m in before), "old members only lose"
        before = after


def test_a_member_that_leaves_frees_its_partitions_at_once(world: World) -> None:
    members = {"a": world.heartbeat("a", 0).epoch, "b": world.heartbeat("b", 0).epoch}
    settle(world, members)
    left = world.heartbeat("a", -1)
    assert left.epoch == -1
    assert len(settle(world, {"b": members["b"]})["b"]) == 4
    assert world.refused("a", members["a"]) is GroupError.UNKNOWN_MEMBER_ID


def test_a_silent_member_dies_with_its_session(world: World) -> None:
    world.heartbeat("a", 0)
    world.pass_time(SESSION_MS - 1)
    assert world.refused("a", 1) is NONE
    world.pass_time(SESSION_MS)
    assert world.refused("a", 1) is GroupError.UNKNOWN_MEMBER_ID
    assert group_of(world).state == "Empty"
    assert GROUP not in world.claims


# Subscriptions and topics


def test_a_topic_that_grows_is_seen(world: World) -> None:
    members = {"a": world.heartbeat("a", 0).epoch}
    world.catalog.grow("t", 6)
    assert len(settle(world, members)["a"]) == 6
    assert members["a"] == 2


def test_a_topic_that_comes_and_goes_is_seen(world: World) -> None:
    members = {"a": world.heartbeat("a", 0, topics=("t", "later")).epoch}
    world.catalog.create("later", 2)
    assert ("later", 1) in settle(world, members)["a"]
    world.catalog.delete("t")
    assert settle(world, members)["a"] == {("later", 0), ("later", 1)}


def test_a_topic_made_anew_under_its_name_is_another_one(world: World) -> None:
    old = world.heartbeat("a", 0).assignment
    world.catalog.delete("t")
    world.catalog.create("t", 4)
    answer = world.heartbeat("a", 1, owned=old)
    assert answer.assignment == frozenset(), "the old one is to be given up"
    new = world.heartbeat("a", 1, owned=frozenset()).assignment
    assert len(new) == 4
    assert new.isdisjoint(old)


def test_other_topics_disturb_nobody(world: World) -> None:
    world.heartbeat("a", 0)
    world.catalog.create("other", 9)
    assert world.heartbeat("a", 1).epoch == 1


def test_a_member_changes_its_topics(world: World) -> None:
    world.catalog.create("u", 1)
    members = {"a": world.heartbeat("a", 0).epoch}
    settle(world, members)
    members["a"] = world.heartbeat("a", members["a"], topics=("u",)).epoch
    assert settle(world, members)["a"] == {("u", 0)}


def test_expressions_stand_for_topics_that_are_and_will_be(world: World) -> None:
    world.catalog.create("logs.a", 1)
    members = {"a": world.heartbeat("a", 0, topics=(), regex="logs[.].*").epoch}
    assert settle(world, members)["a"] == {("logs.a", 0)}
    world.catalog.create("logs.b", 1)
    world.catalog.create("xlogs.c", 1)
    assert settle(world, members)["a"] == {("logs.a", 0), ("logs.b", 0)}
    members["a"] = world.heartbeat("a", members["a"], regex="", topics=("t",)).epoch
    assert {topic for topic, _ in settle(world, members)["a"]} == {"t"}
    assert group_of(world).patterns == {}


def test_an_expression_stands_for_what_its_member_may_see(world: World) -> None:
    for name in ("logs.open", "logs.secret"):
        world.catalog.create(name, 1)

    def heartbeat(epoch: int, **fields):
        return world.heartbeat("a", epoch, visible=lambda topic: "secret" not in topic, **fields)

    first = heartbeat(0, topics=(), regex="logs[.].*")
    assert world.named(first.assignment) == {("logs.open", 0)}
    world.catalog.create("logs.secret.too", 1)
    world.catalog.create("logs.more", 1)
    later = heartbeat(first.epoch, owned=first.assignment)
    assert world.named(later.assignment) == {("logs.open", 0), ("logs.more", 0)}
    world.restart()
    world.heartbeat("b", 0, topics=("t",))
    seen = group_of(world).patterns["logs[.].*"]
    assert seen == {"logs.open", "logs.more"}, "nobody else's eyes"


@pytest.mark.parametrize("pattern", ["(", "(?=look)", "a{1,1000000}"])
def test_an_expression_that_re2_does_not_take_is_refused(world: World, pattern: str) -> None:
    refused = world.refused("a", 0, topics=(), regex=pattern)
    assert refused is GroupError.INVALID_REGULAR_EXPRESSION
    assert GROUP not in world.coordinator.machines


def test_no_expression_takes_for_ever(world: World) -> None:
    world.catalog.create("a" * 240, 1)
    assert world.refused("a", 0, topics=(), regex="(a+)+b") is NONE


def test_range_keeps_equal_numbers_together(world: World) -> None:
    world.catalog.create("u", 4)
    members = {
        name: world.heartbeat(name, 0, topics=("t", "u"), assignor="range").epoch
        for name in ("a", "b")
    }
    has = settle(world, members)
    assert {n for t, n in has["a"] if t == "t"} == {n for t, n in has["a"] if t == "u"} == {0, 1}


# Epochs


def test_a_member_of_another_epoch_is_fenced_and_may_join_anew(world: World) -> None:
    world.heartbeat("a", 0)
    assert world.refused("a", 7) is GroupError.FENCED_MEMBER_EPOCH
    assert world.refused("a", 1) is NONE
    answer = world.heartbeat("a", 0)
    assert len(answer.assignment) == 4


def test_a_lost_answer_does_not_fence(world: World) -> None:
    world.heartbeat("a", 0)
    world.catalog.grow("t", 5)
    lost = world.heartbeat("a", 1)
    assert lost.epoch == 2
    old = frozenset(sorted(lost.assignment)[:4])
    again = world.heartbeat("a", 1, owned=old)
    assert again.epoch == 2
    assert world.refused("a", 1) is GroupError.FENCED_MEMBER_EPOCH, "without saying what it has"


def test_a_member_that_joins_anew_gives_up_what_it_was_to_give_up(world: World) -> None:
    everything = world.heartbeat("a", 0).assignment
    world.heartbeat("b", 0)
    world.heartbeat("a", 1, owned=everything)
    world.heartbeat("a", 0)
    assert len(world.heartbeat("b", 2).assignment) == 2


@pytest.mark.parametrize(
    ("epoch", "fields", "error"),
    [
        (0, {"topics": None}, GroupError.INVALID_REQUEST),
        (0, {"topics": ()}, GroupError.INVALID_REQUEST),
        (0, {"owned": None}, GroupError.INVALID_REQUEST),
        (0, {"rebalance_timeout_ms": -1}, GroupError.INVALID_REQUEST),
        (0, {"group": ""}, GroupError.INVALID_REQUEST),
        (0, {"instance_id": ""}, GroupError.INVALID_REQUEST),
        (0, {"assignor": "mine"}, GroupError.UNSUPPORTED_ASSIGNOR),
        (-2, {}, GroupError.INVALID_REQUEST),
        (-3, {}, GroupError.INVALID_REQUEST),
        (1, {}, GroupError.GROUP_ID_NOT_FOUND),
        (-1, {}, GroupError.GROUP_ID_NOT_FOUND),
    ],
)
def test_requests_that_cannot_be_are_refused(world, epoch, fields, error) -> None:
    assert world.refused("a", epoch, **fields) is error
    assert not world.store.records


def test_a_group_has_an_end_to_its_size() -> None:
    world = World(settings=GroupSettings(consumer_max_size=1))
    world.heartbeat("a", 0)
    assert world.refused("b", 0) is GroupError.GROUP_MAX_SIZE_REACHED
    assert world.refused("a", 1) is NONE


# Static members


def test_a_static_member_keeps_its_partitions_while_it_is_away(world: World) -> None:
    members = {"a": world.heartbeat("a", 0, instance_id="i").epoch}
    members["b"] = world.heartbeat("b", 0).epoch
    for _ in range(6):
        for name in members:
            has = group_of(world).members[name].assigned
            instance = "i" if name == "a" else None
            members[name] = world.heartbeat(
                name, members[name], instance_id=instance, owned=has
            ).epoch
    had = group_of(world).members["a"].assigned
    assert len(had) == 2
    assert world.heartbeat("a", -2, instance_id="i").epoch == -2
    assert world.heartbeat("b", members["b"]).assignment is None
    back = world.heartbeat("a2", 0, instance_id="i")
    assert back.assignment == had
    assert back.epoch == members["b"], "no new epoch for it"
    assert world.refused("a", members["a"], instance_id="i") is GroupError.FENCED_INSTANCE_ID


def test_an_instance_id_in_use_is_not_given_twice(world: World) -> None:
    world.heartbeat("a", 0, instance_id="i")
    assert world.refused("b", 0, instance_id="i") is GroupError.UNRELEASED_INSTANCE_ID
    assert world.refused("a", 0, instance_id="i") is NONE, "itself, whose answer was lost"


def test_a_static_member_that_stays_away_loses_its_place(world: World) -> None:
    world.heartbeat("a", 0, instance_id="i")
    world.heartbeat("a", -2, instance_id="i")
    world.pass_time(SESSION_MS + 1)
    assert group_of(world).is_empty
    assert world.refused("c", 1, instance_id="i") is GroupError.UNKNOWN_MEMBER_ID


def test_a_static_member_may_leave_for_good(world: World) -> None:
    world.heartbeat("a", 0, instance_id="i")
    world.heartbeat("a", -1, instance_id="i")
    assert group_of(world).is_empty


# Commits


def check(world: World, **fields) -> GroupError:
    try:
        world.coordinator.check_commit(CommitRequest(group=GROUP, **fields))
    except GroupRefused as refused:
        return refused.error
    return NONE


def test_commits_need_the_members_epoch(world: World) -> None:
    world.heartbeat("a", 0)
    assert check(world, member_id="a", epoch=1) is NONE
    assert check(world, member_id="a", epoch=0) is GroupError.STALE_MEMBER_EPOCH
    assert check(world, member_id="b", epoch=1) is GroupError.UNKNOWN_MEMBER_ID
    assert check(world) is GroupError.UNKNOWN_MEMBER_ID
    old = check(world, member_id="a", epoch=1, knows_epochs=False)
    assert old is GroupError.UNSUPPORTED_VERSION
    world.heartbeat("a", -1)
    assert check(world) is NONE


def test_offsets_are_told_to_members_and_to_those_who_say_no_name(world: World) -> None:
    world.heartbeat("a", 0)
    world.coordinator.check_fetch(GROUP, None, -1)
    world.coordinator.check_fetch(GROUP, "a", 1)
    with pytest.raises(GroupRefused, match="STALE_MEMBER_EPOCH"):
        world.coordinator.check_fetch(GROUP, "a", 3)
    with pytest.raises(GroupRefused, match="UNKNOWN_MEMBER_ID"):
        world.coordinator.check_fetch(GROUP, "b", 1)


# The log


def test_a_broker_that_starts_again_goes_on(world: World) -> None:
    everything = world.heartbeat("a", 0, instance_id="i").assignment
    world.heartbeat("b", 0)
    world.heartbeat("a", 1, instance_id="i", owned=everything)
    before = group_of(world)
    world.restart()
    after = group_of(world)
    assert after.members == before.members
    assert after.owners == before.owners
    assert after.targets == before.targets
    assert (after.epoch, after.target_epoch, after.state) == (2, 2, "Reconciling")
    kept = after.members["a"].assigned
    assert world.heartbeat("a", 1, instance_id="i", owned=kept).epoch == 2
    assert len(world.heartbeat("b", 2).assignment) == 2


def test_a_write_that_fails_changes_nothing(world: World) -> None:
    world.heartbeat("a", 0)
    world.store.fail = DiskFull(path="/full")
    with pytest.raises(DiskFull):
        world.heartbeat("b", 0)
    world.store.fail = None
    answer = world.heartbeat("a", 1)
    assert (answer.epoch, answer.assignment) == (1, None)
    assert list(group_of(world).members) == ["a"]


def test_a_death_that_cannot_be_stored_is_tried_again(world: World) -> None:
    world.heartbeat("a", 0)
    world.store.fail = DiskFull(path="/full")
    world.pass_time(SESSION_MS)
    world.store.fail = None
    assert world.refused("a", 1) is NONE, "it was back before anything was stored"


# Both kinds


def test_an_empty_group_becomes_one_of_the_other_kind(world: World) -> None:
    (member,) = world.stable()
    assert world.refused("a", 0) is GroupError.GROUP_ID_NOT_FOUND
    world.pass_time(10 * REBALANCE_MS)
    world.heartbeat("a", 0)
    assert world.beat(member, 1) is GroupError.UNKNOWN_MEMBER_ID
    assert world.join().error is GroupError.INCONSISTENT_GROUP_PROTOCOL
    world.heartbeat("a", -1)
    joined = world.enter().answer
    assert joined.generation == 1
    world.sync(joined.member_id, 1)
    world.restart()
    assert group_of(world).kind == "classic"


def test_members_are_never_changed_in_place(world: World) -> None:
    world.heartbeat("a", 0)
    member = group_of(world).members["a"]
    same = replace(member)
    world.catalog.grow("t", 9)
    world.heartbeat("a", 1)
    assert member == same
