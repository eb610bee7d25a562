"""Partitions that an event loop waits for."""

from libc.stdint cimport int64_t

from logflume._native.core cimport lf_state
from logflume._native.partition_log cimport PartitionLog


cdef class Watch:
    cdef dict after         # PartitionLog -> offsets that its end, or its last stable offset, has to be above
    cdef lf_state *bell     # rung when what is watched changes
    cdef int64_t rung

    cdef bint _has_news(self, PartitionLog log) except -1
