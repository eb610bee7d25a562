"""One thread at a time, as Kafka's consumer has it: a second one is told so instead of corrupting positions.

Natively, because it stands around every call of a consumer: a poll that finds nothing would spend half its time here.
"""

import time

cimport cython

from logflume import errors

__all__ = ["Guard"]

cdef extern from "Python.h":
    unsigned long PyThread_get_thread_ident() noexcept

cdef extern from *:
    """
    /* A thread's id is never 0. */
    static inline int lf_guard_take(unsigned long *owner, unsigned long me) {
        unsigned long none = 0;
        return __atomic_compare_exchange_n(owner, &none, me, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
    }
    static inline unsigned long lf_guard_owner(unsigned long *owner) { return __atomic_load_n(owner, __ATOMIC_RELAXED); }
    static inline void lf_guard_free(unsigned long *owner) { __atomic_store_n(owner, 0, __ATOMIC_RELEASE); }
    """
    bint lf_guard_take(unsigned long *owner, unsigned long me) noexcept
    unsigned long lf_guard_owner(unsigned long *owner) noexcept
    void lf_guard_free(unsigned long *owner) noexcept

cdef double LOOK_AGAIN_S = 0.0005


@cython.final
cdef class Guard:
    """Context manager around every call of a consumer. Re-entrant, for rebalance listeners that call back.

    `what` it guards, for the ConcurrentAccess that a second thread gets.
    """

    def __init__(self, str what not None):
        self.what = what

    cdef bint take(self) noexcept:
        cdef unsigned long me = PyThread_get_thread_ident()
        if lf_guard_owner(&self.owner) != me and not lf_guard_take(&self.owner, me):
            return False
        self.depth += 1
        return True

    def __enter__(self):
        if not self.take():
            raise errors.ConcurrentAccess(what=self.what)

    def __exit__(self, kind, error, trace):
        self.release()

    def wait(self, double seconds):
        """Wait for the other thread to leave, and enter; False when it does not."""
        cdef double deadline = time.monotonic() + seconds
        while not self.take():
            if time.monotonic() >= deadline:
                return False
            time.sleep(LOOK_AGAIN_S)
        return True

    cpdef release(self):
        """Leave, also after wait()."""
        self.depth -= 1
        if not self.depth:
            lf_guard_free(&self.owner)
