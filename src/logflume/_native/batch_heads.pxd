"""Which batches of a partition belong to transactions."""

from logflume._native.core cimport lf_cursor
from logflume._native.partition_log cimport PartitionLog


cdef class BatchHeads:
    cdef PartitionLog log
    cdef lf_cursor cursor
    cdef int generation
