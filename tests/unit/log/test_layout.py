"""Names of files and directories: Kafka's, one to one, and none that leaves its place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logflume.errors import InvalidTopicName
from logflume.log.layout import (
    PartitionDirectory,
    SegmentFile,
    deleted_directory_name,
    parse_partition_directory,
    parse_segment_file,
    partition_directory_name,
    safe_file_name,
    segment_file_name,
)

TOPICS = st.text("abXY09._-", min_size=1, max_size=249).filter(lambda t: t not in (".", ".."))
SUFFIXES = st.sampled_from([".log", ".index", ".timeindex", ".txnindex", ".snapshot"])


@given(
    st.integers(0, (1 << 63) - 1), SUFFIXES, st.sampled_from(["", ".deleted", ".cleaned", ".swap"])
)
def test_segment_names_come_back(base_offset: int, suffix: str, mark: str) -> None:
    name = segment_file_name(base_offset, suffix)
    assert len(name) == 20 + len(suffix)
    assert parse_segment_file(name + mark) == SegmentFile(base_offset, suffix, mark)


@pytest.mark.parametrize(
    "name",
    ["", "0.log", "00000000000000000000", "00000000000000000000.txt", "0000000000000000000x.log"]
    + [
        "99999999999999999999.log",
        "00000000000000000000.log.bak",
        "000000000000000000000.log",
        "\u0660" * 20 + ".log",
    ],
)
def test_other_names_are_no_segments(name: str) -> None:
    assert parse_segment_file(name) is None


@pytest.mark.parametrize("base_offset", [-1, 1 << 63])
def test_impossible_base_offsets(base_offset: int) -> None:
    with pytest.raises(ValueError, match="63-bit"):
        segment_file_name(base_offset)


@given(TOPICS, st.integers(0, 9999))
def test_partition_directories_come_back(topic: str, partition: int) -> None:
    name = partition_directory_name(topic, partition)
    # "a.b-delete" and the like end as marked directories do; their partition number saves them.
    assert parse_partition_directory(name) == PartitionDirectory(topic, partition)


@given(TOPICS, st.integers(0, 9999))
def test_deleted_directories_fit_a_file_name_and_are_recognised(topic: str, partition: int) -> None:
    name = deleted_directory_name(topic, partition, "0123456789abcdef" * 2)
    assert len(name) <= 255
    parsed = parse_partition_directory(name)
    cut = topic[: 255 - len(f"-{partition}.") - 32 - len("-delete")]
    if cut not in (".", ".."):
        assert parsed == PartitionDirectory(cut, partition, "delete")


@pytest.mark.parametrize(
    ("name", "parsed"),
    [
        ("clicks-0", ("clicks", 0, "")),
        ("a-b.c_d-12", ("a-b.c_d", 12, "")),
        ("t-delete-3", ("t-delete", 3, "")),
        ("__consumer_offsets-49", ("__consumer_offsets", 49, "")),
        ("a.b-1.0af-delete", ("a.b", 1, "delete")),
        ("t-1.0af-future", ("t", 1, "future")),
        ("t-1.0af-stray", ("t", 1, "stray")),
        ("clicks", None),
        ("-0", None),
        ("clicks-", None),
        ("clicks-x", None),
        ("clicks-00", None),
        ("clicks-+1", None),
        ("clicks--1", ("clicks-", 1, "")),
        ("clicks-99999999999", None),
        ("t-delete", None),
        ("t-0-delete", None),
        ("t-0.-delete", None),
        ("t.x-delete", None),
        ("..-0", None),
        ("a b-0", None),
        ("lost+found", None),
        (".git", None),
        ("", None),
    ],
)
def test_directory_names(name: str, parsed: tuple[str, int, str] | None) -> None:
    assert parse_partition_directory(name) == parsed


@given(st.text(max_size=300))
def test_any_directory_name_is_parsed_or_none(name: str) -> None:
    parsed = parse_partition_directory(name)
    if parsed is not None and not parsed.mark:
        assert partition_directory_name(parsed.topic, parsed.partition) == name


@pytest.mark.parametrize("topic", ["../etc", "a/b", "..", ""])
def test_no_path_tricks(topic: str) -> None:
    with pytest.raises(InvalidTopicName):
        partition_directory_name(topic, 0)
    with pytest.raises(InvalidTopicName):
        deleted_directory_name(topic, 0, "0af")


def test_impossible_directories() -> None:
    with pytest.raises(ValueError, match="negative"):
        partition_directory_name("t", -1)
    with pytest.raises(ValueError, match="hexadecimal"):
        deleted_directory_name("t", 0, "../x")


@given(st.text(), st.text())
def test_safe_file_names_are_one_to_one_and_stay_in_their_directory(text: str, other: str) -> None:
    name = safe_file_name(text)
    assert "/" not in name
    assert not name.startswith(".")
    assert name.isascii()
    assert name.isprintable()
    assert len(name) <= 200
    assert (name == safe_file_name(other)) == (text == other)


def test_safe_file_names_stay_readable() -> None:
    assert safe_file_name("billing-2.eu") == "billing-2.eu"
    assert safe_file_name("../a b") == "%2E.%2Fa%20b"
    long, longer = safe_file_name("g" * 201), safe_file_name("g" * 202)
    assert len(long) == len(longer) == 200
    assert long != longer
    assert safe_file_name(long) != long
