"""Checkpoint files: Kafka's form byte for byte, and every kind of damage named by path and line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logflume.errors import CorruptRecord, StorageError, UnsupportedFormat
from logflume.log.checkpoints import (
    EpochStart,
    read_epochs,
    read_offsets,
    write_epochs,
    write_offsets,
)
from logflume.types import TopicPartition

# As Kafka 4.3.1 wrote them.
KAFKA_OFFSETS = b"0\n4\nclicks 1 0\na.b_c 1 0\nclicks 0 1\na.b_c 0 0\n"
KAFKA_EPOCHS = b"0\n1\n0 0\n"

TOPICS = st.text("abcXYZ019._-", min_size=1, max_size=20)
OFFSETS = st.integers(min_value=0, max_value=(1 << 63) - 1)


def test_kafkas_offsets_are_read(tmp_path: Path) -> None:
    path = tmp_path / "recovery-point-offset-checkpoint"
    path.write_bytes(KAFKA_OFFSETS)
    expected = {("clicks", 1): 0, ("a.b_c", 1): 0, ("clicks", 0): 1, ("a.b_c", 0): 0}
    assert read_offsets(str(path)) == expected


def test_kafkas_epochs_are_read_and_written_the_same(tmp_path: Path) -> None:
    path = tmp_path / "leader-epoch-checkpoint"
    path.write_bytes(KAFKA_EPOCHS)
    assert read_epochs(str(path)) == [EpochStart(0, 0)]
    write_epochs(str(path), [EpochStart(0, 0)])
    assert path.read_bytes() == KAFKA_EPOCHS


def test_offsets_are_written_sorted_in_kafkas_form(tmp_path: Path) -> None:
    path = tmp_path / "c"
    write_offsets(str(path), {TopicPartition("t", 10): 5, TopicPartition("t", 2): 7})
    assert path.read_bytes() == b"0\n2\nt 2 7\nt 10 5\n"
    assert [p.name for p in tmp_path.iterdir()] == ["c"]


@pytest.mark.parametrize("content", [None, b"", b"0\n0\n", b"0\n0"])
def test_no_file_an_empty_one_and_no_entries_are_the_same(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "c"
    if content is not None:
        path.write_bytes(content)
    assert read_offsets(str(path)) == {}
    assert read_epochs(str(path)) == []


@given(st.dictionaries(st.builds(TopicPartition, TOPICS, st.integers(0, 9999)), OFFSETS))
def test_offsets_come_back(tmp_path_factory: pytest.TempPathFactory, offsets) -> None:
    path = str(tmp_path_factory.getbasetemp() / "offsets")
    write_offsets(path, offsets)
    assert read_offsets(path) == offsets


@given(st.lists(OFFSETS, max_size=6), st.integers(0, 1000))
def test_epochs_come_back(tmp_path_factory: pytest.TempPathFactory, starts, first) -> None:
    path = str(tmp_path_factory.getbasetemp() / "epochs")
    entries = [EpochStart(first + i, start) for i, start in enumerate(sorted(starts))]
    write_epochs(path, entries)
    assert read_epochs(path) == entries


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"\n", 1),
        (b"x\n0\n", 1),
        (b"-1\n0\n", 1),
        (b"0", 2),
        (b"0\nmany\n", 2),
        (b"0\n2\nt 0 1\n", 2),
        (b"0\n1\nt 0 1\nt 1 1\n", 2),
        (b"0\n1\nt 0\n", 3),
        (b"0\n1\nt 0 1 2\n", 3),
        (b"0\n2\nt 0 1\n\n", 4),
        (b"0\n1\nt -1 1\n", 3),
        (b"0\n1\nt 0 -1\n", 3),
        (b"0\n1\nt 0 9223372036854775808\n", 3),
        (b"0\n1\nt 0 " + b"9" * 5000 + b"\n", 3),
        (b"0\n2\nt 0 1\nt 0 2\n", 4),
        (b"0\n1\n\xff 0 1\n", 3),
        (b"\0" * 64, 1),
    ],
)
def test_damage_is_named_by_path_and_line(tmp_path: Path, content: bytes, line: int) -> None:
    path = tmp_path / "c"
    path.write_bytes(content)
    with pytest.raises(CorruptRecord) as caught:
        read_offsets(str(path))
    assert (caught.value.path, caught.value.position) == (str(path), line)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("content", "line"),
    [(b"0\n1\n0\n", 3), (b"0\n2\n1 0\n1 5\n", 4), (b"0\n2\n0 9\n1 5\n", 4), (b"0\n1\na 0\n", 3)],
)
def test_epochs_out_of_order_are_damage(tmp_path: Path, content: bytes, line: int) -> None:
    path = tmp_path / "c"
    path.write_bytes(content)
    with pytest.raises(CorruptRecord) as caught:
        read_epochs(str(path))
    assert caught.value.position == line


def test_newer_version_is_unsupported(tmp_path: Path) -> None:
    path = tmp_path / "c"
    path.write_bytes(b"1\n0\n")
    with pytest.raises(UnsupportedFormat, match="version 1"):
        read_offsets(str(path))


@given(st.binary(max_size=80))
def test_any_bytes_give_entries_or_a_typed_error(
    tmp_path_factory: pytest.TempPathFactory, content
) -> None:
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(content)
    for read in (read_offsets, read_epochs):
        try:
            read(str(path))
        except StorageError as error:
            assert error.path == str(path)  # noqa: PT017 - the other outcome is fine too


def test_nothing_is_written_that_could_not_be_read(tmp_path: Path) -> None:
    path = str(tmp_path / "c")
    for topic, partition, offset in (
        ("", 0, 0),
        ("a b", 0, 0),
        ("t", -1, 0),
        ("t", 0, -1),
        ("t", 0, 1 << 63),
    ):
        with pytest.raises(ValueError, match="no checkpoint entry"):
            write_offsets(path, {TopicPartition(topic, partition): offset})
    for epochs in ([(1, 0), (0, 5)], [(0, 5), (1, 4)], [(-1, 0)]):
        with pytest.raises(ValueError, match="epochs"):
            write_epochs(path, [EpochStart(*pair) for pair in epochs])
    assert not list(tmp_path.iterdir())
