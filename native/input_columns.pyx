"""Columns of byte strings taken in from numpy and Arrow, without a copy.

What each kind of input means:

- numpy, any dtype of a fixed width: an item is its bytes as they lie in memory. Of an array of several dimensions the
  first is the rows: a row is one value. A masked item is null. Object arrays are read as Python sequences. An item of
  `S10` is what numpy says it is, without the NULs that it is padded with; bytes that may end in NUL are of dtype `V10`.
- Arrow, through `__arrow_c_array__` or `__arrow_c_stream__`: binary, string (both also large and view),
  fixed_size_binary, and the integer and floating types (an item is its bytes, little-endian).
- `Packed(data, offsets)`: one buffer and where the values in it end.

Nothing is copied, so the memory must not change before the call that takes it returns.
"""

import sys

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdint cimport INT64_MIN, int32_t, int64_t, uint8_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memset

cimport cython

from logflume import errors

from logflume._native.arrow_abi cimport ArrowArray, ArrowArrayStream, ArrowSchema
from logflume._native.core cimport LF_E_FORMAT

__all__ = ["ByteColumn", "Packed", "held_bytes", "last_only"]


cdef extern from "lf/arrow_import.h" nogil:
    int lf_in_from_arrow(lf_in_column *out, const ArrowSchema *schema, const ArrowArray *array,
                         const char **reason) noexcept
    int lf_in_from_offsets(lf_in_column *out, const uint8_t *data, int64_t size, const void *offsets, int width,
                           int64_t n, const char **reason) noexcept

cdef str ARROW_TYPES = "binary, string, their large and view forms, fixed_size_binary, integers and floats are taken"


@cython.final
cdef class Packed:
    """Byte strings that lie one behind the other: value `i` is `data[offsets[i]:offsets[i + 1]]`.

    Parameters: `data`, bytes-like; `offsets`, a numpy array (or what `numpy.asarray` takes) of int32 or int64
    with one item more than there are values. Neither is copied. Offsets that descend or lead out of the data
    are found when the records are appended, which raises InvalidRecord.
    """

    def __init__(self, data, offsets):
        import numpy
        array = numpy.asarray(offsets)
        if array.ndim != 1 or array.dtype.kind != "i" or array.dtype.itemsize not in (4, 8):
            raise TypeError(f"offsets: a 1-d array of int32 or int64 is needed, not {array.ndim}-d {array.dtype}")
        if not len(array):
            raise errors.InvalidRecord(reason="offsets are one more than the values, there are none")
        self.data = data
        self.offsets = numpy.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))

    @staticmethod
    def joined(parts):
        """Packed: the values of several, one behind the other; copied."""
        import numpy
        datas, ends, size = [], [numpy.zeros(1, dtype=numpy.int64)], 0
        for part in parts:
            offsets = part.offsets
            first, last = int(offsets[0]), int(offsets[-1])
            if not 0 <= first <= last <= len(part.data):
                raise errors.InvalidRecord(reason="offsets lead out of the data")
            datas.append(memoryview(part.data).cast("B")[first:last])
            ends.append(offsets[1:].astype(numpy.int64) + (size - first))
            size += last - first
        return Packed(b"".join(datas), numpy.concatenate(ends))

    def __len__(self):
        return len(self.offsets) - 1

    def __getitem__(self, index):
        """A stretch of the values, over the same memory; `index` is a slice with step 1."""
        start, stop, step = index.indices(len(self))
        if step != 1:
            raise ValueError("packed values are cut with step 1 only")
        return Packed(self.data, self.offsets[start:max(stop, start) + 1])

    def __repr__(self):
        return f"<Packed: {len(self)} values>"


cdef class ByteColumn:
    """Byte strings anywhere in memory: a pointer and a length each, -1 for null. Not changed once made.

    Made by native code: lines of a buffer, a list's bytes. A stretch of one is over the same memory, and keeps it alive.
    """

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        """A stretch of the values, over the same memory; `index` is a slice with step 1."""
        start, stop, step = index.indices(self.count)
        if step != 1:
            raise ValueError("a column is cut with step 1 only")
        return self.stretch(start, max(stop, start))

    cdef ByteColumn stretch(self, int64_t start, int64_t stop):
        cdef ByteColumn out = type(self).__new__(type(self))
        out.items = self.items + start
        out.count = stop - start
        out.owner = self.owner
        return out

    def tolist(self):
        """list[bytes | None]: a copy of each."""
        cdef list out = [None] * self.count
        cdef int64_t i
        for i in range(self.count):
            if self.items[i].length >= 0:
                out[i] = PyBytes_FromStringAndSize(<const char *>self.items[i].at, self.items[i].length)
        return out

    @property
    def nbytes(self):
        """Bytes of all values."""
        cdef int64_t i, total = 0
        for i in range(self.count):
            if self.items[i].length > 0:
                total += self.items[i].length
        return total

    def __repr__(self):
        return f"<{type(self).__name__}: {self.count} values>"


@cython.final
cdef class _Held:
    """Memory of a column's items, and the objects whose bytes they are."""

    def __dealloc__(self):
        free(self.items)


cdef ByteColumn of_items(int64_t count, object keep):
    """A column of nulls, to be filled in by its maker."""
    cdef _Held held = _Held.__new__(_Held)
    cdef ByteColumn out = ByteColumn.__new__(ByteColumn)
    cdef int64_t i
    held.items = <lf_in_bytes *>malloc((count or 1) * sizeof(lf_in_bytes))
    if held.items == NULL:
        raise MemoryError
    for i in range(count):
        held.items[i].at = NULL
        held.items[i].length = -1
    held.keep = keep
    out.items = held.items
    out.count = count
    out.owner = held
    return out


def held_bytes(values):
    """ByteColumn: a sequence of bytes and None as a column over the objects' own memory. TypeError for anything else."""
    cdef tuple kept = tuple(values)
    cdef ByteColumn out = of_items(len(kept), kept)
    cdef lf_in_bytes *items = (<_Held>out.owner).items
    cdef int64_t i
    for i in range(out.count):
        item = kept[i]
        if PyBytes_CheckExact(item):
            items[i].at = <const uint8_t *>PyBytes_AS_STRING(item)
            items[i].length = PyBytes_GET_SIZE(item)
        elif item is not None:
            raise TypeError(f"a column is of bytes and None, not {type(item).__name__}")
    return out


def last_only(int64_t count, bytes value):
    """ByteColumn: `count` values, all null but the last."""
    cdef ByteColumn out = of_items(count, value)
    cdef lf_in_bytes *items = (<_Held>out.owner).items
    if count:
        items[count - 1].at = <const uint8_t *>PyBytes_AS_STRING(value)
        items[count - 1].length = PyBytes_GET_SIZE(value)
    return out


@cython.final
cdef class InputColumn:
    """One or several chunks of byte strings; keeps their owner alive."""

    def __dealloc__(self):
        cdef int32_t i
        free(self.chunks)
        for i in range(self.n_arrays):
            if self.arrays[i].release != NULL:
                self.arrays[i].release(&self.arrays[i])
        free(self.arrays)
        if self.has_buffer:
            PyBuffer_Release(&self.buffer)

    cdef lf_in_column *_chunk(self) except NULL:
        """Room for one more chunk, which the caller fills in."""
        cdef void *more
        if self.n_chunks == self.cap_chunks:
            more = realloc(self.chunks, (2 * self.cap_chunks + 1) * sizeof(lf_in_column))
            if more == NULL:
                raise MemoryError
            self.chunks = <lf_in_column *>more
            self.cap_chunks = 2 * self.cap_chunks + 1
        memset(&self.chunks[self.n_chunks], 0, sizeof(lf_in_column))
        self.n_chunks += 1
        return &self.chunks[self.n_chunks - 1]

    cdef ArrowArray *_array(self) except NULL:
        """Room for one more array, empty, which is released with the column."""
        cdef void *more
        if self.n_arrays == self.cap_arrays:
            # An array may be moved: what points to its inside are its own buffers, not the structure.
            more = realloc(self.arrays, (2 * self.cap_arrays + 1) * sizeof(ArrowArray))
            if more == NULL:
                raise MemoryError
            self.arrays = <ArrowArray *>more
            self.cap_arrays = 2 * self.cap_arrays + 1
        memset(&self.arrays[self.n_arrays], 0, sizeof(ArrowArray))
        self.n_arrays += 1
        return &self.arrays[self.n_arrays - 1]

    cdef int _take_array(self, ArrowSchema *schema, ArrowArray *array) except -1:
        """A chunk over `array`, which is one of self.arrays."""
        cdef const char *reason = b""
        cdef lf_in_column *chunk = self._chunk()
        cdef int rc
        with nogil:
            rc = lf_in_from_arrow(chunk, schema, array, &reason)
        if rc == LF_E_FORMAT:
            raise TypeError(f"an Arrow column of type {_type_name(schema)} holds no byte strings: {ARROW_TYPES}")
        if rc:
            raise errors.InvalidRecord(reason=f"the Arrow column is malformed: {reason.decode()}")
        if chunk.n == 0:
            self.n_chunks -= 1
            return 0
        self.length += chunk.n
        return 0

    cdef list items(self):
        cdef list out = []
        cdef int32_t k
        cdef int64_t i, n
        cdef const uint8_t *p = NULL
        for k in range(self.n_chunks):
            for i in range(self.chunks[k].n):
                n = lf_in_get(&self.chunks[k], i, &p)
                out.append(None if n < 0 else PyBytes_FromStringAndSize(<const char *>p, n))
        return out


cdef str _type_name(ArrowSchema *schema):
    """What a message calls an Arrow type that is not taken, and what to do about it."""
    code = schema.format.decode()
    if schema.dictionary != NULL:
        return "dictionary (decode it first: pyarrow's dictionary_decode(), Polars' cast(pl.String))"
    if code == "+s":
        return "struct (hand in one of its columns, such as table['value'])"
    known = {"b": "bool", "+l": "list", "+L": "list", "+r": "run-end encoded"}
    return known.get(code, f"'{code}'")


cdef int _chunks_of_array(InputColumn out, object source) except -1:
    """Takes over the one array of `__arrow_c_array__`."""
    cdef ArrowSchema *schema
    cdef ArrowArray *array
    cdef ArrowArray *own
    schema_capsule, array_capsule = source.__arrow_c_array__()
    schema = <ArrowSchema *>PyCapsule_GetPointer(schema_capsule, "arrow_schema")
    array = <ArrowArray *>PyCapsule_GetPointer(array_capsule, "arrow_array")
    if schema.release == NULL or array.release == NULL:
        raise errors.InvalidRecord(reason="the Arrow column was released before it came here")
    own = out._array()
    own[0] = array[0]
    array.release = NULL
    return out._take_array(schema, own)


cdef int _stream_error(ArrowArrayStream *stream, int rc) except -1:
    cdef const char *said = stream.get_last_error(stream)
    why = said.decode(errors="replace") if said != NULL else os_strerror(rc)
    raise errors.InvalidRecord(reason=f"the Arrow stream failed: {why}")


cdef str os_strerror(int rc):
    import os
    return os.strerror(rc)


cdef int _chunks_of_stream(InputColumn out, object source) except -1:
    """Takes over every array of `__arrow_c_stream__`."""
    cdef ArrowArrayStream *stream
    cdef ArrowSchema schema
    cdef ArrowArray *own
    cdef int rc
    capsule = source.__arrow_c_stream__()
    stream = <ArrowArrayStream *>PyCapsule_GetPointer(capsule, "arrow_array_stream")
    if stream.release == NULL:
        raise errors.InvalidRecord(reason="the Arrow stream was released before it came here")
    memset(&schema, 0, sizeof(schema))
    with nogil:
        rc = stream.get_schema(stream, &schema)
    if rc:
        _stream_error(stream, rc)
    try:
        while True:
            own = out._array()
            with nogil:
                rc = stream.get_next(stream, own)
            if rc:
                own.release = NULL
                _stream_error(stream, rc)
            if own.release == NULL:
                return 0
            out._take_array(&schema, own)
    finally:
        schema.release(&schema)


cdef InputColumn _from_arrow(object source):
    cdef InputColumn out = InputColumn.__new__(InputColumn)
    if hasattr(source, "__arrow_c_array__"):
        _chunks_of_array(out, source)
    else:
        _chunks_of_stream(out, source)
    return out


cdef InputColumn _from_packed(Packed source):
    cdef InputColumn out = InputColumn.__new__(InputColumn)
    cdef const char *reason = b""
    cdef lf_in_column *chunk
    cdef const void *offsets = <const void *><size_t>source.offsets.ctypes.data
    cdef int width = source.offsets.dtype.itemsize
    cdef int rc
    PyObject_GetBuffer(source.data, &out.buffer, PyBUF_SIMPLE)
    out.has_buffer = True
    out.keep = source
    out.length = len(source)
    chunk = out._chunk()
    with nogil:
        rc = lf_in_from_offsets(chunk, <const uint8_t *>out.buffer.buf, out.buffer.len, offsets, width, out.length,
                                &reason)
    if rc:
        raise errors.InvalidRecord(reason=f"packed values: {reason.decode()}")
    return out


cdef InputColumn _from_bytes(ByteColumn source):
    cdef InputColumn out = InputColumn.__new__(InputColumn)
    cdef lf_in_column *chunk
    out.keep = source
    out.length = source.count
    if source.count:
        chunk = out._chunk()
        chunk.kind = LF_IN_POINTERS
        chunk.n = source.count
        chunk.offsets = source.items
    return out


cdef object _null_rows(object numpy, object mask, str what):
    """One bool a row of a masked array; a row that is masked in part is neither a value nor a null."""
    if mask.dtype.names is not None:
        mask = mask.view(bool).reshape(len(mask), -1)
    if mask.ndim == 1:
        return mask
    flat = mask.reshape(len(mask), -1)
    some = flat.any(axis=1)
    partly = some & ~flat.all(axis=1)
    if partly.any():
        raise errors.InvalidRecord(reason=f"{what}: row {int(numpy.argmax(partly))} is masked in part")
    return some


cdef InputColumn _from_numpy(object array, str what):
    """Each item of the first axis is one value: its bytes as they lie in memory."""
    import numpy
    cdef InputColumn out
    cdef lf_in_column *chunk
    kind = array.dtype.kind
    if kind == "U" or kind == "T":
        raise TypeError(f"{what}: a numpy array of str (dtype {array.dtype}); encode it first, "
                        "for example numpy.char.encode(array, 'utf-8')")
    if array.dtype.hasobject:
        return None
    if array.ndim == 0:
        raise TypeError(f"{what}: a 0-d numpy array has no items")
    validity = None
    if isinstance(array, numpy.ma.MaskedArray):
        if array.mask is not numpy.ma.nomask:
            null = _null_rows(numpy, numpy.ma.getmaskarray(array), what)
            validity = numpy.packbits(~null, bitorder="little")
        array = array.data
    # Rows may lie anywhere and in any order; within a row the bytes must follow each other.
    if array.ndim > 1 and len(array) and not array[0].flags.c_contiguous:
        array = numpy.ascontiguousarray(array)
    out = InputColumn.__new__(InputColumn)
    out.keep = (array, validity)
    out.length = len(array)
    if not out.length:
        return out
    chunk = out._chunk()
    chunk.kind = LF_IN_PADDED if kind == "S" and array.ndim == 1 else LF_IN_FIXED
    chunk.n = out.length
    chunk.data = <const uint8_t *><size_t>array.ctypes.data
    chunk.stride = array.strides[0]
    chunk.width = array[0].nbytes if array.ndim > 1 else array.dtype.itemsize
    if validity is not None:
        chunk.validity = <const uint8_t *><size_t>validity.ctypes.data
    return out


cdef InputColumn as_column(object values, str what="values"):
    if isinstance(values, (list, tuple)):
        return None
    if isinstance(values, (bytes, bytearray, memoryview, str)):
        raise TypeError(f"{what}: a sequence of byte strings is needed, not one {type(values).__name__}")
    if isinstance(values, Packed):
        return _from_packed(values)
    if isinstance(values, ByteColumn):
        return _from_bytes(values)
    # numpy is not imported for this: there is no array before somebody else has imported it.
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(values, numpy.ndarray):
        return _from_numpy(values, what)
    if hasattr(values, "__arrow_c_array__") or hasattr(values, "__arrow_c_stream__"):
        return _from_arrow(values)
    return None


cdef object as_sequence(object values, str what="values"):
    cdef InputColumn column
    if isinstance(values, (list, tuple)):
        return values
    column = as_column(values, what)
    return list(values) if column is None else column.items()


def _whole_ms(given):
    if not hasattr(given, "__index__"):
        raise TypeError(f"a timestamp is an int, milliseconds since 1970, not {type(given).__name__}")
    return given


cdef object as_timestamps(object values):
    import numpy
    array = numpy.asarray(values)
    if array.ndim != 1:
        raise TypeError(f"timestamps: a 1-d array is needed, not {array.ndim}-d")
    if array.dtype.kind == "M":
        array = array.astype("datetime64[ms]").view(numpy.int64)
        if len(array) and array.min() == INT64_MIN:
            row = int(numpy.argmin(array))
            raise errors.InvalidTimestamp(timestamp=INT64_MIN, reason=f"row {row} is NaT, no time")
    elif array.dtype.kind == "O" or not len(array):
        array = numpy.fromiter((_whole_ms(t) for t in array), dtype=numpy.int64, count=len(array))
    elif array.dtype.kind not in "iu" or (array.dtype.kind == "u" and array.max() > numpy.iinfo(numpy.int64).max):
        raise TypeError(f"timestamps: int64 milliseconds or datetime64 are needed, not {array.dtype}")
    return numpy.ascontiguousarray(array, dtype=numpy.int64)
