"""A partition with look-ups: what users and the upper layers hold."""

from libc.stdint cimport int32_t, int64_t, uint64_t

from logflume._native.columns cimport Record, RecordBatch
from logflume._native.partition_reader cimport PartitionReader
from logflume._native.partition_transactions cimport PartitionTransactions


cdef class LookupCache:
    cdef list batches               # RecordBatch, by first offset; they do not overlap
    cdef int64_t *firsts
    cdef int64_t *lasts
    cdef int32_t n, cap
    cdef int64_t rows
    cdef uint64_t swaps             # of the log, when it was begun
    cdef int64_t *met               # base offsets + 1 of batches in which something was looked up; NULL at first

    cdef int32_t place(self, int64_t offset) noexcept nogil
    cdef RecordBatch find(self, int64_t offset, int32_t *row)
    cdef int insert(self, RecordBatch batch) except -1
    cdef bint meets_again(self, int64_t base_offset) except -1


cdef class Partition(PartitionTransactions):
    cdef LookupCache cache
    cdef PartitionReader spare_reader

    cdef RecordBatch locate(self, int64_t offset, int32_t *row)
    cdef RecordBatch _decode_near(self, int64_t offset)
    cdef RecordBatch _first_from(self, int64_t offset)
