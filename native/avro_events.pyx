"""Flume's events out of Avro's bytes, as columns."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.list cimport PyList_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int64_t, uint8_t
from libc.string cimport memcmp

cimport cython

from logflume import errors

from logflume._native.input_columns import Packed

__all__ = ["decode_events"]


cdef extern from "lf/avro_events.h" nogil:
    const uint8_t *lf_avro_block(const uint8_t *p, const uint8_t *end, int64_t *count) noexcept
    const uint8_t *lf_avro_bytes(const uint8_t *p, const uint8_t *end, const uint8_t **at, int64_t *len) noexcept
    const uint8_t *lf_avro_measure(const uint8_t *p, const uint8_t *end, int64_t *events, int64_t *bytes) noexcept
    int lf_avro_fill(const uint8_t *p, const uint8_t *end, uint8_t *bodies, int64_t *offsets,
                     const uint8_t **headers) noexcept

# Every header costs a cell in each event, also in those that lack it: what a peer could make of that has a bound.
cdef int64_t CELLS_MAX = 1 << 24


@cython.final
cdef class HeaderColumn:
    """One header: its values so far, and the bytes of its name and of the value before, which the next often equals."""

    cdef str name
    cdef list values
    cdef const uint8_t *name_at
    cdef const uint8_t *value_at
    cdef int64_t name_len, value_len
    cdef bint same                  # all values so far are one, and no event lacks it


def decode_events(data, int64_t start=0):
    """An Avro `array` of Flume's events that begins at byte `start` of `data`, and must end where `data` ends.

    Returns (bodies, common, columns): a Packed; the headers that all events share; for each other header a list with
    a value (or None) for each event. Raises InvalidRecord when the bytes are no such array: nothing is allocated by
    what they claim before they were walked once.
    """
    cdef Py_buffer view
    cdef const uint8_t *p
    cdef const uint8_t *end
    cdef const uint8_t *done
    cdef const uint8_t **headers
    cdef int64_t n, size
    cdef bint same
    import numpy
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    headers = NULL
    try:
        if start < 0 or start > view.len:
            raise errors.InvalidRecord(reason="the list of events is missing")
        p = <const uint8_t *>view.buf + start
        end = <const uint8_t *>view.buf + view.len
        with nogil:
            done = lf_avro_measure(p, end, &n, &size)
        if done == NULL:
            raise errors.InvalidRecord(reason="the list of events is cut off or malformed")
        if done != end:
            raise errors.InvalidRecord(reason="there are bytes behind the list of events")
        offsets = numpy.empty(n + 1, dtype=numpy.int64)
        bodies = PyBytes_FromStringAndSize(NULL, size)
        headers = <const uint8_t **>PyMem_Malloc((n + 1) * sizeof(void *))
        if headers == NULL:
            raise MemoryError
        same = _fill(p, end, bodies, <int64_t *><size_t>offsets.ctypes.data, headers)
        if n == 0:
            return Packed(bodies, offsets), {}, {}
        common, columns = _headers(headers, 1 if same else n, end)
        return Packed(bodies, offsets), common, columns
    finally:
        PyMem_Free(headers)
        PyBuffer_Release(&view)


cdef bint _fill(const uint8_t *p, const uint8_t *end, bytes bodies, int64_t *at, const uint8_t **headers):
    cdef uint8_t *into = <uint8_t *>PyBytes_AS_STRING(bodies)
    cdef bint same
    with nogil:
        same = lf_avro_fill(p, end, into, at, headers)
    return same


cdef tuple _headers(const uint8_t **headers, int64_t n, const uint8_t *end):
    """What the maps hold. They were measured, so that no step below can leave the buffer."""
    cdef list columns = []
    cdef dict by_name = {}
    cdef HeaderColumn column
    cdef const uint8_t *p
    cdef const uint8_t *name_at
    cdef const uint8_t *value_at
    cdef int64_t i, k, count, name_len, value_len
    for i in range(n):
        p = headers[i]
        k = 0
        while True:
            p = lf_avro_block(p, end, &count)
            if count == 0:
                break
            while count > 0:
                count -= 1
                p = lf_avro_bytes(p, end, &name_at, &name_len)
                p = lf_avro_bytes(p, end, &value_at, &value_len)
                column = _column(columns, by_name, k, name_at, name_len, n)
                k += 1
                _add(column, i, value_at, value_len)
    return _settled(columns, n)


cdef HeaderColumn _column(list columns, dict by_name, int64_t k, const uint8_t *name_at, int64_t name_len, int64_t n):
    """The column of a name. Maps of one sender have their entries in one order, so the k-th is looked at first."""
    cdef HeaderColumn column
    if k < PyList_GET_SIZE(columns):
        column = <HeaderColumn>columns[k]
        if column.name_len == name_len and memcmp(column.name_at, name_at, name_len) == 0:
            return column
    name = _text(name_at, name_len)
    found = by_name.get(name)
    if found is not None:
        return <HeaderColumn>found
    if (PyList_GET_SIZE(columns) + 1) * n > CELLS_MAX:
        raise errors.InvalidRecord(reason=f"{n} events have more than {PyList_GET_SIZE(columns)} different headers")
    column = HeaderColumn.__new__(HeaderColumn)
    column.name, column.values, column.same = name, [], True
    column.name_at, column.name_len = name_at, name_len
    by_name[name] = column
    columns.append(column)
    return column


cdef int _add(HeaderColumn column, int64_t row, const uint8_t *value_at, int64_t value_len) except -1:
    cdef int64_t filled = PyList_GET_SIZE(column.values)
    cdef bint again = (filled > 0 and column.value_len == value_len
                       and memcmp(column.value_at, value_at, value_len) == 0)
    if filled < row:
        column.same = False
        column.values.extend([None] * (row - filled))
        again = False
    elif filled > row:              # the name twice in one map: the later value holds
        column.values.pop()
        again = False
        column.same = column.same and row == 0
    if again and column.values[filled - 1] is not None:
        column.values.append(column.values[filled - 1])
    else:
        column.values.append(_text(value_at, value_len))
        if row:
            column.same = False
    column.value_at, column.value_len = value_at, value_len
    return 0


cdef tuple _settled(list columns, int64_t n):
    cdef HeaderColumn column
    cdef dict common = {}
    cdef dict differing = {}
    for column in columns:
        if PyList_GET_SIZE(column.values) < n:
            column.same = False
            column.values.extend([None] * (n - PyList_GET_SIZE(column.values)))
        if column.same:
            common[column.name] = column.values[0]
        else:
            differing[column.name] = column.values
    return common, differing


cdef str _text(const uint8_t *at, int64_t length):
    return PyUnicode_DecodeUTF8(<const char *>at, length, b"replace")
