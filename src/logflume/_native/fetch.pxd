"""Fetch requests: parsed, read from the segments' maps, and answered with views of them."""

from libc.stdint cimport int16_t, int32_t, int64_t, int8_t

from logflume._native.core cimport lf_aborted, lf_error, lf_fetch_place, lf_fetch_slice, lf_segment
from logflume._native.frames cimport Frame
from logflume._native.partition_log cimport PartitionLog
from logflume._native.wire cimport lf_wire


cdef class _SegmentHold:
    cdef lf_segment *segment


cdef class FetchPart:
    cdef readonly object topic
    cdef readonly int32_t index
    cdef readonly int64_t offset        # first wanted
    cdef int64_t max_bytes
    cdef int32_t client_epoch           # that the client believes in; -1: none
    cdef public PartitionLog log        # None: not known
    cdef public int16_t error
    cdef public int32_t leader_epoch
    cdef lf_fetch_place place

    # What was read last.
    cdef lf_fetch_slice slice
    cdef bint committed                 # transactions that are open or aborted are not wanted
    cdef lf_aborted *aborted
    cdef int32_t n_aborted
    cdef readonly int16_t read_error
    cdef readonly int64_t end_offset, stable_offset, start_offset
    cdef public object failure          # the exception behind read_error, for the log

    # What the session's client was told.
    cdef int64_t sent_end, sent_stable, sent_start
    cdef int16_t sent_error

    cdef int64_t read(self, int64_t max_bytes, bint whole, bint committed, int64_t stable) except -1
    cdef void _drop_aborted(self) noexcept
    cdef int _failed(self, lf_error *e) except -1
    cdef bint changed(self) noexcept
    cdef void note_sent(self) noexcept
    cdef object view(self)


cdef class FetchRequest:
    cdef readonly int version
    cdef readonly int32_t correlation_id
    cdef readonly int32_t replica_id, max_wait_ms, min_bytes, max_bytes, session_id, session_epoch
    cdef readonly int8_t isolation_level
    cdef readonly list parts
    cdef readonly list forgotten
    cdef bytes raw                      # the frame; None where a repetition is not looked for
    cdef Py_ssize_t epoch_at            # in it; 0: the version has no sessions

    cdef int _parse(self, lf_wire *w, Frame frame) except -1
    cdef object _topic(self, lf_wire *w)
    cdef int _part(self, lf_wire *w, topic) except -1
