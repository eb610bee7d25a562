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
    cdef int64_t bytes
    cdef int32_t quarter            # that goes next
    cdef uint64_t swaps             # of the log, when it was begun
    cdef int64_t *met               # base offsets + 1 of batches in which something was looked up; NULL at first

    cdef int32_t place(self, int64_t offset) noexcept nogil
    cdef RecordBatch find(self, int64_t offset, int32_t *row)
    cdef int _drop_quarter(self) except -1
    cdef int insert(self, RecordBatch batch, int64_t bytes_max) except -1
    cdef bint meets_again(self, int64_t base_offset) except -1


cdef class Partition(PartitionTransactions):
    cdef LookupCache cache
    cdef public int64_t _lookup_cache_bytes     # that look-ups may keep of batches that had to be unpacked
    cdef PartitionReader spare_reader
    cdef list topics                # this one's, for batches of one record

    cdef RecordBatch locate(self, int64_t offset, int32_t *row)
    cdef RecordBatch _find_alone(self, int64_t offset)
    cdef int32_t _find_some(self, const int64_t *offsets, int32_t n, RecordBatch out) except -1
    cdef RecordBatch _decode_near(self, int64_t offset)
    cdef RecordBatch _first_from(self, int64_t offset)
