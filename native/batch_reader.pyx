"""Whole batches of a partition, in order, as they lie in the segments: for those who forward or inspect them.

Nothing is decoded or unpacked: a batch costs its header, whatever it holds, and its checksum when that is asked for.
"""

from libc.stdint cimport int64_t

cimport cython

from logflume._native.batches cimport Batch
from logflume._native.core cimport (
    LF_E_END,
    lf_batch,
    lf_cursor_advance,
    lf_cursor_peek,
    lf_cursor_release,
    lf_error,
    lf_log,
    lf_segment,
    lf_segment_ref,
    lf_segment_unref,
)
from logflume._native.exported cimport memory_view
from logflume._native.partition_log cimport PartitionLog

__all__ = ["BatchReader", "RawBatches"]


@cython.final
@cython.internal
cdef class SegmentHold:
    """Keeps a segment's map valid."""

    cdef lf_segment *segment

    def __dealloc__(self):
        lf_segment_unref(self.segment)


@cython.final
cdef class RawBatches:
    """Consecutive whole batches of one segment, as bytes. Immutable; keeps the segment mapped.

    `size`: bytes of all; `batch_count`; `record_count`, as the headers say, transactions' markers included;
    `base_offset`, of the first batch; `end_offset`, behind the last.
    """

    @property
    def view(self):
        """memoryview of the batches, read-only and without a copy: what `append_raw` takes and Kafka's clients read."""
        return memory_view(self, self.at, self.size, 1, b"B")

    def __len__(self):
        return self.batch_count

    def __repr__(self):
        return (f"<RawBatches: {self.batch_count} with {self.record_count} records, offsets {self.base_offset} to "
                f"{self.end_offset - 1}, {self.size} bytes>")


@cython.final
cdef class BatchReader:
    """Reads one partition batch by batch. Not thread-safe.

    Parameters: `log`; `offset`, in the first batch wanted; `check_crcs`, whether checksums are computed (once a
    process for each batch); headers are always checked. Control batches come like all others, and so do those of
    open and of aborted transactions. Iteration ends at the partition's end; iterating again goes on from there.
    """

    def __init__(self, PartitionLog log not None, int64_t offset, *, bint check_crcs=True):
        self.log = log
        self.check_crcs = check_crcs
        self.cursor.next_offset = offset

    def __dealloc__(self):
        lf_cursor_release(&self.cursor)

    @property
    def position(self):
        """int: the offset whose batch comes next."""
        return self.cursor.next_offset

    cdef bint _peek(self, lf_log *log, lf_batch *b) except -1:
        """The next batch, not taken yet; False at the end."""
        cdef lf_error e
        cdef int rc
        if self.generation != self.log.generation:
            # The log was opened anew in a forked child.
            self.generation = self.log.generation
            offset = self.cursor.next_offset
            lf_cursor_release(&self.cursor)
            self.cursor.next_offset = offset
        with nogil:
            rc = lf_cursor_peek(log, &self.cursor, self.check_crcs, b, &e)
        if rc == LF_E_END:
            return False
        if rc:
            self.log.raise_error(&e)
        return True

    cdef object _holding(self):
        """A hold on the segment at hand; batches of one segment share it."""
        cdef SegmentHold hold = <SegmentHold>self.hold
        if hold is None or hold.segment != self.cursor.segment:
            hold = SegmentHold.__new__(SegmentHold)
            hold.segment = lf_segment_ref(self.cursor.segment)
            self.hold = hold
        return hold

    def __iter__(self):
        return self

    def __next__(self):
        """The next Batch. Raises OffsetOutOfRange, CorruptRecord, UnsupportedFormat."""
        cdef Batch out = Batch.__new__(Batch)
        cdef lf_log *log = self.log.enter()
        try:
            if not self._peek(log, &out.b):
                raise StopIteration
            out.owner = self._holding()
            out.path = f"{self.log.path}/{self.cursor.segment.base_offset:020d}.log"
            out.crc_ok = True
            lf_cursor_advance(&self.cursor, &out.b)
            return out
        finally:
            self.log.leave()

    def read(self, int64_t max_bytes=1 << 20):
        """The next batches that lie one behind the other, up to `max_bytes` (one at least), as RawBatches; None at
        the end. Raises as iterating; what is good before damage is handed out first."""
        cdef RawBatches out = RawBatches.__new__(RawBatches)
        cdef lf_log *log = self.log.enter()
        cdef lf_batch b
        cdef lf_error e
        cdef int rc = 0
        cdef lf_segment *segment
        try:
            if not self._peek(log, &b):
                return None
            segment = self.cursor.segment
            out.hold = self._holding()
            out.at = b.at
            out.base_offset = b.base_offset
            with nogil:
                # A segment that grew may be mapped anew, elsewhere; the next one may lie right behind this one.
                while (rc == 0 and self.cursor.segment == segment and out.at + out.size == b.at
                       and (not out.size or out.size + b.size <= max_bytes)):
                    out.size += b.size
                    out.batch_count += 1
                    out.record_count += b.count
                    out.end_offset = b.last_offset + 1
                    lf_cursor_advance(&self.cursor, &b)
                    if out.size < max_bytes:
                        rc = lf_cursor_peek(log, &self.cursor, self.check_crcs, &b, &e)
                    else:
                        rc = LF_E_END
            return out
        finally:
            self.log.leave()

    def __repr__(self):
        return f"<BatchReader of {self.log.topic}-{self.log.partition} at {self.cursor.next_offset}>"
