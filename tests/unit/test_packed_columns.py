"""Packed columns (data and offsets), and what holds for columns of every kind."""

from __future__ import annotations

import mmap
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from logflume._native.input_columns import Packed
from logflume._native.partition import Partition
from logflume.errors import InvalidRecord, RecordTooLarge
from support.partitions import appended, opened

Strings = list[bytes | None]

SOME: Strings = [b"one", None, b"", b"two" * 10, None, b"\0\xff", b"twelve bytes", b"thirteen byte"]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Partition]:
    with opened(tmp_path) as partition:
        yield partition


# ---- packed


def test_packed(log: Partition) -> None:
    wanted = [v or b"" for v in SOME]
    data = b"".join(wanted)
    ends = np.concatenate([[0], np.cumsum([len(v) for v in wanted])])
    for kind in ("<i4", "<i8", ">i4"):
        packed = Packed(data, ends.astype(kind))
        assert len(packed) == len(wanted)
        assert repr(packed) == "<Packed: 8 values>"
        assert appended(log, packed) == wanted
        assert appended(log, packed[2:5]) == wanted[2:5]
        assert appended(log, packed[5:2]) == appended(log, packed[8:]) == []
        assert appended(log, packed[-3:]) == wanted[-3:]
    assert appended(log, Packed(b"--" + data + b"--", ends + 2)) == wanted
    assert appended(log, Packed(bytearray(data), list(map(int, ends)))) == wanted
    assert appended(log, Packed(memoryview(data), ends), keys=Packed(data, ends)) == wanted
    with mmap.mmap(-1, 4096) as memory:
        memory[:4] = b"abcd"
        assert appended(log, Packed(memory, [0, 1, 4])) == [b"a", b"bcd"]


@pytest.mark.parametrize(
    ("ends", "said"),
    [([0, 3, 2], "do not ascend"), ([-1, 3], "negative"), ([0, 11], "beyond the data"), ([11], "beyond the data")],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["<i4", "<i8"])
def test_packed_offsets_are_checked(log: Partition, ends: list[int], kind: str, said: str) -> None:
    with pytest.raises(InvalidRecord, match=said):
        log.append_many(Packed(b"0123456789", np.array(ends, kind)))
    assert log.end_offset == 0


def test_packed_wants_offsets() -> None:
    for wrong in ([0.0, 1.0], [[0, 1]], np.array([0, 1], "u8"), ["a"], np.int64(3)):
        with pytest.raises(TypeError, match="1-d array of int32 or int64"):
            Packed(b"abc", wrong)
    with pytest.raises(InvalidRecord, match="one more than the values"):
        Packed(b"abc", np.array([], "<i8"))
    with pytest.raises(ValueError, match="step 1"):
        Packed(b"abc", [0, 1, 2])[::2]


# ---- all kinds


def test_a_record_too_large_in_the_middle(log: Partition) -> None:
    sizes = [10, 2_000_000, 10]
    for column in (
        pa.array([b"x" * n for n in sizes], pa.large_binary()),
        pa.array([b"x" * n for n in sizes], pa.binary_view()),
        Packed(b"x" * 2_000_020, [0, 10, 2_000_010, 2_000_020]),
    ):
        with pytest.raises(RecordTooLarge) as caught:
            log.append_many(column)
        assert caught.value.size >= 2_000_000
    with pytest.raises(RecordTooLarge):
        log.append_many(np.zeros(2, "V2000000"))


def test_a_record_larger_than_a_batch_stands_alone(log: Partition) -> None:
    wanted = [b"a", b"b" * 300_000, b"c", b"d" * 900_000, b"e" * 70_000]
    assert appended(log, pa.array(wanted)) == wanted
    assert appended(log, np.zeros((3, 500_000), "u1")) == [bytes(500_000)] * 3


@pytest.mark.parametrize("compression", range(5))
def test_many_are_not_copied_first(tmp_path: Path, compression: int) -> None:
    rows = np.zeros(200_000, dtype=[("i", "<i8"), ("fill", "V42")])
    rows["i"] = np.arange(len(rows))
    column = pa.Array.from_buffers(pa.binary(50), len(rows), [None, pa.py_buffer(rows)])
    with opened(tmp_path, compression=compression) as log:
        tracemalloc.start()
        log.append_many(rows)
        log.append_many(column)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 1 << 20
        batch = log.read_batch(0, 1_000_000, 1 << 40)
        got = batch.values.to_numpy(rows.dtype)
    assert np.array_equal(got[:200_000], rows)
    assert np.array_equal(got[200_000:], rows)
