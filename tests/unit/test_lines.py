"""Lines of a buffer and values as text, beside what plain Python makes of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import logflume
from logflume._native.input_columns import Packed, held_bytes, last_only
from logflume._native.lines import joined, keyed_rows, same_headers, split_lines
from logflume._native.staging import SharedHeaders

TEXT = st.lists(st.sampled_from([b"\n", b"\r", b"\r\n", b"a", b"bc", b"def" * 5])).map(b"".join)


def slow(data: bytes, *, last: bool, piece: int) -> tuple[list[bytes], list[int]]:
    """Lines, and the position behind each; of pieces but the last, where their line begins."""
    lines, ends, at = [], [], 0
    parts = data.split(b"\n")
    for number, part in enumerate(parts):
        whole = number < len(parts) - 1
        if not whole and not (last and part):
            break
        end = at + len(part) + whole
        line = part[:-1] if whole and part.endswith(b"\r") else part
        pieces = [line[i : i + piece] for i in range(0, len(line), piece)] or [b""]
        lines += pieces
        ends += [at] * (len(pieces) - 1) + [end]
        at = end
    return lines, ends


@given(TEXT, st.booleans(), st.integers(1, 20))
def test_lines_are_those_of_a_slow_split(data: bytes, last: bool, piece: int) -> None:
    got = split_lines(data, last=last, whole_max=1 << 30, piece_max=piece)
    lines, ends = slow(data, last=last, piece=piece)
    assert got.tolist() == lines
    assert [got.end(n) for n in range(len(got) + 1)] == [0, *ends]


@given(TEXT, st.integers(1, 5), st.integers(1, 4))
def test_a_cut_never_parts_a_line(data: bytes, piece: int, most: int) -> None:
    got = split_lines(data, last=True, piece_max=piece)
    at = 0
    while at < len(got):
        upto = got.cut(at, most)
        assert at < upto <= len(got)
        # Whole lines end behind where the stretch before them did.
        assert got.end(upto) > got.end(at)
        pieces_of_one = got.end(upto - 1) == got.end(at)
        assert upto - at <= most or pieces_of_one
        at = upto


@given(st.lists(st.binary(max_size=300)), st.sampled_from([b"", b"\n", b"--"]))
def test_values_are_joined(values: list[bytes], end: bytes) -> None:
    expected = b"".join(value + end for value in values)
    assert joined(values, end) == expected
    assert joined(held_bytes(values), end) == expected
    offsets = [0]
    for value in values:
        offsets.append(offsets[-1] + len(value))
    assert joined(Packed(b"".join(values), offsets), end) == expected


@given(TEXT, st.booleans(), st.integers(1, 20), st.data())
def test_lines_are_joined_wherever_they_lie(
    data: bytes, last: bool, piece: int, chosen: st.DataObject
) -> None:
    lines = split_lines(data, last=last, whole_max=1 << 30, piece_max=piece)
    start = chosen.draw(st.integers(0, len(lines)))
    stop = chosen.draw(st.integers(start, len(lines)))
    part = lines[start:stop]
    assert joined(part) == b"".join(line + b"\n" for line in part.tolist())


def test_lines_that_lie_as_they_are_joined_are_not_copied() -> None:
    data = b"a\nbc\n\r\nd\n"
    assert joined(split_lines(data)[:2]).obj is data  # type: ignore[union-attr]
    assert isinstance(joined(split_lines(data)[1:3]), bytes)


def test_what_follows_the_last_newline_counts_when_it_is_long() -> None:
    assert split_lines(b"a\nbcd", whole_max=3).tolist() == [b"a", b"bcd"]
    assert split_lines(b"a\nbcd", whole_max=4).tolist() == [b"a"]


def test_a_stretch_outlives_the_whole() -> None:
    data = bytearray(b"one\ntwo\nthree\n")
    part = split_lines(data)[1:]
    assert part.tolist() == [b"two", b"three"]
    assert part.starts() == [4, 8]
    assert part.end(2) == 14
    with pytest.raises(BufferError):
        data.clear()


def test_shared_headers_and_a_last_key(tmp_path: Path) -> None:
    with logflume.open(tmp_path) as log:
        log.create_topic("t")
        partition = log.partition("t", 0)
        lines = split_lines(b"a\nb\n" + b"x" * 70_000 + b"\n")
        headers = SharedHeaders([("file", b"/x"), ("none", None)], 3)
        partition.append_many(lines, last_only(3, b"k"), headers=headers)
        records = partition.read_batch(0)
        assert [r.value for r in records] == lines.tolist()
        assert [r.key for r in records] == [None, None, b"k"]
        assert {tuple(r.headers) for r in records} == {(("file", b"/x"), ("none", None))}
        assert keyed_rows(records) == [(2, b"k")]
        assert same_headers(records)
        assert joined(records.values) == joined(lines)
        partition.append_many([b"other"], headers=[[("file", b"/y")]])
        partition.append_many([b"plain", None])
        assert not same_headers(partition.read_batch(0))
        assert same_headers(partition.read_batch(4))
        assert joined(partition.read_batch(4).values, b"") == b"plain"


@pytest.mark.parametrize("keyed", [False, True])
def test_a_producer_takes_shared_headers(tmp_path: Path, keyed: bool) -> None:
    with logflume.open(tmp_path) as log:
        log.create_topic("t", partitions=3)
        values = [b"%d" % n for n in range(9000)]
        with log.producer() as producer:
            headers = SharedHeaders([("h", b"1")], len(values))
            producer.send_many("t", values, keys=values if keyed else None, headers=headers)
        with log.consumer("t", auto_offset_reset="earliest") as consumer:
            got = []
            while len(got) < len(values):
                got += consumer.poll(timeout=60, max_records=10_000)
        assert sorted(r.value for r in got) == sorted(values)
        assert all(r.headers == [("h", b"1")] for r in got)
        assert all(r.key == (r.value if keyed else None) for r in got)


def test_shared_headers_must_be_as_many_as_the_records(tmp_path: Path) -> None:
    with logflume.open(tmp_path) as log:
        log.create_topic("t")
        with pytest.raises(ValueError, match="2 headers for 1 values"):
            log.partition("t", 0).append_many([b"a"], headers=SharedHeaders([("h", b"1")], 2))
