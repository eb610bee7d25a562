"""A group's table: numbers that stay, tables that come back, targets that move little."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logflume.coordinator.group_table import GroupTable, MemberRow
from logflume.coordinator.partition_numbers import PartitionNumbers
from logflume.errors import CorruptRecord, UnsupportedFormat
from logflume.types import TopicPartition


def row(member_id: str, *, topics: tuple[str, ...] = ("t",), **fields: Any) -> MemberRow:
    values: dict[str, Any] = {
        "slot": 0,
        "client_id": "",
        "instance_id": None,
        "assignors": ("range",),
        "pid": 1,
        "joined_ms": 2,
        "session_timeout_s": 45.0,
    }
    return MemberRow(member_id=member_id, topics=topics, **(values | fields))


def nobody_owns(first: int, count: int) -> bool:
    return False


@given(
    st.lists(
        st.tuples(st.dictionaries(st.sampled_from("abc"), st.integers(1, 5)), st.booleans()),
        max_size=12,
    )
)
def test_no_number_stands_for_two_partitions_ever(
    steps: list[tuple[dict[str, int], bool]],
) -> None:
    numbers = PartitionNumbers()
    used: dict[int, TopicPartition] = {}
    known: dict[str, int] = {}
    for counts, all_owned in steps:
        numbers.drop_others(counts, lambda first, count, owned=all_owned: owned)
        known = {t: n for t, n in known.items() if t in counts or all_owned}
        numbers.cover(counts)
        for topic, count in counts.items():
            known[topic] = max(count, known.get(topic, 0))
        for topic, count in known.items():
            for n in range(count):
                partition = TopicPartition(topic, n)
                number = numbers.number_of(partition)
                # A topic forgotten and met again gets new numbers; none goes to another partition.
                assert used.setdefault(number, partition) == partition
            with pytest.raises(LookupError):
                numbers.number_of(TopicPartition(topic, count))


def test_a_growing_topic_keeps_its_numbers() -> None:
    numbers = PartitionNumbers()
    numbers.cover({"a": 2, "b": 1})
    before = [numbers.number_of(TopicPartition("a", n)) for n in range(2)]
    numbers.cover({"a": 4, "b": 1})
    after = [numbers.number_of(TopicPartition("a", n)) for n in range(4)]
    assert after[:2] == before
    assert len({*after, numbers.number_of(TopicPartition("b", 0))}) == 5


def test_a_table_comes_back() -> None:
    table = GroupTable("gruppe ü")
    table.members = {
        "m1": row("m1", slot=1, topics=("t", "ü"), assignors=("sticky", "range")),
        "m2": row("m2", instance_id="i", gone_since=5.5),
    }
    table.members["m1"].owned = [TopicPartition("t", 1)]
    table.rebalance({"t": 3, "ü": 1}, nobody_owns)
    back = GroupTable.decode(table.encode(), path="p")
    assert back.members == table.members
    assert back.encode() == table.encode()


def test_an_assignment_covers_all_and_moves_little() -> None:
    table = GroupTable("g", members={name: row(name, assignors=("sticky",)) for name in "ab"})
    table.rebalance({"t": 6}, nobody_owns)
    before = {name: list(table.members[name].target) for name in "ab"}
    table.members["c"] = row("c", assignors=("sticky",))
    table.rebalance({"t": 6}, nobody_owns)
    assert table.generation == 2
    assert sorted(p for r in table.members.values() for p in r.target) == [
        TopicPartition("t", n) for n in range(6)
    ]
    assert [len(r.target) for r in table.members.values()] == [2, 2, 2]
    for name in "ab":
        assert set(table.members[name].target) < set(before[name])


def test_cooperative_sticky_needs_one_round_here() -> None:
    table = GroupTable("g", members={"a": row("a", assignors=("cooperative-sticky",))})
    table.rebalance({"t": 4}, nobody_owns)
    table.members["b"] = row("b", assignors=("cooperative-sticky", "range"))
    table.rebalance({"t": 4}, nobody_owns)
    assert table.assignor == "cooperative-sticky"
    assert [len(r.target) for r in table.members.values()] == [2, 2]


def test_a_gone_static_member_expires_by_its_own_timeout_and_by_a_restart_of_the_machine() -> None:
    gone = row("m", instance_id="i", gone_since=100.0, session_timeout_s=10)
    assert [gone.is_expired(now) for now in (100.0, 109.9, 110.0, 3.0)] == [
        False,
        False,
        True,
        True,
    ]
    assert not row("m").is_expired(1e9)


@pytest.mark.parametrize("damage", ["[]", "{}", '"x"', '{"format":1}', "\xff"])
def test_a_table_of_wrong_content_is_corrupt(damage: str) -> None:
    with pytest.raises(CorruptRecord) as caught:
        GroupTable.decode(damage.encode("latin-1"), path="p")
    assert caught.value.path == "p"


def test_a_table_of_a_newer_format_says_so() -> None:
    table = json.loads(GroupTable("g").encode()) | {"format": 2}
    with pytest.raises(UnsupportedFormat):
        GroupTable.decode(json.dumps(table).encode(), path="p")
