"""A place in a partition from which records are read in order."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t

from logflume._native.columns cimport RecordBatch
from logflume._native.core cimport lf_batch, lf_codec_ctx, lf_cursor, lf_heap, lf_log, lf_records
from logflume._native.partition_log cimport PartitionLog

cdef extern from "lf/outcome.h" nogil:
    ctypedef struct lf_outcomes:
        pass


cdef class PartitionReader:
    cdef readonly PartitionLog log
    cdef lf_cursor cursor
    cdef lf_batch batch             # the one that is partly handed out
    cdef lf_records records
    cdef bint in_batch, check_crcs
    cdef lf_heap *heap              # its records, when they were compressed
    cdef size_t heap_len
    cdef lf_codec_ctx *codecs
    cdef uint8_t *scratch           # for glances at compressed batches
    cdef size_t scratch_cap
    cdef int64_t next               # offset of the next record to hand out
    cdef int generation
    cdef readonly bint read_committed
    cdef bint has_limit             # set by a Fetcher for the next read
    cdef bint was_limited           # by a Fetcher, ever
    cdef int64_t limit              # nothing at or behind it is handed out: the last stable offset, for committed records
    cdef lf_outcomes outcomes

    # Appends records to `out`; returns how many. 0: the end is reached.
    cdef int32_t read_into(self, RecordBatch out, int32_t max_records, int64_t max_bytes) except -1
    cdef int64_t upper_end(self) noexcept       # what may be read ends here; INT64_MAX when a read reports that it is closed
    cdef int _begin(self, lf_log *log) except -1
    cdef bint _is_aborted(self, lf_log *log) except -1
    cdef int32_t _read(self, lf_log *log, RecordBatch out, int32_t max_records, int64_t max_bytes) except -1
    cdef int _meet(self, lf_log *log) except -1
    cdef int _unpack(self, double share, uint8_t **out, size_t *cap, size_t *n) except -1
    cdef int _decompress(self) except -1
    cdef int glance_into(self, RecordBatch out, int64_t offset) except -1
    cdef int _glance_packed(self, RecordBatch out, int64_t offset, int32_t index, bint dense) except -1
    cdef int _keep_first(self, RecordBatch out, uint32_t end) except -1
    cdef int _corrupt(self, int status, const char *reason) except -1
    cdef void _forget(self) noexcept
    cdef void _move(self, int64_t offset) noexcept
