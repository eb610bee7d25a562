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


def test_what_one_writes_the_other_reads_change_by_change(tmp_path: Path) -> None:
    store, other = TopicStore(str(tmp_path)), TopicStore(str(tmp_path))
    settings = parse(TopicConfig, {"retention.ms": 5, "cleanup.policy": "compact,delete"})
    wanted = {}
    for number in range(20):
        name = f"t{number * 7 % 20}"
        entry = TopicEntry(name, "A" * 22, 1, PLAIN)
        if number % 3 == 0:
            entry = entry._replace(config=settings, partitions=number + 1)
        (store if number % 4 else other).put(entry)
        wanted[name] = entry
        for reader in (store, other, TopicStore(str(tmp_path))):
            assert reader.topics(fresh=True) == wanted
    store.put(wanted["t7"]._replace(deleting=True), remove="t14")
    del wanted["t14"]
    wanted["t7"] = wanted["t7"]._replace(deleting=True)
    assert other.topics(fresh=True) == TopicStore(str(tmp_path)).topics() == wanted
    lines = (tmp_path / "logflume-topics.json").read_text().splitlines()
    assert sum('"id"' in line for line in lines) == len(
        wanted
    )  # one a line, sorted, to be looked at
    assert sorted(line.rstrip(",") for line in lines if '"id"' in line) == [
        line.rstrip(",") for line in lines if '"id"' in line
    ]
