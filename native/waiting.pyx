"""Sleeping until a partition has news."""

import time

from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport free, malloc

from logflume import errors

from logflume._native.core cimport LF_OK, lf_state, lf_state_wait_stable
from logflume._native.partition_log cimport PartitionLog

__all__ = ["wait_any"]


def wait_any(list pairs, double timeout, int spin_us=0):
    """Block until one of the (PartitionLog, offset) pairs has end_offset > offset.

    A pair may have a third item: True for last_stable_offset instead. Returns False after `timeout` seconds. Wakes for
    signals. Raises Closed when one is closed meanwhile.
    """
    cdef int n = len(pairs), i, rc
    cdef double deadline, left = timeout
    cdef PartitionLog p
    cdef lf_state **states = <lf_state **>malloc((n + 1) * sizeof(lf_state *))
    cdef int64_t *after = <int64_t *>malloc((n + 1) * sizeof(int64_t))
    cdef uint8_t *stable = <uint8_t *>malloc(n + 1)
    cdef int entered = 0
    if states == NULL or after == NULL or stable == NULL:
        free(states)
        free(after)
        free(stable)
        raise MemoryError
    try:
        deadline = time.monotonic() + timeout
        for i in range(n):
            p = pairs[i][0]
            states[i] = p.enter().state
            entered += 1
            after[i] = pairs[i][1]
            stable[i] = len(pairs[i]) > 2 and bool(pairs[i][2])
        while True:
            with nogil:
                rc = lf_state_wait_stable(states, after, stable, n, left, spin_us)
            if rc == LF_OK:
                return True
            PyErr_CheckSignals()
            for i in range(n):
                if (<PartitionLog>pairs[i][0]).closing:
                    raise errors.Closed(what="the log")
                if (<PartitionLog>pairs[i][0]).is_gone():
                    raise errors.UnknownTopicOrPartition(topic=pairs[i][0].topic, partition=pairs[i][0].partition)
            left = deadline - time.monotonic()
            if not left > 0:    # a NaN too
                return False
    finally:
        for i in range(entered):
            (<PartitionLog>pairs[i][0]).leave()
        free(states)
        free(after)
        free(stable)
