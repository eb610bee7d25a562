"""What somebody meets who tries things at a prompt: each message names the thing, and says what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import logflume
from logflume import errors
from logflume.client.log import Log


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    with logflume.open(tmp_path) as log:
        log.create_topic("t", partitions=2)
        yield log


def said(call: Callable[[], Any]) -> str:
    with pytest.raises((errors.LogflumeError, TypeError)) as caught:
        call()
    return str(caught.value)


def test_what_no_value_can_be_is_named_by_its_type(log: Log) -> None:
    producer: Any = log.producer()
    for given, words in (("text", "not str: encode it first"), (5, "not int"), ({}, "not dict")):
        assert said(lambda given=given: producer.send("t", given)) == (
            f"a value is bytes-like or None, {words}"
        )
        assert said(lambda given=given: producer.send("t", b"v", key=given)) == (
            f"a key is bytes-like or None, {words}"
        )


def test_a_wrong_header_is_named_as_it_was_given(log: Log) -> None:
    producer: Any = log.producer()
    for given, kind in (("b", "str"), (5, "int")):
        assert said(lambda given=given: producer.send("t", b"v", headers={"a": given})) == (
            f"invalid record: header 'a': the value is bytes or None, not {kind}"
        )


def test_a_partition_that_is_not_there_is_no_unknown_topic(log: Log) -> None:
    assert said(lambda: log["t"][9]) == "no partition 9 in topic 't'"
    assert said(lambda: log["u"]) == "unknown topic 'u'"


def test_a_consumer_says_what_it_reads(log: Log) -> None:
    with log.consumer("t") as consumer:
        for call in (lambda: consumer.position("t", 7), lambda: consumer.seek("t", 7, 1)):
            with pytest.raises(errors.PartitionNotAssigned):
                call()
            assert said(call) == "t-7 is not assigned to this consumer, which reads t-0, t-1"
    with log.consumer("t", group="g") as consumer:
        assert "come with the first poll" in said(lambda: consumer.position("t", 0))


def test_acks_says_all_that_it_can_be(log: Log) -> None:
    for given in (2, -2, "two", 0.5, True):
        assert "must be 0, 1 or all" in said(lambda given=given: log.producer(acks=given))


def test_a_producer_without_transactions_says_how_to_get_them(log: Log) -> None:
    with log.producer() as producer:
        assert said(producer.transaction) == ("make the producer with transactional_id= for that")


def test_what_is_closed_says_so(log: Log) -> None:
    producer, consumer = log.producer(), log.consumer("t")
    assert not repr(producer).endswith(", closed>")
    producer.close()
    consumer.close()
    assert repr(producer).endswith(", closed>")
    assert repr(consumer).endswith(", closed>")


def test_a_large_record_does_not_fill_the_screen(log: Log) -> None:
    partition = log.partition("t", 0)
    partition.append(b"x" * 1_000_000, key=b"k" * 200)
    shown = repr(partition.read(0))
    assert len(shown) < 700
    assert f"key={b'k' * 200!r}, value={b'x' * 200!r}... (1000000 bytes), headers=[]" in shown
