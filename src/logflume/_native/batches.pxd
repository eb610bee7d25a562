"""Record batches in any buffer, one after the other: for tools and tests."""

from libc.stdint cimport int64_t, uint8_t

from logflume._native.core cimport lf_batch, lf_heap


cdef class _Buffer:
    cdef Py_buffer view
    cdef bint held


cdef class Batch:
    cdef lf_batch b
    cdef object owner               # keeps `b.at` valid
    cdef str path
    cdef readonly bint crc_ok

    cdef int _failed(self, int status, const char *reason, int64_t limit) except -1
    cdef lf_heap *_unpack(self, size_t *n, int64_t limit) except NULL


cdef class BatchScan:
    cdef _Buffer buffer
    cdef readonly str path
    cdef int64_t at                 # in the buffer
    cdef int64_t origin             # of the buffer in its file
    cdef readonly int64_t missing   # bytes that a cut-off batch lacks at least, as far as its header tells
    cdef readonly int64_t zeroes    # that the scan ended before

    cdef int _refuse(self, int status, const uint8_t *p, int64_t left, const char *reason) except -1
