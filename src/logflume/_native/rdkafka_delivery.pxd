"""A record on its way to a cluster."""

from libc.stdint cimport int32_t, int64_t


cdef enum:
    OPEN
    DONE
    FAILED


cdef class RemoteDelivery:
    cdef object producer            # has wait_for(delivery, timeout) and forget_failure(error)
    cdef str topic
    cdef int32_t partition
    cdef int64_t at, stamp
    cdef int state
    cdef bint given_up              # cancel() was called
    cdef object error
    cdef list callbacks             # (event loop or None, callback, context)

    cdef object outcome(self)
    # Settles it; those who wait in event loops are put into `loops`: {loop: [(callback, context, delivery)]}.
    cdef int settle(self, object error, int32_t partition, int64_t offset, int64_t stamp, dict loops) except -1
