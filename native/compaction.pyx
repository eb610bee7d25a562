"""Compaction of one partition, for Python: one pass a call, without the GIL."""

from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int32_t, int64_t

from logflume import errors
from logflume.types import CompactionPass

from logflume._native.core cimport (
    LF_E_INTERRUPTED,
    LF_E_LOCKED,
    lf_error,
    lf_log,
)
from logflume._native.partition_log cimport PartitionLog

__all__ = ["compact_once", "first_timestamp"]

cdef extern from "lf/compact.h" nogil:
    ctypedef struct lf_compaction:
        int64_t first_dirty, uncleanable, now_ms, delete_retention_ms, producer_expiration_ms, map_bytes, max_decompressed
        int (*tick)(void *) noexcept nogil
        void *tick_arg
        int64_t next_dirty, keys, bytes_read, bytes_removed, records_read, records_removed
        int32_t segments_read, segments_removed
    int lf_compact(lf_log *log, lf_compaction *job, lf_error *e) noexcept
    int lf_compact_first_timestamp(lf_log *log, int64_t offset, int64_t *timestamp, lf_error *e) noexcept


cdef class _Watch:
    """Why a pass should stop: the partition is being closed, or a signal handler raised."""

    cdef PartitionLog log
    cdef object raised


cdef int _look(void *arg) noexcept with gil:
    cdef _Watch watch = <_Watch>arg
    try:
        PyErr_CheckSignals()
    except BaseException as error:  # raised again once the pass has let go of its lock and files
        watch.raised = error
        return 1
    return watch.log.closing


def compact_once(PartitionLog log, *, int64_t first_dirty, int64_t uncleanable, int64_t now_ms, int64_t delete_retention_ms,
                 int64_t map_bytes, int64_t producer_expiration_ms=86_400_000):
    """One pass over a partition's sealed segments below `uncleanable`; a CompactionPass, or None while another is at it.

    `first_dirty`: below it earlier passes have been. `map_bytes`: memory of the key map; when it holds fewer
    keys than there are, the pass ends early and `next_dirty` tells where the next one begins. Times in ms.
    Raises CorruptRecord, UnsupportedFormat, DiskFull, SyncFailed, Closed (the partition was closed meanwhile),
    LockTimeout; then the log holds the records that it held.
    """
    cdef lf_error e
    cdef lf_compaction job
    cdef lf_log *handle
    cdef _Watch watch = _Watch.__new__(_Watch)
    cdef int rc, tries = 0
    watch.log = log
    while True:
        job.first_dirty = first_dirty
        job.uncleanable = uncleanable
        job.now_ms = now_ms
        job.delete_retention_ms = delete_retention_ms
        job.producer_expiration_ms = producer_expiration_ms
        job.map_bytes = map_bytes
        job.max_decompressed = log.max_decompressed_bytes
        job.tick = _look
        job.tick_arg = <void *>watch
        job.keys = job.bytes_read = job.bytes_removed = job.records_read = job.records_removed = 0
        job.segments_read = job.segments_removed = 0
        handle = log.enter()
        with nogil:
            rc = lf_compact(handle, &job, &e)
        log.leave()
        if watch.raised is not None:
            raise watch.raised
        if rc == LF_E_LOCKED:
            return None
        if rc == LF_E_INTERRUPTED and log.closing:
            raise errors.Closed(what=f"{log.topic}-{log.partition}")
        if rc == LF_E_INTERRUPTED and tries < 3:
            tries += 1      # retention took segments away: look at what is left
            continue
        if rc:
            log.raise_error(&e)
        return CompactionPass(next_dirty=job.next_dirty, uncleanable=job.uncleanable, keys=job.keys,
                              bytes_read=job.bytes_read, bytes_removed=job.bytes_removed, records_read=job.records_read,
                              records_removed=job.records_removed, segments_read=job.segments_read,
                              segments_removed=job.segments_removed)


def first_timestamp(PartitionLog log, int64_t offset):
    """Largest timestamp (ms) of the first batch at or behind `offset`; -1 when there is none."""
    cdef lf_error e
    cdef int64_t timestamp = -1
    cdef int rc
    cdef lf_log *handle = log.enter()
    with nogil:
        rc = lf_compact_first_timestamp(handle, offset, &timestamp, &e)
    log.leave()
    if rc:
        log.raise_error(&e)
    return timestamp
