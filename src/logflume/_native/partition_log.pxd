"""One partition on disk: open, append, sync, retain, wait."""

from libc.stdint cimport int32_t, int64_t, uint8_t

from logflume._native.core cimport lf_append_info, lf_error, lf_log, lf_log_config
from logflume._native.staging cimport Stage


cdef class PartitionLog:
    cdef lf_log *log                # NULL: closed
    cdef lf_log_config config
    cdef readonly str topic
    cdef readonly int32_t partition
    cdef readonly str path
    cdef int lock_fd
    cdef int users                  # calls under way without the GIL: close waits for them
    cdef int generation             # of forks
    cdef bint closing, deleted
    cdef int64_t max_message_bytes
    cdef int64_t max_decompressed_bytes
    cdef int codec, level           # of what append() writes
    cdef bint keys_required         # the topic is compacted
    cdef object __weakref__

    cdef lf_log *enter(self) except NULL        # marks use; the caller calls leave()
    cdef void leave(self) noexcept
    cdef int64_t log_end(self) noexcept         # published end; INT64_MAX when closed, so that a read says so
    cdef bint is_gone(self) noexcept            # the topic was deleted, by whomever
    cdef int raise_error(self, lf_error *e) except -1
    cdef int run(self, int (*step)(lf_log *, lf_error *) noexcept nogil) except -1     # without the GIL
    # Whole finished batches; returns with them published. GIL held on entry, released inside.
    cdef int write_batches(self, uint8_t *batches, size_t length, bint prepare, lf_append_info *info) except -1
    cdef int write_within(self, uint8_t *batches, size_t length, bint prepare, double wait_s, lf_append_info *info) except -1
    cdef int sync_to(self, int64_t offset) except -1
    cdef Stage stage_for(self, int64_t batch_bytes)
    cdef int64_t _append_staged(self, object values, object keys, object timestamps, object headers, int64_t batch_bytes,
                                int codec, int level, double wait_s, int64_t *first, bint followed=*) except? -2
