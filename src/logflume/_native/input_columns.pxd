"""Columns of byte strings taken in from numpy and Arrow, without a copy."""

from cpython.buffer cimport Py_buffer
from libc.stdint cimport int32_t, int64_t, uint8_t

from logflume._native.arrow_abi cimport ArrowArray, ArrowSchema


cdef extern from "lf/in_column.h" nogil:
    enum:
        LF_IN_FIXED
        LF_IN_PADDED
        LF_IN_OFFSETS32
        LF_IN_OFFSETS64
        LF_IN_VIEWS
        LF_IN_POINTERS
    ctypedef struct lf_in_bytes:
        const uint8_t *at
        int64_t length
    ctypedef struct lf_in_column:
        int kind
        int64_t n
        const uint8_t *data
        int64_t stride
        int64_t width
        const void *offsets
        const uint8_t **buffers
        const uint8_t *validity
        int64_t first_bit
    int64_t lf_in_get(const lf_in_column *c, int64_t i, const uint8_t **p) noexcept


cdef class Packed:
    cdef readonly object data
    cdef readonly object offsets


cdef class ByteColumn:
    cdef const lf_in_bytes *items
    cdef int64_t count
    cdef object owner               # keeps the items, and what they point to

    cdef ByteColumn stretch(self, int64_t start, int64_t stop)


cdef class _Held:
    cdef lf_in_bytes *items
    cdef object keep


cdef class InputColumn:
    cdef lf_in_column *chunks
    cdef int32_t n_chunks, cap_chunks
    cdef readonly int64_t length
    cdef object keep                # whatever owns the memory
    cdef ArrowArray *arrays         # taken over, one a chunk; NULL when the memory is not Arrow's
    cdef int32_t n_arrays, cap_arrays
    cdef Py_buffer buffer           # of a Packed's data
    cdef bint has_buffer

    cdef lf_in_column *_chunk(self) except NULL
    cdef ArrowArray *_array(self) except NULL
    cdef int _take_array(self, ArrowSchema *schema, ArrowArray *array) except -1
    cdef list items(self)           # bytes or None, each a copy


# None when `values` is a plain Python sequence, which is read item by item.
cdef InputColumn as_column(object values, str what=*)
# A list or tuple of bytes-likes and None: `values` itself where it is one.
cdef object as_sequence(object values, str what=*)
# A contiguous numpy int64 array of milliseconds.
cdef object as_timestamps(object values)
