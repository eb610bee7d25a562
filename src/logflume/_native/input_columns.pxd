"""Columns of byte strings taken in from numpy and Arrow, without a copy."""

from libc.stdint cimport int32_t, int64_t, uint8_t


cdef extern from "lf/in_column.h" nogil:
    enum:
        LF_IN_FIXED
        LF_IN_OFFSETS32
        LF_IN_OFFSETS64
        LF_IN_VIEWS
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


cdef class InputColumn:
    cdef lf_in_column *chunks
    cdef int32_t n_chunks
    cdef readonly int64_t length
    cdef object keep                # whatever owns the memory


# None when `values` is a plain Python sequence, which is read item by item.
cdef InputColumn as_column(object values)
