"""The send path: records gather in open batches, batches are appended, deliveries learn their offsets."""

from libc.stdint cimport int32_t, int64_t, uint8_t

from logflume._native.partition_log cimport PartitionLog
from logflume._native.staging cimport Stage


cdef class PendingBatch:
    cdef Accumulator owner
    cdef int state                  # OPEN, APPENDED, DONE, FAILED
    cdef int64_t base_offset
    cdef int64_t last_offset
    cdef int64_t append_time        # -1: records keep their own
    cdef object error
    cdef list waiters               # callables, called once when the batch is settled

    cdef int settle(self) except -1


cdef class Delivery:
    cdef PendingBatch batch
    cdef int32_t index
    cdef int64_t stamp


cdef class Accumulator:
    cdef ProducerCore core
    cdef readonly PartitionLog log
    cdef readonly int32_t partition
    cdef readonly str topic
    cdef Stage stage                # the open batch; None until the first record
    cdef PendingBatch pending
    cdef double opened              # monotonic seconds when the open batch got its first record
    cdef PendingBatch fired         # what deliveries of acks=0 share: done from the start
    cdef object sync_gate           # lock: one settles at a time
    cdef int codec, level
    cdef int64_t batch_limit, easy_payload, last_appended
    cdef object gate                # lock: one closes and appends at a time, so that order is kept
    cdef list unsynced              # appended batches whose deliveries wait for the disk

    cdef Stage new_stage(self, int64_t batch_bytes)
    cdef Stage open_batch(self)
    cdef int close_batch(self) except -1
    cdef int append_stage(self, Stage stage, PendingBatch pending) except -1
    cdef int settle_synced(self) except -1
    cdef int wait_for(self, PendingBatch pending, double timeout) except -1


cdef class TopicSlot:
    cdef str name
    cdef list accumulators
    cdef object seen                # the settings it was opened with
    cdef int32_t count
    cdef int32_t sticky
    cdef int64_t before_max, after_max      # ms around the clock that explicit timestamps may lie in

    cdef Accumulator choose(self, const uint8_t *key, int64_t length, int partitioner)


cdef class ProducerCore:
    cdef dict slots
    cdef object last_name
    cdef TopicSlot last_slot
    cdef object open_topic          # name -> (partitions, codec, level, before_max, after_max)
    cdef object wake                # called when the first batch opens after all were closed
    cdef bint closed, idle
    cdef readonly int acks
    cdef int partitioner
    cdef double linger
    cdef int64_t batch_size, max_request_size
    cdef object failure             # the first not yet raised
    cdef set busy                   # accumulators with an open batch or unsynced ones

    cdef TopicSlot slot(self, object topic)
    cdef int notice(self, Accumulator a) except -1
    cdef Accumulator _explicit(self, TopicSlot s, object partition)
    cdef int _full(self, TopicSlot s, Accumulator a) except -1
    cdef int _drop_empty(self, Accumulator a) except -1
    cdef int _append_to(self, Accumulator a, object values, object keys, object timestamps, object headers) except -1
    cdef Py_ssize_t _send_keyed(self, TopicSlot s, object values, object keys, object timestamps, object headers) except -1
    cdef int _append_scattered(self, TopicSlot s, list stages, int32_t index) except -1
    cdef int _raise_failure(self) except -1
