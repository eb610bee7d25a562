"""One partition's open batch: filled by send, appended and settled by whoever comes first."""

from libc.stdint cimport int16_t, int32_t, int64_t, uint16_t

from logflume._native.append_input cimport AppendInput
from logflume._native.core cimport lf_append_info
from logflume._native.partition_log cimport PartitionLog
from logflume._native.staging cimport Stage


cdef enum:                          # of PendingBatch.state
    OPEN = 0
    APPENDED = 1
    DONE = 2
    FAILED = 3


cdef enum:                          # of Upkeep.phase
    TXN_NONE = 0
    TXN_OPEN = 1
    TXN_ENDING = 2                  # open batches are appended, nothing new is taken


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

    # Who writes (idempotence), and the transaction under way.
    cdef readonly int64_t producer_id       # -1: nobody in particular
    cdef readonly int16_t producer_epoch
    cdef uint16_t attributes                # of every batch: LF_ATTR_TRANSACTIONAL or 0
    cdef dict sequences             # partition log -> next sequence, of accumulators that are no more
    cdef readonly object transactional_id
    cdef int phase                  # of the transaction: TXN_...
    cdef list touched               # accumulators that the transaction under way appended to
    cdef object spoiled             # the first failed append of the transaction under way
    cdef int64_t redo_left          # bytes of batches that may still be kept for the commit's record; < 0: too many

    cdef int notice(self, Accumulator a) except -1
    cdef int check_open(self) except -1
    cdef list accumulators(self)


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
    cdef int codec, level
    cdef int64_t batch_limit, easy_payload, last_appended
    cdef int32_t sequence           # of the next record
    cdef int64_t txn_first, txn_end         # offsets of the transaction under way: first, and behind its last; -1 none
    cdef list redo                  # (base offset, batches) of the transaction under way; None: too many bytes
    cdef list unsynced              # appended batches whose deliveries wait for the disk
    cdef double unsynced_since      # `opened` of the first of them; 0 when somebody waits

    cdef PendingBatch _new_batch(self)
    cdef Stage new_stage(self, int64_t batch_bytes)
    cdef Stage open_batch(self)
    cdef int close_batch(self) except -1
    cdef int append_stage(self, Stage stage, PendingBatch pending) except -1
    cdef void stamp(self, Stage stage) noexcept
    cdef int append_finished(self, Stage stage, bint prepare, lf_append_info *info) except -1
    cdef int append_many(self, AppendInput given, int64_t at, int64_t stop) except -1
    cdef int _note(self, Stage stage, lf_append_info *info) except -1
    cdef bint is_followed(self, Stage stage) noexcept
    cdef int drop_batch(self, object error) except -1
    cdef int settle_synced(self) except -1
    cdef int wait_for(self, PendingBatch pending, double timeout) except -1
    cdef int hasten(self, PendingBatch pending) except -1
    cdef int abandon(self) except -1
