"""Sleeping until one of many partitions has news, for all event loops of a process in one thread.

The thread sleeps in one futex wait on the partitions' shared states and on a bell of its own, which is rung when
the set of those who wait changes. A wake-up calls each event loop concerned once.
"""

from libc.stdint cimport int64_t, uint8_t, uintptr_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

cimport cython

from logflume import errors

from logflume._native.core cimport LF_E_INTERRUPTED, lf_state, lf_state_stable, lf_state_wait_stable
from logflume._native.partition_log cimport PartitionLog
from logflume._native.partition_reader cimport PartitionReader

__all__ = ["News", "NewsWait"]

cdef extern from "lf/state.h" nogil:
    enum:
        LF_STATE_BYTES
    void lf_state_publish(lf_state *st, int64_t end_offset) noexcept

cdef extern from "stdlib.h" nogil:
    void *aligned_alloc(size_t alignment, size_t size) noexcept

# Beyond what the kernel can wait for at once, lf_state_wait naps for 0.5 ms a call; so many naps between two looks
# for partitions that were closed.
cdef int WAIT_MAX = 128
cdef int NAPS = 20


@cython.final
cdef class NewsWait:
    """One that waits: for records at or behind the positions of `readers` (or pairs of a partition and an offset).

    Of readers with read_committed, and of triples that end with True, the last stable offset counts, not the end.

    `tell()` is called in `loop`'s thread when there may be news; it stays armed until then.
    """

    def __init__(self, loop, tell, readers):
        self.loop = loop
        self.tell = tell
        self.logs = []
        self.after = []
        self.stable = []
        for item in readers:
            if isinstance(item, PartitionReader):
                self.logs.append((<PartitionReader>item).log)
                self.after.append((<PartitionReader>item).next)
                self.stable.append((<PartitionReader>item).read_committed)
            else:
                self.logs.append(<PartitionLog?>item[0])
                self.after.append(item[1])
                self.stable.append(len(item) > 2 and bool(item[2]))

    @property
    def armed(self):
        """bool: in a News, and not told yet."""
        return self.is_armed


@cython.final
cdef class News:
    """Who waits, and the thread's loop. The GIL guards it; the thread has it only between two sleeps."""

    def __cinit__(self):
        self.waits = set()
        self.bell = <lf_state *>aligned_alloc(64, LF_STATE_BYTES)
        if self.bell == NULL:
            raise MemoryError
        memset(self.bell, 0, LF_STATE_BYTES)

    def __dealloc__(self):
        free(self.bell)

    def arm(self, NewsWait wait):
        """Have `wait.tell` called when there is news."""
        wait.is_armed = True
        self.waits.add(wait)
        self._ring()

    def disarm(self, NewsWait wait):
        """Wait no more. Its partitions may be closed once the thread was woken by this."""
        if wait.is_armed:
            wait.is_armed = False
            self.waits.discard(wait)
            self._ring()

    cdef int _ring(self) except -1:
        self.rung += 1
        lf_state_publish(self.bell, self.rung)
        return 0

    def sleep(self, double seconds):
        """Called by the thread: returns those with news after `seconds` at most, no longer armed."""
        cdef list watched = list(self.waits), entered = [], ready = []
        cdef lf_state **states = NULL
        cdef int64_t *after = NULL
        cdef uint8_t *stable = NULL
        cdef dict places = {}
        cdef NewsWait wait
        cdef PartitionLog log
        cdef lf_state *state
        cdef Py_ssize_t i, total = 1
        cdef int n = 1, at, naps = 0
        cdef int64_t rung = self.rung
        for wait in watched:
            total += len(wait.logs)
        states = <lf_state **>malloc(total * sizeof(lf_state *))
        after = <int64_t *>malloc(total * sizeof(int64_t))
        stable = <uint8_t *>malloc(total)
        try:
            if states == NULL or after == NULL or stable == NULL:
                raise MemoryError
            states[0] = self.bell
            after[0] = rung
            stable[0] = False
            for wait in watched:
                for i in range(len(wait.logs)):
                    log = <PartitionLog>wait.logs[i]
                    try:
                        state = log.enter().state
                    except errors.Closed:
                        continue        # found below: fetching from it will say so
                    entered.append(log)
                    key = (<uintptr_t>state, wait.stable[i])
                    if key in places:
                        at = places[key]
                        after[at] = min(after[at], <int64_t>wait.after[i])
                    else:
                        places[key] = n
                        states[n] = state
                        after[n] = wait.after[i]
                        stable[n] = wait.stable[i]
                        n += 1
            if len(entered) == total - 1:
                with nogil:
                    while lf_state_wait_stable(states, after, stable, n, seconds, 0) == LF_E_INTERRUPTED and n > WAIT_MAX:
                        naps += 1
                        if naps == NAPS:
                            break
            for wait in watched:
                if wait.is_armed and self._has_news(wait):
                    wait.is_armed = False
                    self.waits.discard(wait)
                    ready.append(wait)
        finally:
            for log in entered:
                log.leave()
            free(states)
            free(after)
            free(stable)
        return ready

    cdef bint _has_news(self, NewsWait wait) except -1:
        cdef Py_ssize_t i
        cdef PartitionLog log
        for i in range(len(wait.logs)):
            log = <PartitionLog>wait.logs[i]
            # What is closed or deleted counts as news too.
            if log.closing or log.log_end() > <int64_t>wait.after[i] and (
                    not wait.stable[i] or log.is_gone() or log.log == NULL
                    or lf_state_stable(log.log.state) > <int64_t>wait.after[i]):
                return True
        return False

    @property
    def idle(self):
        """bool: nobody waits."""
        return not self.waits
