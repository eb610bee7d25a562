"""Deadlines of groups: in order, moved, forgotten, and a heap that does not grow with heartbeats."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from logflume.coordinator.group_timers import GroupTimers


def test_a_deadline_that_moves_goes_off_once_at_its_last_time() -> None:
    timers, done = GroupTimers(), []
    timers.schedule("a", 10, lambda: done.append("early"))
    timers.schedule("a", 30, lambda: done.append("late"))
    assert timers.run_due(20) == 0
    assert timers.next_due() == 30
    timers.schedule("a", 25, lambda: done.append("earlier again"))
    assert timers.run_due(100) == 1
    assert done == ["earlier again"]
    assert timers.next_due() is None


def test_what_is_cancelled_does_not_go_off() -> None:
    timers = GroupTimers()
    timers.schedule("a", 10, lambda: None)
    timers.cancel("a")
    timers.cancel("never there")
    assert timers.next_due() is None
    assert timers.run_due(20) == 0


def test_heartbeats_do_not_grow_the_heap() -> None:
    timers = GroupTimers()
    for now in range(10_000):
        timers.schedule(("g", "session", now % 10), now + 1000, lambda: None)
        timers.run_due(now)
    assert len(timers) == 10
    assert len(timers._heap) == 10


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.one_of(st.none(), st.integers(0, 50))), max_size=40
    )
)
def test_timers_go_off_as_a_plain_dictionary_would(steps: list[tuple[str, int | None]]) -> None:
    timers, done = GroupTimers(), []
    twin: dict[str, int] = {}
    for key, at in steps:
        if at is None:
            timers.cancel(key)
            twin.pop(key, None)
        else:
            timers.schedule(key, at, lambda key=key, at=at: done.append((at, key)))
            twin[key] = at
    assert timers.next_due() == min(twin.values(), default=None)
    timers.run_due(50)
    assert sorted(done) == sorted((at, key) for key, at in twin.items())
    assert [at for at, _ in done] == sorted(twin.values())
