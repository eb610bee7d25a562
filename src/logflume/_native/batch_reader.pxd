"""Whole batches of a partition, in order, as they lie in the segments."""

from libc.stdint cimport int64_t, uint8_t

from logflume._native.core cimport lf_batch, lf_cursor, lf_log
from logflume._native.partition_log cimport PartitionLog


cdef class RawBatches:
    cdef object hold                # keeps `at` valid
    cdef const uint8_t *at
    cdef readonly int64_t size, batch_count, record_count, base_offset, end_offset


cdef class BatchReader:
    cdef readonly PartitionLog log
    cdef lf_cursor cursor
    cdef bint check_crcs
    cdef int generation
    cdef object hold                # SegmentHold of the segment at hand

    cdef bint _peek(self, lf_log *log, lf_batch *b) except -1
    cdef object _holding(self)
