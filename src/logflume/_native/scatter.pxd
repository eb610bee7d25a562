"""Keyed records spread over a stage for each partition."""

from libc.stdint cimport int32_t, int64_t

from logflume._native.append_input cimport AppendInput
from logflume._native.input_columns cimport lf_in_column


cdef class Scatter:
    cdef readonly int64_t length
    cdef int64_t at                 # the next record
    cdef int partitioner
    cdef int32_t keyless            # where records without a key go
    cdef int64_t now
    cdef AppendInput given

    # Puts records until a stage is full, whose index is returned; -1 at the end.
    cdef int32_t run(self, list stages) except -2
    cdef int32_t _run_objects(self, list stages) except -2
    cdef int32_t _run_columns(self, list stages, const lf_in_column *values, const lf_in_column *keys, const int64_t *stamps,
                              int64_t first, int64_t stop) except -2
