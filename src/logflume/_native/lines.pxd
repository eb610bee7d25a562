"""Lines of a buffer, and values as text."""

from cpython.buffer cimport Py_buffer
from libc.stdint cimport int64_t, uint8_t

from logflume._native.input_columns cimport ByteColumn, lf_in_bytes, lf_in_column


cdef extern from "lf/lines.h" nogil:
    ctypedef struct lf_lines:
        lf_in_bytes *items
        int64_t *ends
        int64_t n, cap
    int lf_lines_split(lf_lines *out, const uint8_t *data, int64_t size, bint last, int64_t whole_max,
                       int64_t piece_max) noexcept
    void lf_lines_free(lf_lines *lines) noexcept
    int64_t lf_lines_cut(const int64_t *ends, int64_t n, int64_t at, int64_t most) noexcept
    const uint8_t *lf_lines_as_they_lie(const lf_in_bytes *items, const int64_t *ends, int64_t n, const uint8_t *data,
                                        int64_t *size) noexcept
    int64_t lf_joined_size(const lf_in_column *c, int64_t end_len) noexcept
    uint8_t *lf_join(uint8_t *to, const lf_in_column *c, const uint8_t *end, int64_t end_len) noexcept


cdef class _Block:
    cdef lf_lines lines
    cdef Py_buffer buffer
    cdef bint has_buffer


cdef class Lines(ByteColumn):
    cdef const int64_t *ends
