"""Names of topics and groups: Kafka's rules, and that no name can leave its directory."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logflume.config import check_group, check_partitions, check_topic, collides
from logflume.config.names import PARTITIONS_MAX, TOPIC_LENGTH_MAX
from logflume.errors import InvalidGroup, InvalidPartitions, InvalidTopicName

ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"


@pytest.mark.parametrize("topic", ["a", "A.b_c-9", "...", "-", "__consumer_offsets", "x" * 249])
def test_names_kafka_takes(topic: str) -> None:
    assert check_topic(topic) == topic


@pytest.mark.parametrize(
    "topic",
    [
        "",
        ".",
        "..",
        "x" * 250,
        "a/b",
        "../a",
        "a\\b",
        "a b",
        "a\n",
        "a\0b",
        "größe",
        "a:b",
        "a,b",
        b"a",
        None,
        5,
    ],
)
def test_names_kafka_refuses(topic: object) -> None:
    with pytest.raises(InvalidTopicName):
        check_topic(topic)  # type: ignore[arg-type]


@given(st.one_of(st.text(max_size=260), st.text(ALPHABET, max_size=260)))
def test_a_name_that_passes_makes_one_entry_of_its_directory(topic: str) -> None:
    allowed = 0 < len(topic) <= 249 and set(topic) <= set(ALPHABET) and topic not in (".", "..")
    if not allowed:
        with pytest.raises(InvalidTopicName):
            check_topic(topic)
        return
    entry = f"{check_topic(topic)}-{PARTITIONS_MAX - 1}"
    assert os.path.dirname(os.path.normpath(os.path.join("/data", entry))) == "/data"
    assert len(entry.encode()) <= 255


def test_collisions_of_dot_and_underscore() -> None:
    assert collides("a.b", "a_b")
    assert not collides("a.b", "a-b")
    assert check_topic("a.b", existing=["a.b", "c"]) == "a.b"
    with pytest.raises(InvalidTopicName, match="collides with 'a_b'"):
        check_topic("a.b", existing=["c", "a_b"])
    assert TOPIC_LENGTH_MAX == 249


@pytest.mark.parametrize("partitions", [0, -1, PARTITIONS_MAX + 1, 1.0, "4", True, None])
def test_partitions_refused(partitions: object) -> None:
    with pytest.raises(InvalidPartitions):
        check_partitions("t", partitions)  # type: ignore[arg-type]


def test_partitions_taken() -> None:
    assert check_partitions("t", 1) == 1
    assert check_partitions("t", PARTITIONS_MAX) == PARTITIONS_MAX


@pytest.mark.parametrize("group", ["billing", "a/b", "../x", "größe 9", ".", "x" * 32767])
def test_groups_taken(group: str) -> None:
    assert check_group(group) == group


@pytest.mark.parametrize(
    "group", ["", " ", "a\nb", "a\0", "\x1b[2J", "x" * 32768, "ö" * 20000, b"a", None, "\ud800"]
)
def test_groups_refused(group: object) -> None:
    with pytest.raises(InvalidGroup):
        check_group(group)  # type: ignore[arg-type]
