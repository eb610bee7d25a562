"""Which batches of a partition belong to transactions, and how those ended: without reading their records."""

from libc.stdint cimport int32_t, int64_t

cimport cython

from logflume._native.core cimport *
from logflume._native.partition_log cimport PartitionLog

__all__ = ["BatchHeads"]

cdef extern from "lf/marker.h" nogil:
    int lf_marker_parse(const lf_batch *b, int32_t *coordinator_epoch) noexcept


@cython.final
cdef class BatchHeads:
    """Walks a partition's batches from an offset on. Not thread-safe: its owner has a lock."""

    def __init__(self, PartitionLog log, int64_t offset):
        self.log = log
        self.cursor.next_offset = offset

    def __dealloc__(self):
        lf_cursor_release(&self.cursor)

    def seek(self, int64_t offset):
        """Go on at the batch that holds `offset`."""
        lf_cursor_release(&self.cursor)
        self.cursor.next_offset = offset

    def take(self, int64_t stop):
        """Of the batches that begin below `stop`, those of transactions: [(base offset, last offset, producer id,
        outcome)]; outcome: -1 for records, 0 for the end of an aborted transaction, 1 for that of a committed one.

        Raises OffsetOutOfRange, CorruptRecord.
        """
        cdef lf_error e
        cdef lf_batch b
        cdef int rc
        cdef list out = []
        cdef lf_log *log = self.log.enter()
        try:
            if self.generation != self.log.generation:
                # The log was opened anew in a forked child.
                self.generation = self.log.generation
                self.seek(self.cursor.next_offset)
            while True:
                rc = lf_cursor_peek(log, &self.cursor, False, &b, &e)
                if rc == LF_E_END:
                    break
                if rc:
                    self.log.raise_error(&e)
                if b.base_offset >= stop:
                    break
                if b.attributes & LF_ATTR_CONTROL:
                    out.append((b.base_offset, b.last_offset, b.producer_id, lf_marker_parse(&b, NULL)))
                elif b.attributes & LF_ATTR_TRANSACTIONAL:
                    out.append((b.base_offset, b.last_offset, b.producer_id, -1))
                lf_cursor_advance(&self.cursor, &b)
        finally:
            self.log.leave()
        return out
