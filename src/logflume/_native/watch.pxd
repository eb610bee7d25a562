"""Partitions that an event loop waits for."""

from libc.stdint cimport int64_t

from logflume._native.core cimport lf_state


cdef class Watch:
    cdef dict after         # PartitionLog -> the offset that its end has to be above
    cdef lf_state *bell     # rung when what is watched changes
    cdef int64_t rung
