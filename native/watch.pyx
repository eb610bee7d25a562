"""Partitions that an event loop waits for, watched by one thread for each `WATCH_MAX` of them.

What is armed stays armed over any number of short waits, so that idle long polls cost the threads nothing. News
disarms a partition; whoever still waits for it arms it again.
"""

from libc.stdint cimport int64_t
from libc.stdlib cimport free
from libc.string cimport memset

cimport cython

from logflume import errors

from logflume._native.core cimport lf_state, lf_state_stable, lf_state_wait

__all__ = ["WATCH_MAX", "Watch"]

cdef extern from "lf/state.h" nogil:
    enum:
        LF_STATE_BYTES
    void lf_state_publish(lf_state *st, int64_t end_offset) noexcept

cdef extern from "stdlib.h" nogil:
    void *aligned_alloc(size_t alignment, size_t size) noexcept

cdef enum:
    SLOTS = 128         # what the kernel waits for at once (futex_waitv), the bell among them

WATCH_MAX = SLOTS - 1
"""Partitions that one Watch takes."""


@cython.final
cdef class Watch:
    """At most WATCH_MAX partitions. The GIL guards it; its thread has it only between two sleeps."""

    def __cinit__(self):
        self.after = {}
        self.bell = <lf_state *>aligned_alloc(64, LF_STATE_BYTES)
        if self.bell == NULL:
            raise MemoryError
        memset(self.bell, 0, LF_STATE_BYTES)

    def __dealloc__(self):
        free(self.bell)

    def __len__(self):
        return len(self.after)

    def __contains__(self, log):
        return log in self.after

    def arm(self, PartitionLog log, int64_t after, int64_t stable):
        """Have `sleep` return `log` when its end is above `after`, or its last stable offset above `stable`.

        False when there is no place for it.
        """
        armed = self.after.get(log)
        if armed is not None and <int64_t>armed[0] <= after and <int64_t>armed[1] <= stable:
            return True
        if armed is None and len(self.after) >= SLOTS - 1:
            return False
        self.after[log] = (after, stable)
        self.ring()
        return True

    def disarm(self, PartitionLog log):
        """Watch it no more."""
        if self.after.pop(log, None) is not None:
            self.ring()

    def ring(self):
        """End the sleep under way."""
        self.rung += 1
        lf_state_publish(self.bell, self.rung)

    def sleep(self, double seconds):
        """Called by the thread: the partitions with news after `seconds` at most, disarmed. Closed ones are news too."""
        cdef lf_state *states[SLOTS]
        cdef int64_t after[SLOTS]
        cdef list entered = [], ready = []
        cdef PartitionLog log
        cdef int n = 1
        states[0] = self.bell
        after[0] = self.rung
        for item, (offset, stable) in self.after.items():
            log = <PartitionLog>item
            try:
                states[n] = log.enter().state
            except errors.LogflumeError:
                ready.append(log)
                continue
            entered.append(log)
            after[n] = offset
            if lf_state_stable(states[n]) > <int64_t>stable:
                ready.append(log)
            n += 1
        try:
            if not ready:
                with nogil:
                    lf_state_wait(states, after, n, seconds, 0)
            for item in entered:
                log = <PartitionLog>item
                if log in self.after and log not in ready and self._has_news(log):
                    ready.append(log)
        finally:
            for item in entered:
                (<PartitionLog>item).leave()
        for item in ready:
            self.after.pop(item, None)
        return ready

    cdef bint _has_news(self, PartitionLog log) except -1:
        after, stable = self.after[log]
        return log.closing or log.log_end() > <int64_t>after or lf_state_stable(log.log.state) > <int64_t>stable
