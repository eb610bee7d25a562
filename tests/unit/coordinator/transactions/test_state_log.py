"""The replica of `__transaction_state`, over a real partition written by several."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from logflume.coordinator.transactions.entry import Entry, State
from logflume.coordinator.transactions.redo import REDO_HEADER
from logflume.coordinator.transactions.state_log import StateLog
from logflume.types import TopicPartition
from support.partitions import opened

PLACES = (TopicPartition("a", 0), TopicPartition("a", 1), TopicPartition("b", 0))


@pytest.fixture
def partition(tmp_path: Path):
    with opened(tmp_path, name="__transaction_state-0", allow_gaps=True) as log:
        yield log


def test_replicas_agree_whoever_appends(partition) -> None:
    random.seed(seed := random.randrange(1 << 30))
    logs = [StateLog([partition]) for _ in range(3)]
    truth: dict[str, Entry] = {}
    for now in range(300):
        log = random.choice(logs)
        log.refresh()
        name = f"id-{random.randrange(8)}"
        entry = truth.get(name) or Entry.first(name, 100 + len(truth), 10, now)
        if entry.state is State.ONGOING:
            entry = random.choice([entry.prepared(PLACES, now), entry.fenced(now)])
        elif entry.state.is_decided:
            entry = entry.completed(now)
        else:
            entry = random.choice([entry.begun(now), entry.taken_over(10, now)])
        log.append(entry)
        truth[name] = entry
        assert log.get(name) == entry, f"seed {seed}"
    for log in [*logs, StateLog([partition])]:
        log.refresh()
        assert {entry.transactional_id: entry for entry in log.entries()} == truth, f"seed {seed}"
        for entry in truth.values():
            assert log.of_producer(entry.producer_id) == entry
    assert logs[0].of_producer(5) is None
    assert logs[0].named == set(PLACES)


def test_an_earlier_producer_id_leads_to_its_transactional_id(partition) -> None:
    log = StateLog([partition])
    entry = Entry("x", 7, 32766, 10).taken_over(10, 1, new_producer_id=8)
    log.append(entry)
    other = StateLog([partition])
    other.refresh()
    assert other.of_producer(7) == other.of_producer(8) == entry


def test_headers_and_places_come_back(partition) -> None:
    log = StateLog([partition])
    first = Entry.first("x", 1, 10, 0).begun(1)
    log.append(first)
    stored = log.append(first.prepared(PLACES, 2), [(REDO_HEADER, b"batches")])
    assert log.undecided_from(0) == stored.offset == 1
    stored.sync()
    assert partition.durable_offset == 2
    assert [headers for _, headers in log.records(0, 1)] == [{REDO_HEADER: b"batches"}]
    log.append(first.prepared(PLACES, 2).completed(3))
    assert log.undecided_from(0) == 3
    assert log.stored(log.get("x")).offset == 2


def test_rewriting_keeps_what_counts(partition) -> None:
    log = StateLog([partition])
    for number in range(5):
        entry = Entry.first(f"id-{number}", number, 10, 0).begun(1)
        log.append(entry)
        if number in (1, 3):
            log.append(entry := entry.prepared(PLACES, 2))
        if number == 3:
            log.append(entry.completed(3))
    before = log.entries()
    undecided = log.undecided_from(0)
    first = log.rewrite(0, dropped=["id-4"])
    partition.set_start_offset(min(first, undecided))
    for other in (log, StateLog([partition])):
        other.refresh()
        assert other.entries() == [e for e in before if e.transactional_id != "id-4"]


def test_a_replica_that_was_overtaken_by_a_checkpoint_goes_on(partition) -> None:
    old, log = StateLog([partition]), StateLog([partition])
    for number in range(20):
        log.append(Entry.first(f"id-{number}", number, 10, 0))
    partition.set_start_offset(log.rewrite(0))
    old.refresh()
    assert old.entries() == log.entries()


def test_unreadable_records_are_passed_over(partition) -> None:
    partition.append_many([b"\0\7", None, b"x"], [b"\0\0\0\1x", b"\0\5", None])
    log = StateLog([partition])
    log.refresh()
    assert log.entries() == []
    log.append(entry := Entry.first("x", 1, 1, 1))
    assert list(log.records(0, 0)) == [(entry, {})]
