"""Fetching from several partitions, and iterating records one by one."""

from libc.stdint cimport int32_t, int64_t

from logflume._native.columns cimport Record, RecordBatch
from logflume._native.transactions cimport TransactionPage


cdef class Fetcher:
    cdef list readers
    cdef Py_ssize_t start           # the reader that is asked first: all get their turn
    cdef object failure             # met behind good records; raised by the next fetch
    cdef TransactionPage page       # None: of readers with read_committed each partition counts for itself

    cdef bint _take_limits(self) except -1
    cdef RecordBatch fetch_batch(self, int32_t max_records, int64_t max_bytes)


cdef class RecordIterator:
    cdef object refill              # () -> RecordBatch, or None to end
    cdef RecordBatch batch
    cdef int32_t row, end, part, part_end

    cdef int load(self, RecordBatch batch) except -1
    cdef Record take(self)
