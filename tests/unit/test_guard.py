"""A consumer's guard, and what a poll that does not wait must still notice."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

import logflume
from logflume import errors
from logflume._native.guard import Guard


def test_the_same_thread_may_enter_again() -> None:
    guard = Guard("it")
    with guard, guard:
        pass
    assert guard.wait(0)
    guard.release()


def test_a_second_thread_is_told_so_until_the_first_has_left() -> None:
    guard = Guard("it")
    found: list[object] = []

    def enter() -> None:
        try:
            with guard:
                found.append("in")
        except errors.ConcurrentAccess as error:
            found.append(error.what)

    with guard:
        with guard:
            pass
        for _ in range(2):
            thread = threading.Thread(target=enter)
            thread.start()
            thread.join()
    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert found == ["it", "it", "in"]


def test_waiting_for_the_other_thread_to_leave() -> None:
    guard, inside, leave = Guard("it"), threading.Event(), threading.Event()

    def hold() -> None:
        with guard:
            inside.set()
            leave.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    inside.wait(60)
    assert not guard.wait(0.01)
    leave.set()
    assert guard.wait(60)
    guard.release()
    thread.join()


def test_a_poll_without_waiting_sees_all_there_is_to_see(tmp_path: Path) -> None:
    with logflume.open(tmp_path / "log") as log:
        log.create_topic("t")
        partition = log.partition("t", 0)
        with log.consumer("t", auto_offset_reset="earliest") as consumer:
            assert consumer.poll(0) == []
            partition.append(b"a")
            assert [r.value for r in consumer.poll(0)] == [b"a"]
            assert consumer.poll(0) == []
            consumer.seek("t", 0, 0)
            assert [r.value for r in consumer.poll(0)] == [b"a"]
            consumer.seek("t", 0, 99)  # behind the end: the reset policy goes to the start
            assert [r.value for r in consumer.poll(0)] == [b"a"]
            partition.append_many([b"b", b"c"])
            assert next(iter(consumer)).value == b"b"
            assert [r.value for r in consumer.poll(0)] == [b"c"]  # fetched, not handed out yet
            log.delete_topic("t")
            with pytest.raises(errors.LogflumeError):
                consumer.poll(0)
