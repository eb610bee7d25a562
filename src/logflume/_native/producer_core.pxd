"""The send path: records gather in open batches, batches are appended, deliveries learn their offsets."""

from libc.stdint cimport int32_t, int64_t, uint8_t

from logflume._native.accumulator cimport Accumulator, Upkeep
from logflume._native.append_input cimport AppendInput
from logflume._native.staging cimport Stage


cdef class TopicSlot:
    cdef str name
    cdef list accumulators
    cdef object seen                # the settings it was opened with
    cdef bint dropped               # forgotten: no record may go into it any more
    cdef int32_t count
    cdef int32_t sticky
    cdef int64_t before_max, after_max      # ms around the clock that explicit timestamps may lie in

    cdef Accumulator keyless(self)
    cdef Accumulator choose(self, const uint8_t *key, int64_t length, int partitioner)


cdef class ProducerCore(Upkeep):
    cdef dict slots
    cdef object last_name
    cdef TopicSlot last_slot
    cdef object sync_together       # many partitions at once, before each is asked for
    cdef object open_topic          # name -> (partitions, codec, level, before_max, after_max, settings)
    cdef public object transactions         # what begins and ends them; None: not transactional
    cdef object claim_id            # () -> producer id; None: not idempotent
    cdef bint closed
    cdef int partitioner
    cdef double linger

    cdef TopicSlot slot(self, object topic)
    cdef int _claim(self) except -1
    cdef Accumulator _explicit(self, TopicSlot s, object partition)
    cdef int _drop_empty(self, Accumulator a) except -1
    cdef int _sync_appended(self, TopicSlot s) except -1
    cdef int _append_to(self, Accumulator a, AppendInput given, int64_t at, int64_t stop) except -1
    cdef Py_ssize_t _send_keyed(self, TopicSlot s, object values, object keys, object timestamps, object headers) except -1
    cdef int _append_scattered(self, TopicSlot s, list stages, int32_t index) except -1
    cdef int _raise_failure(self) except -1
