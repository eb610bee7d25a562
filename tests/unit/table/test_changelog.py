"""A changelog: the state of a stream processor's task, which the log brings back."""

from __future__ import annotations

import os

import pytest

import logflume
from logflume import errors
from logflume.client.table import TEXT, Serde, changelog

NUMBER = Serde(lambda n: b"%d" % n, int)


@pytest.fixture
def log(tmp_path):
    with logflume.open(tmp_path / "data") as opened:
        opened.create_topic("state", partitions=3, config={"cleanup.policy": "compact"})
        yield opened


def test_a_mapping_that_writes_through(log):
    with log.changelog("state", 1, key_serde=TEXT, value_serde=NUMBER) as counts:
        for word in ["a", "b", "a", "c", "a"]:
            counts[word] = counts.get(word, 0) + 1
        assert dict(counts) == {"a": 3, "b": 1, "c": 1}
        del counts["b"]
        with pytest.raises(KeyError):
            del counts["b"]
        assert counts.pop("c") == 1
        assert counts.setdefault("d", 5) == 5
        counts.update(e=6)
        assert dict(counts) == {"a": 3, "d": 5, "e": 6}
        counts.flush()
        assert [log.partition("state", n).end_offset for n in range(3)] == [0, 9, 0]
    with log.changelog("state", 1, key_serde=TEXT, value_serde=NUMBER) as counts:
        assert dict(counts) == {"a": 3, "d": 5, "e": 6}
        counts.clear()
        assert len(counts) == 0
    with log.table("state") as table:
        assert dict(table) == {}


def test_each_task_has_its_partition(log):
    with log.changelog("state", 0) as first, log.changelog("state", 2) as second:
        first[b"k"] = b"first"
        second[b"k"] = b"second"
        assert (first[b"k"], second[b"k"]) == (b"first", b"second")
        assert first.positions.keys() == {0}
    with pytest.raises(errors.UnknownTopicOrPartition):
        log.changelog("state", 3)


def test_own_writes_are_not_kept_twice_without_bound(log, monkeypatch):
    with log.changelog("state", 0) as state:
        assert state.core.pending_max == changelog.PENDING_MAX
        monkeypatch.setattr(state.core, "pending_max", 100)
        for i in range(1000):
            state[b"%d" % i] = b"v"
            assert len(state.core.states[0].pending) < 100
        assert len(state) == 1000


def test_a_crash_loses_nothing_that_was_published(log):
    pid = os.fork()
    if not pid:
        try:
            with logflume.open(log.path) as mine:
                state = mine.changelog("state", 0)
                for i in range(1000):
                    state[b"%d" % i] = b"%d" % i
                    if i == 500:
                        state.checkpoint()
                state.flush()
                os._exit(0)  # without closing anything
        finally:
            os._exit(1)
    assert os.waitpid(pid, 0)[1] == 0
    with log.changelog("state", 0) as state:
        assert dict(state) == {b"%d" % i: b"%d" % i for i in range(1000)}
        assert state.core.states[0].applied == 499


def test_a_forked_child_goes_on_with_its_copy(log):
    with log.table("state", follow="background") as table:
        table.put(b"k", b"parent").result(60)
        assert table[b"k"] == b"parent"
        pid = os.fork()
        if not pid:
            status = 1
            try:
                assert table[b"k"] == b"parent"
                place = table.put(b"child", b"v").result(60)
                table.wait_until(place, 60)
                assert table[b"child"] == b"v"
                status = 0
            finally:
                os._exit(status)
        assert os.waitpid(pid, 0)[1] == 0
        table.refresh()
        assert table[b"child"] == b"v"
