"""Sleeping until one of many partitions has news, for all event loops of a process in one thread."""

from libc.stdint cimport int64_t

from logflume._native.core cimport lf_state


cdef class NewsWait:
    cdef readonly object loop, tell
    cdef list logs, after           # PartitionLogs, and the offset to wait for in each
    cdef list stable                # bools: by the last stable offset
    cdef bint is_armed


cdef class News:
    cdef set waits
    cdef lf_state *bell             # no partition's: its end is how often it was rung
    cdef int64_t rung

    cdef int _ring(self) except -1
    cdef bint _has_news(self, NewsWait wait) except -1
