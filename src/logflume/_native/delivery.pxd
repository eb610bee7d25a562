"""What send() returns: a record on its way, for threads that wait and for event loops."""

from libc.stdint cimport int32_t, int64_t

from logflume._native.accumulator cimport PendingBatch


cdef class Delivery:
    cdef PendingBatch batch
    cdef int32_t index
    cdef bint given_up              # cancel() was called
    cdef int64_t stamp

    cdef object outcome(self)
    cdef object failure(self)
