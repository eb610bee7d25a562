"""What a partition knows of idempotent and transactional producers, and appending in their name."""

from libc.stdint cimport uint8_t

from logflume._native.partition_log cimport PartitionLog


cdef class PartitionTransactions(PartitionLog):
    cdef bytearray _whole_batches(self, data)
    cdef int _validate(self, uint8_t *p, size_t n) except -1
    cdef list _producers(self, bint with_transaction)
