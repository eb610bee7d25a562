"""Consumers of a topic that is deleted and made again: another topic, in which their old positions mean nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import logflume
from logflume import errors
from logflume.client.consumer import Consumer
from logflume.client.log import Log


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    with logflume.open(tmp_path) as log:
        log.create_topic("t", partitions=2)
        fill(log, b"old", 5)
        yield log


@pytest.fixture
def other(tmp_path: Path, log: Log) -> Iterator[Log]:
    """Another process's handle, as far as the consumer can tell."""
    with logflume.open(tmp_path) as other:
        yield other


def fill(log: Log, value: bytes, count: int) -> None:
    for partition in log["t"]:
        partition.append_many([value] * count)


def remake(log: Log, count: int = 3, partitions: int = 2) -> None:
    log.delete_topic("t")
    log.create_topic("t", partitions=partitions)
    fill(log, b"new", count)


def drain(consumer: Consumer, count: int) -> list[bytes | None]:
    """What comes until there are `count`; UnknownTopicOrPartition, while it lasts, is passed over."""
    found: list[bytes | None] = []
    deadline = time.monotonic() + 60
    while len(found) < count and time.monotonic() < deadline:
        try:
            found += [record.value for record in consumer.poll(0.1)]
        except errors.UnknownTopicOrPartition:
            continue
    return found


@pytest.mark.parametrize("group", [None, "g"])
@pytest.mark.parametrize("isolation_level", ["read_uncommitted", "read_committed"])
@pytest.mark.parametrize("count", [3, 9])
def test_the_new_topic_is_read_from_its_start(
    log: Log, other: Log, group: str | None, isolation_level: str, count: int
) -> None:
    """Also where it is longer by now than the old one was."""
    with log.consumer(
        "t", group=group, auto_offset_reset="earliest", isolation_level=isolation_level
    ) as consumer:
        assert drain(consumer, 10) == [b"old"] * 10
        remake(other, count)
        assert drain(consumer, 2 * count) == [b"new"] * 2 * count


def test_assigned_partitions_too(log: Log, other: Log) -> None:
    with log.consumer(auto_offset_reset="earliest") as consumer:
        consumer.assign([("t", 0)])
        assert drain(consumer, 5) == [b"old"] * 5
        remake(other)
        assert consumer.poll(0) != []
        assert consumer.position("t", 0) == 3


def test_latest_begins_at_the_new_end(log: Log, other: Log) -> None:
    with log.consumer("t", auto_offset_reset="latest") as consumer:
        assert consumer.poll(0) == []
        remake(other)
        assert consumer.poll(0) == []
        fill(other, b"newer", 1)
        assert drain(consumer, 2) == [b"newer"] * 2


def test_without_a_policy_it_is_said(log: Log, other: Log) -> None:
    with log.consumer(group="g", auto_offset_reset="none") as consumer:
        consumer.commit({("t", 0): 0})
        consumer.assign([("t", 0)])
        assert drain(consumer, 5) == [b"old"] * 5
        remake(other)
        for _ in range(2):
            with pytest.raises(errors.NoOffsetForPartition):
                consumer.poll(0)


def test_while_it_is_not_there_that_is_said(log: Log, other: Log) -> None:
    with log.consumer("t", auto_offset_reset="earliest") as consumer:
        assert drain(consumer, 10) == [b"old"] * 10
        other.delete_topic("t")
        for _ in range(3):
            with pytest.raises(errors.UnknownTopicOrPartition):
                consumer.poll(0)
        other.create_topic("t")
        fill(other, b"new", 3)
        assert drain(consumer, 3) == [b"new"] * 3


def test_fewer_partitions_are_a_smaller_assignment(log: Log, other: Log) -> None:
    with log.consumer("t", auto_offset_reset="earliest") as consumer:
        assert drain(consumer, 10) == [b"old"] * 10
        remake(other, partitions=1)
        assert drain(consumer, 3) == [b"new"] * 3
        assert consumer.assignment() == {("t", 0)}


def test_a_position_of_the_old_topic_is_not_committed_for_the_new(log: Log, other: Log) -> None:
    with log.consumer("t", group="g", auto_offset_reset="earliest") as consumer:
        assert drain(consumer, 10) == [b"old"] * 10
        remake(other, 9)
        with pytest.raises(errors.UnknownTopicOrPartition):
            consumer.commit()
    with log.consumer("t", group="g", auto_offset_reset="earliest") as consumer:
        assert consumer.committed("t", 0) is None
        assert drain(consumer, 18) == [b"new"] * 18


@pytest.mark.parametrize("auto", [True, False])
def test_a_group_without_its_topic_goes_on(log: Log, other: Log, auto: bool) -> None:
    """Its member gives the partitions up, though it can commit no position for them."""
    log.create_topic("u")
    with log.consumer(
        ["t", "u"], group="g", auto_offset_reset="earliest", enable_auto_commit=auto
    ) as consumer:
        assert drain(consumer, 10) == [b"old"] * 10
        other.delete_topic("t")
        deadline = time.monotonic() + 60
        while consumer.assignment() != {("u", 0)} and time.monotonic() < deadline:
            drain(consumer, 0)
            try:
                consumer.poll(0.05)
            except errors.UnknownTopicOrPartition:
                continue
        assert consumer.assignment() == {("u", 0)}
        other["u"][0].append(b"u")
        assert drain(consumer, 1) == [b"u"]
        other.create_topic("t", partitions=2)
        fill(other, b"new", 3)
        assert drain(consumer, 6) == [b"new"] * 6
