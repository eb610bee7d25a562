"""The assignor of share groups: nobody idle, nothing unread, and little moves."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from logflume.coordinator.share_assignor import assign_shared

A, B = UUID(int=1), UUID(int=2)


def wishes(members: int, *topics: tuple[UUID, int]) -> dict[str, frozenset[tuple[UUID, int]]]:
    wanted = frozenset((topic, number) for topic, count in topics for number in range(count))
    return {f"m{number}": wanted for number in range(members)}


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 12), st.integers(1, 12))
def test_everybody_has_something_and_everything_is_read(
    members: int, partitions: int, members_after: int, partitions_after: int
) -> None:
    before: dict[str, frozenset[tuple[UUID, int]]] = {}
    for count, size in ((members, partitions), (members_after, partitions_after)):
        wanted = wishes(count, (A, size))
        found = assign_shared(wanted, before)
        shares = Counter({m: len(parts) for m, parts in found.items()})
        readers = Counter(partition for parts in found.values() for partition in parts)
        assert set(found) == set(wanted)
        assert readers.keys() == {(A, number) for number in range(size)}
        for counts in (shares, readers):
            assert min(counts.values()) >= 1
            assert max(counts.values()) - min(counts.values()) <= 1
        assert assign_shared(wanted, found) == found, "nothing moves without a reason"
        before = found


def test_a_newcomer_takes_only_what_is_too_much() -> None:
    before = assign_shared(wishes(2, (A, 6)), {})
    after = assign_shared(wishes(3, (A, 6)), before)
    assert {len(parts) for parts in after.values()} == {2}
    assert all(after[member] <= before[member] for member in before)


def test_more_members_than_partitions_share_them() -> None:
    found = assign_shared(wishes(5, (A, 2)), {})
    assert all(len(parts) == 1 for parts in found.values())
    assert sorted(Counter(p for parts in found.values() for p in parts).values()) == [2, 3]


def test_topics_go_to_those_who_want_them() -> None:
    both = frozenset({(A, 0), (A, 1), (B, 0)})
    found = assign_shared({"x": both, "y": frozenset({(B, 0)}), "z": frozenset()}, {})
    assert found["z"] == frozenset()
    assert found["x"] >= {(A, 0), (A, 1)}
    assert found["y"] == {(B, 0)}


def test_what_nobody_wants_any_more_is_dropped() -> None:
    assert assign_shared({"x": frozenset()}, {"x": frozenset({(A, 0)})}) == {"x": frozenset()}
