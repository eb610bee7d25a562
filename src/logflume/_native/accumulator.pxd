"""One partition's open batch: filled by send, appended and settled by whoever comes first."""

from libc.stdint cimport int32_t, int64_t

from logflume._native.partition_log cimport PartitionLog
from logflume._native.staging cimport Stage


cdef enum:                          # of PendingBatch.state
    OPEN = 0
    APPENDED = 1
    DONE = 2
    FAILED = 3


cdef class PendingBatch:
    cdef Accumulator owner
    cdef int state
    cdef int64_t base_offset
    cdef int64_t last_offset
    cdef int64_t append_time        # -1: records keep their own
    cdef object error
    cdef list waiters               # callables, called once when the batch is settled

    cdef int settle(self) except -1


cdef class Upkeep:
    cdef readonly int acks
    cdef int64_t batch_size, max_request_size
    cdef object wake                # called when there is something to tick for again
    cdef bint idle                  # the ticker has nothing to do
    cdef object failure             # the first not yet raised
    cdef set busy                   # accumulators with an open batch or unsynced ones

    cdef int notice(self, Accumulator a) except -1


cdef class Accumulator:
    cdef Upkeep core
    cdef readonly PartitionLog log
    cdef readonly int32_t partition
    cdef readonly str topic
    cdef Stage stage                # the open batch; None until the first record
    cdef PendingBatch pending
    cdef double opened              # monotonic seconds when the open batch got its first record
    cdef PendingBatch fired         # what deliveries of acks=0 share: done from the start
    cdef object gate                # lock: one closes and appends at a time, so that order is kept
    cdef object sync_gate           # lock: one settles at a time
    cdef int codec, level
    cdef int64_t batch_limit, easy_payload, last_appended
    cdef list unsynced              # appended batches whose deliveries wait for the disk
    cdef double unsynced_since      # `opened` of the first of them; 0 when somebody waits

    cdef PendingBatch _new_batch(self)
    cdef Stage new_stage(self, int64_t batch_bytes)
    cdef Stage open_batch(self)
    cdef int close_batch(self) except -1
    cdef int append_stage(self, Stage stage, PendingBatch pending) except -1
    cdef int settle_synced(self) except -1
    cdef int wait_for(self, PendingBatch pending, double timeout) except -1
    cdef int hasten(self, PendingBatch pending) except -1
    cdef int abandon(self) except -1
