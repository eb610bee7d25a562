"""Produce requests: parsed in place, their batches checked and appended."""

from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t

from logflume._native.core cimport lf_admit_room, lf_admit_rules
from logflume._native.frames cimport Frame
from logflume._native.partition_log cimport PartitionLog
from logflume._native.wire cimport lf_wire, lf_wire_out


cdef struct ProduceTopic:
    const uint8_t *name     # or its id
    int32_t name_len
    int32_t count           # partitions


cdef struct ProducePart:
    int32_t topic
    int32_t index
    uint8_t *records
    int32_t size            # -1: none
    int16_t error
    int64_t base_offset, append_time, log_start


cdef class Admission:
    cdef lf_admit_rules rules


cdef class _Room:
    cdef lf_admit_room room


cdef class ProduceRequest:
    cdef Frame frame                    # None once it was dropped
    cdef int version
    cdef int32_t correlation_id
    cdef uint8_t *names                 # of the topics, when the frame was dropped
    cdef readonly object transactional_id
    cdef public int32_t throttle_ms     # for the response
    cdef readonly int16_t acks
    cdef readonly int32_t timeout_ms
    cdef ProduceTopic *topics
    cdef ProducePart *parts
    cdef int32_t n_topics, n_parts
    cdef dict messages

    cdef object _append(self, Py_ssize_t i, PartitionLog log, Admission admission, double wait_s, _Room mine)
    cdef int _parse(self, lf_wire *w) except -1
    cdef void _topic(self, lf_wire *w, ProduceTopic *t) noexcept
    cdef void _part(self, lf_wire *w, ProducePart *part) noexcept
    cdef bint _in_transaction(self, const ProducePart *part) noexcept
    cdef ProducePart *_at(self, Py_ssize_t i) except NULL
    cdef int _put(self, lf_wire_out *o, int32_t p) except -1
