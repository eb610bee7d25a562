"""Groups that go along with a copy: forwards only, and never against members there."""

from __future__ import annotations

import threading
import time

import pytest

import logflume
from logflume import bridge


def commit(log: logflume.Log, group: str, offset: int, note: str = "") -> None:
    with log.consumer(group=group, enable_auto_commit=False) as consumer:
        consumer.commit({("t", 0): logflume.OffsetAndMetadata(offset, note)})


def committed(log: logflume.Log, group: str) -> int | None:
    with log.consumer(group=group, enable_auto_commit=False) as consumer:
        return consumer.committed("t", 0)


@pytest.fixture
def filled(source: logflume.Log) -> logflume.Log:
    source.create_topic("t")
    source.partition("t", 0).append_many([b"x"] * 20)
    source.create_topic("other")
    return source


def test_only_where_it_is_asked_for_and_forwards(filled, target):
    commit(filled, "g", 7, "note")
    bridge.mirror(filled, target, ["t"])
    assert committed(target, "g") is None
    bridge.mirror(filled, target, ["t"], groups=True)
    with target.consumer(group="g", enable_auto_commit=False) as consumer:
        assert consumer.committed_entry("t", 0) == logflume.OffsetAndMetadata(7, "note")
    commit(target, "g", 12)
    bridge.mirror(filled, target, ["t"], groups=True)
    assert committed(target, "g") == 12
    commit(filled, "g", 15)
    bridge.mirror(filled, target, ["t"], groups=True)
    assert committed(target, "g") == 15


def test_a_group_with_members_in_the_copy_is_left_alone(filled, target):
    commit(filled, "g", 7)
    commit(filled, "h", 8)
    bridge.mirror(filled, target, ["t"])
    options = {"auto_offset_reset": "earliest", "enable_auto_commit": False}
    with target.consumer("t", group="g", **options) as consumer:
        assert len(consumer.poll(60, max_records=3)) == 3
        bridge.mirror(filled, target, ["t"], groups=True)
        assert consumer.committed("t", 0) is None
        consumer.commit()
    assert committed(target, "g") == 3
    assert committed(target, "h") == 8


def test_it_follows_and_goes_on_after_a_stop(filled, target, monkeypatch):
    monkeypatch.setattr("logflume.bridge.following_groups._INTERVAL_S", 0.05)
    for offset in (5, 9):
        stop = threading.Event()
        options = {"follow": True, "groups": True, "stop": stop}
        thread = threading.Thread(
            target=bridge.mirror, args=(filled, target, ["t"]), kwargs=options
        )
        thread.start()
        try:
            commit(filled, "g", offset)
            deadline = time.monotonic() + 60
            while "t" not in target or committed(target, "g") != offset:
                assert time.monotonic() < deadline
                assert thread.is_alive()
                time.sleep(0.05)
        finally:
            stop.set()
            thread.join(60)


def test_nobody_stands_behind_what_was_copied(filled, target):
    commit(filled, "g", 20)
    target.create_topic("t")
    target.partition("t", 0).append_at(b"".join(_batches(filled, 1)), 0)
    from logflume.bridge.following_groups import FollowingGroups

    FollowingGroups(filled, target, None).step(["t"])
    assert committed(target, "g") == target.partition("t", 0).end_offset


def _batches(log: logflume.Log, count: int) -> list[bytes]:
    """The first record's batch, made anew."""
    from logflume._native.batches import encode_batch

    return [encode_batch([(b"x",)] * count)]
