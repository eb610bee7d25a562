"""Windows of partitions: the records between two offsets and two times."""

from libc.stdint cimport int64_t

from logflume._native.partition_reader cimport PartitionReader


cdef class WindowReader:
    cdef readonly PartitionReader reader
    cdef int64_t stop_offset, start_ms, stop_ms
    cdef bint timed
