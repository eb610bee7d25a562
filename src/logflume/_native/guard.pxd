"""One thread at a time, as Kafka's consumer has it."""


cdef class Guard:
    cdef str what
    cdef unsigned long owner        # id of the thread that is inside, 0 when none is
    cdef int depth                  # written by that thread only

    cdef bint take(self) noexcept
    cpdef release(self)
