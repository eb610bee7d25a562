"""A stretch of a Python list as a column: pointers and lengths, the objects held meanwhile."""

from cpython.object cimport PyObject
from libc.stdint cimport int64_t

from logflume._native.input_columns cimport lf_in_bytes, lf_in_column


cdef int64_t stamp_of(object given) except? -2


cdef class Gather:
    cdef lf_in_bytes *value_items
    cdef lf_in_bytes *key_items
    cdef int64_t *stamp_items
    cdef PyObject **held
    cdef int64_t n_held
    cdef lf_in_column values, keys
    cdef int64_t *stamps            # NULL: all records are of now

    # Takes plain records (bytes or None, no headers) from `start` on; returns how many, 0 when the first is not plain.
    cdef int64_t take(self, object values, object keys, object timestamps, object headers, int64_t now,
                      int64_t start, int64_t stop, int64_t bytes_max) except -1
    cdef void release(self) noexcept
