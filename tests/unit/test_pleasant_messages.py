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


def test_what_is_no_topic_and_no_partition_is_said(log: Log) -> None:
    anything: Any = log
    for given, kind in ((b"t", "bytes"), (5, "int"), (None, "NoneType")):
        words = f"a topic is a str, not {kind}"
        assert said(lambda given=given: anything[given]) == words
        assert said(lambda given=given: anything.consumer([given])) == words
        assert said(lambda given=given: anything.producer().send(given, b"v")) == words
    assert said(lambda: anything.consumer(b"t")) == "a topic is a str, not bytes"
    assert said(lambda: anything.consumer(5)) == "a topic is a str, not int"
    assert (
        said(lambda: anything.partition("t", None))
        == "a partition's number is an int, not NoneType"
    )
    assert said(lambda: anything.partition("t", "0")) == "a partition's number is an int, not str"


def test_what_is_no_mapping_is_said(log: Log) -> None:
    anything: Any = log
    for given in ([("retention.ms", 5)], "retention.ms=5"):
        assert said(lambda given=given: anything.create_topic("u", config=given)).startswith(
            "options are a mapping of names to values, not "
        )
    with anything.consumer("t", group="g") as consumer:
        consumer.poll()
        assert said(lambda: consumer.commit("t")) == (
            "a mapping {(topic, number): offset} is needed, not 't'"
        )
        assert said(lambda: consumer.offsets_for_times(None)) == (
            "a mapping {(topic, number): timestamp} is needed, not None"
        )
        words = "of t-0 is no whole number"
        for given in (None, "5", 1.5):
            assert words in said(lambda given=given: consumer.commit({("t", 0): given}))
            assert words in said(lambda given=given: consumer.seek(("t", 0), given or "x"))


def test_a_path_that_cannot_be_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert said(lambda: logflume.open("")) == "path='': a directory is needed; this one is '.'"
    (tmp_path / "file").touch()
    for path, reason in (
        ("file", "is not a directory"),
        ("file/data", "Not a directory"),
        ("x" * 300, "too long"),
    ):
        with pytest.raises(errors.StorageError) as caught:
            logflume.open(path)
        assert reason in str(caught.value)
        assert path in str(caught.value)
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_looking_at_things_raises_nothing_and_shows_what_they_are(tmp_path: Path) -> None:
    with logflume.open(tmp_path / "data") as log:
        topic = log.create_topic("t")
        things = [topic, log.transactions, log["t"][0].reader(), iter(log.consumer("t"))]
        for thing in things:
            assert " at 0x" not in repr(thing)
        log.delete_topic("t")
        assert repr(topic) == "<Topic t>"
    for thing in (log, *things):
        assert repr(thing)
