"""Assignors beside Kafka's own (golden results), and their laws as properties."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logflume.coordinator.assignors import (
    ASSIGNORS,
    Assignment,
    Subscription,
    assign_cooperative_sticky,
    assign_range,
    assign_sticky,
    choose_assignor,
)
from logflume.types import TopicPartition

GOLDEN = Path(__file__).parents[2] / "golden" / "assignors" / "kafka_assignors.json"
SCENARIOS: list[dict[str, Any]] = json.loads(GOLDEN.read_text())


def members_of(scenario: dict[str, Any]) -> dict[str, Subscription]:
    return {
        name: Subscription(
            topics=frozenset(member["topics"]),
            owned=tuple(TopicPartition(*partition) for partition in member["owned"]),
            generation=member["generation"],
            instance_id=member["instance"],
        )
        for name, member in scenario["members"].items()
    }


def kafka_answer(scenario: dict[str, Any], assignor: str) -> Assignment:
    return {
        name: [TopicPartition(*partition) for partition in partitions]
        for name, partitions in scenario["kafka"][assignor].items()
    }


def spread(assignment: Assignment) -> list[int]:
    return sorted(len(partitions) for partitions in assignment.values())


def cost(assignment: Assignment) -> int:
    """Sum of squared loads: smallest exactly for the most balanced assignments."""
    return sum(len(partitions) ** 2 for partitions in assignment.values())


def moves(members: dict[str, Subscription], assignment: Assignment) -> int:
    return sum(len(set(member.owned) - set(assignment[name])) for name, member in members.items())


@pytest.mark.parametrize("index", range(len(SCENARIOS)))
@pytest.mark.parametrize("name", ["range", "roundrobin"])
def test_same_result_as_kafka(name: str, index: int) -> None:
    scenario = SCENARIOS[index]
    ours = ASSIGNORS[name](members_of(scenario), scenario["partitions"])
    assert ours == kafka_answer(scenario, name)


@pytest.mark.parametrize("index", range(len(SCENARIOS)))
def test_sticky_is_balanced_as_kafkas_or_better_and_moves_no_more(index: int) -> None:
    scenario = SCENARIOS[index]
    members = members_of(scenario)
    kafkas = kafka_answer(scenario, "sticky")
    ours = assign_sticky(members, scenario["partitions"])
    same_topics = len({member.topics for member in members.values()}) == 1
    if same_topics:
        assert spread(ours) == spread(kafkas)
        assert moves(members, ours) <= moves(members, kafkas)
        if not any(member.owned for member in members.values()):
            assert ours == kafkas
    assert cost(ours) <= cost(kafkas)
    if cost(ours) == cost(kafkas):
        assert moves(members, ours) <= moves(members, kafkas)


def test_range_gives_equal_numbers_of_two_topics_to_one_member() -> None:
    members = {name: Subscription(topics=frozenset({"a", "b"})) for name in "xyz"}
    assignment = assign_range(members, {"a": 7, "b": 7})
    for partitions in assignment.values():
        numbers = {topic: [p.partition for p in partitions if p.topic == topic] for topic in "ab"}
        assert numbers["a"] == numbers["b"]


def test_range_sorts_static_members_before_others() -> None:
    topics = frozenset({"t"})
    members = {
        "a": Subscription(topics=topics),
        "z": Subscription(topics=topics, instance_id="1"),
        "y": Subscription(topics=topics, instance_id="2"),
    }
    assignment = assign_range(members, {"t": 3})
    assert {name: partitions[0].partition for name, partitions in assignment.items()} == {
        "z": 0,
        "y": 1,
        "a": 2,
    }


def test_members_beyond_the_basic_plane_are_ordered_as_java_orders_them() -> None:
    # U+FF5E is greater than U+1F600 by UTF-16 unit, smaller by code point.
    topics = frozenset({"t"})
    members = {"\uff5e": Subscription(topics=topics), "\U0001f600": Subscription(topics=topics)}
    assert assign_range(members, {"t": 1})["\U0001f600"] == [TopicPartition("t", 0)]


def test_sticky_gives_one_new_member_its_share_and_moves_nothing_else() -> None:
    owned = {
        name: tuple(TopicPartition("t", 3 * n + k) for k in range(3))
        for n, name in enumerate("abc")
    }
    members = {
        name: Subscription(topics=frozenset({"t"}), owned=partitions, generation=4)
        for name, partitions in owned.items()
    }
    members["d"] = Subscription(topics=frozenset({"t"}))
    assignment = assign_sticky(members, {"t": 9})
    assert spread(assignment) == [2, 2, 2, 3]
    assert moves(members, assignment) == 2


def test_sticky_finds_the_chain_a_greedy_assignor_misses() -> None:
    # Only c may take y; a can reach c's level only by b handing on first.
    members = {
        "a": Subscription(
            topics=frozenset({"x"}), owned=tuple(TopicPartition("x", n) for n in range(3))
        ),
        "b": Subscription(
            topics=frozenset({"x", "y"}), owned=tuple(TopicPartition("y", n) for n in range(2))
        ),
        "c": Subscription(topics=frozenset({"y"})),
    }
    assert spread(assign_sticky(members, {"x": 3, "y": 2})) == [1, 2, 2]


def test_newer_generation_wins_a_doubly_claimed_partition_and_equal_ones_lose_it() -> None:
    claim = (TopicPartition("t", 0),)
    topics = frozenset({"t"})
    members = {
        "a": Subscription(topics=topics, owned=claim, generation=3),
        "b": Subscription(topics=topics, owned=claim, generation=5),
    }
    assert assign_cooperative_sticky(members, {"t": 1}) == {"a": [], "b": list(claim)}
    members["a"] = Subscription(topics=topics, owned=claim, generation=5)
    assert assign_cooperative_sticky(members, {"t": 1}) == {"a": [], "b": []}


def test_cooperative_gives_a_partition_in_the_round_after_its_release() -> None:
    topics = frozenset({"t"})
    owned = tuple(TopicPartition("t", n) for n in range(4))
    members = {
        "a": Subscription(topics=topics, owned=owned, generation=1),
        "b": Subscription(topics=topics, generation=1),
    }
    first = assign_cooperative_sticky(members, {"t": 4})
    assert spread(first) == [0, 2]
    second = assign_cooperative_sticky(
        {
            name: Subscription(topics=topics, owned=tuple(first[name]), generation=2)
            for name in members
        },
        {"t": 4},
    )
    assert spread(second) == [2, 2]


def test_the_group_uses_what_all_know_and_most_prefer() -> None:
    assert choose_assignor([("range", "sticky"), ("sticky", "range"), ("sticky",)]) == "sticky"
    assert choose_assignor([("range", "sticky"), ("sticky", "range")]) == "range"
    assert choose_assignor([("range",), ("sticky",)]) is None
    assert choose_assignor([]) is None


@st.composite
def groups(draw: st.DrawFn) -> tuple[dict[str, Subscription], dict[str, int]]:
    counts = draw(
        st.dictionaries(st.sampled_from("tuvwx"), st.integers(1, 8), min_size=1, max_size=4)
    )
    names = draw(st.lists(st.sampled_from("abcdefgh"), unique=True, min_size=1, max_size=6))
    # A topic nobody knows yet ("z") may be subscribed to.
    topic_sets = st.frozensets(st.sampled_from([*sorted(counts), "z"]), max_size=4)
    everything = [TopicPartition(t, n) for t, count in counts.items() for n in range(count + 1)]
    members = {}
    for name in names:
        members[name] = Subscription(
            topics=draw(topic_sets),
            owned=tuple(draw(st.lists(st.sampled_from(everything), unique=True, max_size=6))),
            generation=draw(st.integers(-1, 2)),
            instance_id=draw(st.none() | st.just(f"static-{name}")),
        )
    return members, counts


def wanted(members: dict[str, Subscription], counts: dict[str, int]) -> Counter[TopicPartition]:
    topics = frozenset[str]().union(*(member.topics for member in members.values()))
    return Counter(
        TopicPartition(topic, number) for topic in topics for number in range(counts.get(topic, 0))
    )


def given_out(assignment: Assignment) -> Counter[TopicPartition]:
    return Counter(p for partitions in assignment.values() for p in partitions)


@given(groups())
@settings(max_examples=300)
def test_complete_disjoint_subscribed_and_deterministic(
    group: tuple[dict[str, Subscription], dict[str, int]],
) -> None:
    members, counts = group
    for name, assign in ASSIGNORS.items():
        assignment = assign(members, counts)
        assert set(assignment) == set(members)
        for member_id, partitions in assignment.items():
            assert {p.topic for p in partitions} <= members[member_id].topics
            assert partitions == sorted(partitions)
        if name == "cooperative-sticky":
            assert given_out(assignment) <= wanted(members, counts)
        else:
            assert given_out(assignment) == wanted(members, counts)
        shuffled = dict(reversed(members.items()))
        assert assign(shuffled, dict(reversed(counts.items()))) == assignment


def best_cost(members: dict[str, Subscription], counts: dict[str, int]) -> int:
    """Slow twin: partitions placed one by one, each at the end of the best of all chains."""
    holder: dict[TopicPartition, str] = {}
    load = dict.fromkeys(members, 0)
    for partition in wanted(members, counts):
        takers = [name for name in members if partition.topic in members[name].topics]
        # The least loaded place, others being displaced on the way, each of them placed in turn.
        best: list[tuple[TopicPartition, str]] = []
        paths = [[(partition, taker)] for taker in takers]
        visited = set(takers)
        while paths:
            path = paths.pop()
            end = path[-1][1]
            if not best or load[end] < load[best[-1][1]]:
                best = path
            for other in [p for p, owner in holder.items() if owner == end]:
                for name in set(members) - visited:
                    if other.topic in members[name].topics:
                        visited.add(name)
                        paths.append([*path, (other, name)])
        load[best[-1][1]] += 1
        for moved, name in best:
            holder[moved] = name
    return sum(n * n for n in load.values())


@given(groups())
@settings(max_examples=300)
def test_sticky_is_as_balanced_as_possible_and_stays_put(
    group: tuple[dict[str, Subscription], dict[str, int]],
) -> None:
    members, counts = group
    assignment = assign_sticky(members, counts)
    assert cost(assignment) == best_cost(members, counts)
    settled = {
        name: Subscription(topics=member.topics, owned=tuple(assignment[name]), generation=9)
        for name, member in members.items()
    }
    assert assign_sticky(settled, counts) == assignment
    assert assign_cooperative_sticky(settled, counts) == assignment


@given(groups())
@settings(max_examples=200)
def test_when_a_member_leaves_the_others_keep_all_they_had_if_all_want_the_same(
    group: tuple[dict[str, Subscription], dict[str, int]],
) -> None:
    members, counts = group
    topics = frozenset(counts)
    same = {name: Subscription(topics=topics) for name in members}
    before = assign_sticky(same, counts)
    rest = {
        name: Subscription(topics=topics, owned=tuple(before[name]), generation=1)
        for name in sorted(members)[1:]
    }
    if rest:
        assert moves(rest, assign_sticky(rest, counts)) == 0


@given(groups())
@settings(max_examples=300)
def test_cooperative_never_gives_what_another_still_owns(
    group: tuple[dict[str, Subscription], dict[str, int]],
) -> None:
    members, counts = group
    assignment = assign_cooperative_sticky(members, counts)
    for name, partitions in assignment.items():
        for partition in partitions:
            claimants = {other for other, m in members.items() if partition in m.owned}
            if name in claimants:  # kept: nobody claims it with the same or a later generation
                assert all(
                    members[other].generation < members[name].generation
                    or partition.topic not in members[other].topics
                    for other in claimants - {name}
                )
            else:
                assert not claimants
