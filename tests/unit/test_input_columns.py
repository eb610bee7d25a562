"""Columns that callers hand in: numpy, Arrow, packed; read right, or refused with a reason, never a crash."""

from __future__ import annotations

import ctypes
import gc
import struct
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from logflume._native.partition import Partition
from logflume.errors import InvalidRecord
from support.partitions import appended, opened

Strings = list[bytes | None]

SOME: Strings = [b"one", None, b"", b"two" * 10, None, b"\0\xff", b"twelve bytes", b"thirteen byte"]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Partition]:
    with opened(tmp_path) as partition:
        yield partition


# ---- numpy


@pytest.mark.parametrize(
    "dtype",
    ["<i8", ">i2", "u1", "?", "<f4", "<f2", "<c16", "M8[ns]", "V5", "V7", [("a", "<i4"), ("b", "S3")], ("<i2", 3)],
)  # fmt: skip
def test_an_item_is_its_bytes(log: Partition, dtype: Any) -> None:
    array = np.empty(100, dtype=dtype)
    raw = np.random.default_rng(1).integers(0, 2, array.nbytes, dtype=np.uint8)
    array.view(np.uint8).reshape(-1)[:] = raw
    size = array.nbytes // 100
    wanted = [raw[i * size : (i + 1) * size].tobytes() for i in range(100)]
    assert appended(log, array) == wanted


def test_strings_are_what_numpy_says_they_are(log: Partition) -> None:
    array = np.array([b"ab", b"abcd", b"", b"a\0b"] * 100, dtype="S4")
    for strings in (array, array[::-3], np.ma.array(array, mask=np.arange(400) % 5 == 0)):
        assert appended(log, strings) == strings.tolist()
        assert appended(log, [b"v"] * len(strings), keys=strings) == [b"v"] * len(strings)
        keys = log.read_batch(log.end_offset - len(strings), 10_000).keys
        assert keys.tolist() == strings.tolist()
    words = np.array(["ä", "bcd"])
    assert appended(log, np.char.encode(words, "utf-8")) == ["ä".encode(), b"bcd"]


def test_raw_bytes_keep_their_nuls(log: Partition) -> None:
    array = np.array([b"ab", b"abcd", b""], dtype="S4").view("V4")
    assert appended(log, array) == [b"ab\0\0", b"abcd", b"\0\0\0\0"]


def test_what_lies_apart_in_memory_is_a_value_too(log: Partition) -> None:
    apart = memoryview(b"a-b-c")[::2]
    assert appended(log, [apart, b"x", apart], keys=[b"k", apart, apart]) == [b"abc", b"x", b"abc"]
    assert log.read_batch(0).keys.tolist() == [b"k", b"abc", b"abc"]
    assert log.read(log.append(apart, key=apart)).key == b"abc"


@pytest.mark.parametrize(
    "cut",
    [
        np.s_[::-1],
        np.s_[::3],
        np.s_[50:10:-7],
        np.s_[::-1, ::2],
        np.s_[:, 3:7],
        np.s_[:, ::-1],
        np.s_[:, 0],
        np.s_[5:5],
        np.s_[:, :0],
    ],
    ids=str,
)
def test_rows_and_strides(log: Partition, cut: Any) -> None:
    array = np.arange(100 * 8, dtype=np.uint8).reshape(100, 8)[cut]
    assert appended(log, array) == [row.tobytes() for row in array]


def test_more_dimensions_and_other_orders(log: Partition) -> None:
    cube = np.arange(4 * 3 * 5, dtype="<i2").reshape(4, 3, 5)
    for array in (cube, np.asfortranarray(cube), cube.transpose(2, 0, 1), cube[:, ::-1]):
        assert appended(log, array) == [row.tobytes() for row in array]
    with pytest.raises(TypeError, match="0-d"):
        log.append_many(np.array(3))


def test_broadcast_and_mapped_arrays(log: Partition, tmp_path: Path) -> None:
    assert appended(log, np.broadcast_to(np.void(b"same"), 5)) == [b"same"] * 5
    path = tmp_path / "values"
    path.write_bytes(b"".join(b"%04d" % i for i in range(100)))
    mapped = np.memmap(path, dtype="V4", mode="r")
    assert appended(log, mapped) == [b"%04d" % i for i in range(100)]


def test_masked_items_are_null(log: Partition) -> None:
    array = np.ma.array(np.arange(20, dtype="<i4"), mask=[i % 3 == 0 for i in range(20)])
    wanted = [None if i % 3 == 0 else struct.pack("<i", i) for i in range(20)]
    assert appended(log, array) == wanted
    assert appended(log, array[::-2]) == wanted[::-2]
    assert appended(log, np.ma.array([1, 2], dtype="<i2")) == [b"\1\0", b"\2\0"]
    rows = np.ma.array([[1, 2], [3, 4]], dtype="u1", mask=[[True, True], [False, False]])
    assert appended(log, rows) == [None, b"\3\4"]
    records = np.ma.array([(1, 2), (3, 4)], dtype="u1,u1", mask=[(0, 0), (1, 1)])
    assert appended(log, records) == [b"\1\2", None]
    rows.mask[0, 1] = False
    with pytest.raises(InvalidRecord, match="row 0 is masked in part"):
        log.append_many(rows)


def test_object_arrays_are_sequences(log: Partition) -> None:
    assert appended(log, np.array([b"a", None, bytearray(b"bc")], dtype=object)) == [
        b"a",
        None,
        b"bc",
    ]
    with pytest.raises(TypeError, match="not str"):
        log.append_many(np.array(["a"], dtype=object))


def test_text_is_not_guessed_at(log: Partition) -> None:
    with pytest.raises(TypeError, match="encode it first"):
        log.append_many(np.array(["a", "b"]))
    with pytest.raises(TypeError, match="encode it first"):
        log.append_many(np.array(["a", "b"], dtype=np.dtypes.StringDType()))
    for one in (b"one", bytearray(b"one"), memoryview(b"one"), "one"):
        with pytest.raises(TypeError, match="a sequence of byte strings is needed, not one"):
            log.append_many(one)
    assert log.end_offset == 0


def test_keys_are_a_column_too(log: Partition) -> None:
    values = np.arange(1000, dtype="<i8")
    keys = pa.array([None if i % 7 == 0 else b"k%d" % i for i in range(1000)], pa.binary_view())
    log.append_many(values, keys=keys, timestamps=values + 5)
    batch = log.read_batch(0)
    assert np.array_equal(batch.values.to_numpy("<i8"), values)
    assert batch.keys.tolist() == keys.to_pylist()
    assert np.array_equal(batch.timestamps, values + 5)
    for column in ("keys", "timestamps"):
        with pytest.raises(ValueError, match=f"999 {column} for 1000 values"):
            log.append_many(values, **{column: values[:-1]})


# ---- Arrow

ARROW: dict[str, Callable[[Strings], Any]] = {
    "binary": lambda v: pa.array(v, pa.binary()),
    "large_binary": lambda v: pa.array(v, pa.large_binary()),
    "binary_view": lambda v: pa.array(v, pa.binary_view()),
    "polars": lambda v: pl.Series("v", v, pl.Binary),
}
TEXT: dict[str, Callable[[list[str | None]], Any]] = {
    "string": lambda v: pa.array(v, pa.string()),
    "large_string": lambda v: pa.array(v, pa.large_string()),
    "string_view": lambda v: pa.array(v, pa.string_view()),
    "polars": lambda v: pl.Series("v", v, pl.String),
}


@pytest.mark.parametrize("kind", ARROW)
@given(
    values=st.lists(st.none() | st.binary(max_size=20) | st.binary(min_size=200, max_size=400), max_size=40),
    cuts=st.lists(st.integers(0, 40), max_size=3),
)  # fmt: skip
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_arrow_strings(kind: str, values: Strings, cuts: list[int], tmp_path_factory: Any) -> None:
    """Whole, and as several chunks that are slices, so with offsets into their buffers and validity bits."""
    whole = ARROW[kind](values)
    cuts = sorted({0, len(values), *(cut for cut in cuts if cut < len(values))})
    chunks = [whole[a:b] for a, b in pairwise(cuts)]
    with opened(tmp_path_factory.mktemp("arrow")) as log:
        assert appended(log, whole) == values
        if kind == "polars":
            parts = pl.concat(chunks, rechunk=False) if chunks else whole
        else:
            parts = pa.chunked_array(chunks, whole.type)
        got = appended(log, parts, batch_bytes=500)
        assert got == values
        for chunk in chunks:
            assert appended(log, chunk) == list(chunk.to_pylist() if kind != "polars" else chunk)
        log.append_many(whole, keys=parts)
        assert log.read_batch(log.end_offset - len(values)).keys == values if values else True


@pytest.mark.parametrize("kind", TEXT)
def test_arrow_text_is_its_utf8(log: Partition, kind: str) -> None:
    text = ["ä", None, "", "日本語" * 10, "twelve bytes"]
    assert appended(log, TEXT[kind](text)) == [None if t is None else t.encode() for t in text]


@pytest.mark.parametrize(
    "dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64"]
)  # fmt: skip
def test_arrow_numbers_are_their_bytes(log: Partition, dtype: str) -> None:
    numbers = np.arange(50).astype(dtype)
    array = pa.array(numbers, mask=numbers % 4 == 1)
    wanted = [None if n % 4 == 1 else n.tobytes() for n in numbers]
    assert appended(log, array) == wanted
    assert appended(log, array[13:40]) == wanted[13:40]


def test_arrow_fixed_size_and_null(log: Partition) -> None:
    array = pa.array([b"abc", None, b"def", b"ghi"], pa.binary(3))
    assert appended(log, array) == [b"abc", None, b"def", b"ghi"]
    assert appended(log, array[1:3]) == [None, b"def"]
    assert appended(log, pa.array([b""] * 3, pa.binary(0))) == [b""] * 3
    assert appended(log, pa.nulls(4)) == [None] * 4


def test_values_of_one_log_into_another(log: Partition, tmp_path: Path) -> None:
    log.append_many(SOME, keys=SOME[::-1])
    log.append_many([b"x" * 50] * 1000, keys=[None] * 1000)
    batch = log.read_batch(0, 10_000, 1 << 30)
    with opened(tmp_path / "other", compression=4) as other:
        other.append_many(batch.values, keys=batch.keys, timestamps=batch.timestamps)
        copy = other.read_batch(0, 10_000, 1 << 30)
    assert copy.values == batch.values
    assert copy.keys == batch.keys
    assert np.array_equal(copy.timestamps, batch.timestamps)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (pa.array([b"a", b"b"]).dictionary_encode(), "decode it first"),
        (pl.Series(["a", "b"], dtype=pl.Categorical), "decode it first"),
        (pa.array([True, False]), "bool"),
        (pa.array([[b"a"]]), "list"),
        (pa.table({"value": [b"a"]}), "hand in one of its columns"),
        (pl.DataFrame({"value": [b"a"]}), "hand in one of its columns"),
        (pa.array([1], pa.decimal128(5)), "'d:"),
        (pa.array([1], pa.timestamp("ms")), "'tsm:'"),
    ],
    ids=lambda x: x if isinstance(x, str) else type(x).__name__,
)
def test_other_arrow_types_are_refused_by_name(log: Partition, array: Any, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        log.append_many(array)
    assert log.end_offset == 0


def test_a_views_place_under_a_null_means_nothing(log: Partition) -> None:
    items = struct.pack("<i4sii", 3, b"abc\0", 0, 0) + struct.pack("<i4sii", -7, b"zzzz", 99, -99)
    array = pa.Array.from_buffers(pa.binary_view(), 2, [pa.py_buffer(b"\1"), pa.py_buffer(items)])
    assert appended(log, array) == [b"abc", None]


class Handmade:
    """An Arrow array of fields that pyarrow would not let through, and what became of it."""

    class Schema(ctypes.Structure):
        _fields_ = [
            ("format", ctypes.c_char_p), ("name", ctypes.c_char_p), ("metadata", ctypes.c_char_p),
            ("flags", ctypes.c_int64), ("n_children", ctypes.c_int64), ("children", ctypes.c_void_p),
            ("dictionary", ctypes.c_void_p), ("release", ctypes.c_void_p), ("private_data", ctypes.c_void_p),
        ]  # fmt: skip

    class Array(ctypes.Structure):
        _fields_ = [
            ("length", ctypes.c_int64), ("null_count", ctypes.c_int64), ("offset", ctypes.c_int64),
            ("n_buffers", ctypes.c_int64), ("n_children", ctypes.c_int64), ("buffers", ctypes.c_void_p),
            ("children", ctypes.c_void_p), ("dictionary", ctypes.c_void_p), ("release", ctypes.c_void_p),
            ("private_data", ctypes.c_void_p),
        ]  # fmt: skip

    def __init__(self, format: bytes, buffers: list[bytes | None], /, **fields: int) -> None:
        self.released: list[str] = []
        self.kept = [None if b is None else ctypes.create_string_buffer(b, len(b)) for b in buffers]
        addresses = [None if b is None else ctypes.addressof(b) for b in self.kept]
        self.buffers = (ctypes.c_void_p * len(addresses))(*addresses)
        self.on_release = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(self.release)
        release = ctypes.cast(self.on_release, ctypes.c_void_p).value
        self.schema = self.Schema(format=format, release=release)
        values = {
            "n_buffers": len(addresses),
            "buffers": ctypes.addressof(self.buffers),
            "release": release,
        }
        self.array = self.Array(**(values | fields))

    def release(self, address: int) -> None:
        for kind in (self.Schema, self.Array):
            if address == ctypes.addressof(getattr(self, kind.__name__.lower())):
                break
        else:
            kind = self.Array  # moved: the consumer's own copy
        kind.from_address(address).release = None
        self.released.append(kind.__name__)

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        new = ctypes.pythonapi.PyCapsule_New
        new.restype = ctypes.py_object
        new.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
        return (
            new(ctypes.addressof(self.schema), b"arrow_schema", None),
            new(ctypes.addressof(self.array), b"arrow_array", None),
        )


def ends(*ends: int, width: str = "<i4") -> bytes:
    return np.array(ends, width).tobytes()


def views(*items: tuple[int, bytes, int, int]) -> list[bytes | None]:
    """Buffers of views of (length, prefix, buffer, position) as they are; buffer 0 has 100 bytes."""
    packed = b"".join(struct.pack("<i4sii", *item) for item in items)
    return [None, packed, b"0123456789" * 10, struct.pack("<q", 100)]


DATA = b"0123456789"
MALFORMED: dict[str, tuple[bytes, list[bytes | None], int, str]] = {
    "descending": (b"z", [None, ends(0, 5, 3, 6), DATA], 3, "do not ascend"),
    "negative": (b"u", [None, ends(-4, 5, 6), DATA], 2, "negative"),
    "descending 64": (b"Z", [None, ends(0, 5, 3, width="<i8"), DATA], 2, "do not ascend"),
    "negative 64": (b"U", [None, ends(-1 << 62, 5, width="<i8"), DATA], 1, "negative"),
    "no offsets": (b"z", [None, None, DATA], 2, "offsets are missing"),
    "no data": (b"z", [None, ends(0, 3), None], 1, "data is missing"),
    "view behind its buffer": (b"vz", views((20, b"0123", 0, 81)), 1, "leads out"),
    "view before its buffer": (b"vu", views((20, b"0123", 0, -1)), 1, "leads out"),
    "view far behind": (b"vz", views((0x7FFFFFFF, b"0123", 0, 0x7FFFFFFF)), 1, "leads out"),
    "no such buffer": (b"vz", views((20, b"0123", 1, 0)), 1, "leads out"),
    "negative buffer": (b"vz", views((20, b"0123", -1, 0)), 1, "leads out"),
    "negative length": (b"vz", views((5, b"0123", 0, 0), (-1, b"", 0, 0)), 2, "negative length"),
    "no fixed data": (b"l", [None, None], 2, "data is missing"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_arrow_is_an_error(log: Partition, name: str) -> None:
    code, buffers, n, said = MALFORMED[name]
    with pytest.raises(InvalidRecord, match=said):
        log.append_many(Handmade(code, buffers, length=n))
    with pytest.raises(InvalidRecord, match=said):
        log.append_many(np.zeros(n, "V3"), keys=Handmade(code, buffers, length=n))
    assert log.end_offset == 0


@pytest.mark.parametrize("format", [b"z", b"Z", b"vz"])
def test_what_is_not_aligned_is_refused(log: Partition, format: bytes) -> None:
    column = Handmade(format, [None, bytes(64), DATA, struct.pack("<q", 10)], length=1)
    column.buffers[1] += 1
    with pytest.raises(InvalidRecord, match="not aligned"):
        log.append_many(column)


ENDS = struct.pack("<iii", 0, 1, 2)


@pytest.mark.parametrize(
    ("format", "buffers", "fields", "said"),
    [
        (b"z", [None, ENDS, b"ab"], {"length": -1}, "impossible"),
        (b"z", [None, ENDS, b"ab"], {"length": 2, "offset": -1}, "impossible"),
        (b"z", [None, ENDS, b"ab"], {"length": 1 << 62}, "impossible"),
        (b"z", [None, ENDS, b"ab"], {"length": 2, "offset": (1 << 63) - 1}, "impossible"),
        (b"w:1073741824", [None, b"ab"], {"length": 1 << 40}, "impossible"),
        (b"z", [None, ENDS], {"length": 2}, "buffers are missing"),
        (b"z", [None, ENDS, b"ab"], {"length": 2, "buffers": 0}, "buffers are missing"),
        (b"i", [None], {"length": 2}, "buffers are missing"),
        (b"vz", [None, b"\0" * 32], {"length": 2}, "no buffer of sizes"),
        (b"vz", [None, None, b""], {"length": 2}, "views or their sizes are missing"),
        (
            b"vz",
            [None, b"\0" * 32, b"data", None],
            {"length": 2},
            "views or their sizes are missing",
        ),
        (b"z", [None, ENDS, b"ab"], {"length": 2, "null_count": 1}, "no validity bits"),
        (b"z", [None, ENDS, b"ab"], {"length": 2, "release": 0}, "released before"),
    ],
)
def test_impossible_structures_are_errors(
    log: Partition, format: bytes, buffers: list[bytes | None], fields: dict[str, int], said: str
) -> None:
    column = Handmade(format, buffers, **fields)
    with pytest.raises(InvalidRecord, match=said):
        log.append_many(column)
    gc.collect()
    assert column.released == ([] if "release" in fields else ["Array"])
    assert log.end_offset == 0


@pytest.mark.parametrize("format", [b"w:", b"w:-1", b"w:3x", b"", b"zz", b"vx", b"w"])
def test_formats_nobody_knows_are_refused(log: Partition, format: bytes) -> None:
    with pytest.raises(TypeError, match="holds no byte strings"):
        log.append_many(Handmade(format, [None, ENDS, b"ab"], length=2))


def test_an_array_is_taken_over_and_released_once(log: Partition) -> None:
    column = Handmade(b"z", [None, ENDS, b"ab"], length=2)
    assert appended(log, column) == [b"a", b"b"]
    assert column.released == ["Array"]
    assert not column.array.release, "moved out of its capsule"


def test_a_stream_that_fails_is_an_error(log: Partition) -> None:
    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch({"v": [b"a"]})
        raise RuntimeError("the source broke off")

    class Column:
        def __init__(self) -> None:
            schema = pa.schema([("v", pa.binary())])
            self.reader = pa.RecordBatchReader.from_batches(schema, batches())
            next(iter(self.reader))

        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            return self.reader.__arrow_c_stream__(requested_schema)

    with pytest.raises(InvalidRecord, match="the source broke off"):
        log.append_many(Column())
    assert log.end_offset == 0


def test_lies_about_the_interface_are_errors(log: Partition) -> None:
    class Liar:
        def __arrow_c_array__(self, requested_schema: object = None) -> object:
            return ("no", "capsules")

    class Breaks:
        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            raise RuntimeError("cannot")

    with pytest.raises(ValueError, match="PyCapsule"):
        log.append_many(Liar())
    with pytest.raises(RuntimeError, match="cannot"):
        log.append_many(Breaks())


@pytest.mark.parametrize(
    "stamps", [pa.array(["1"]), pa.array([b"1"]), np.array([None]), pa.array([None])]
)
def test_what_is_no_time_is_said(log: Partition, stamps: Any) -> None:
    with pytest.raises(TypeError, match="a timestamp is an int, milliseconds since 1970, not"):
        log.append_many(np.array([1]), timestamps=stamps)
    assert log.end_offset == 0
