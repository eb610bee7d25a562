"""The list of topics, as another process sees it."""

from __future__ import annotations

import os
import time
from pathlib import Path

from logflume.config import parse
from logflume.config.topic import TopicConfig
from logflume.log.topic_store import TopicEntry, TopicStore

PLAIN = parse(TopicConfig, {})


def test_a_change_in_the_same_tick_of_the_clock_is_seen(tmp_path: Path) -> None:
    """Before Linux 6.13 files have the times of a clock that stands still for milliseconds."""
    store = TopicStore(str(tmp_path))
    now = time.time_ns()
    for number in range(3):
        (tmp_path / f"t{number}-0").mkdir()
        os.utime(tmp_path, ns=(now, now))
        assert len(store.topics()) == number + 1


def test_without_a_change_it_is_the_same_object_and_not_read_again(tmp_path: Path) -> None:
    store, other = TopicStore(str(tmp_path)), TopicStore(str(tmp_path))
    other.put(TopicEntry("t", "A" * 22, 1, PLAIN))
    first = store.topics()
    assert (
        store.topics() is first
    )  # read again, as the change is so recent, and found to be the same
    long_ago = time.time_ns() - 10**9
    for path in (tmp_path, *tmp_path.iterdir()):
        os.utime(path, ns=(long_ago, long_ago))
    assert store.topics() is first
    assert not store.changed()
