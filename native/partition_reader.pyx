"""A place in a partition from which records are read in order."""

from libc.stdint cimport INT32_MAX, INT64_MAX, int32_t, int64_t, uint8_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy

cimport cython

from logflume import errors
from logflume.types import LogBatch

from logflume._native.columns cimport RecordBatch
from logflume._native.core cimport *
from logflume._native.partition_log cimport PartitionLog

__all__ = ["PartitionReader"]

cdef enum:
    SCRATCH_BYTES_MAX = 1 << 20     # what is kept for the next glance

cdef extern from "lf/outcome.h" nogil:
    int lf_outcome_of(lf_log *log, lf_outcomes *o, const lf_batch *b, uint8_t *aborted, lf_error *e) noexcept
    void lf_outcomes_free(lf_outcomes *o) noexcept

cdef extern from "lf/unpack_front.h" nogil:
    int lf_decompress_front(lf_codec_ctx *ctx, int codec, double share, const uint8_t *src, size_t n, uint8_t **buf,
                            size_t *cap, size_t max_size, size_t *out) noexcept

cdef extern from "lf/marker.h" nogil:
    enum:
        LF_MARKER_ABORT
        LF_MARKER_COMMIT
    int lf_marker_parse(const lf_batch *b, int32_t *coordinator_epoch) noexcept


@cython.final
cdef class PartitionReader:
    """Reads one partition forward. Not thread-safe: its consumer has a lock.

    A batch that was handed out in part is not decoded again: the next call goes on inside it. With `read_committed`
    it ends at the last stable offset, and leaves out records of aborted transactions.
    """

    def __init__(self, PartitionLog log, Py_ssize_t offset, *, bint check_crcs=True, bint read_committed=False):
        self.log = log
        self.check_crcs = check_crcs
        self.read_committed = read_committed
        self.limit = INT64_MAX
        self.next = offset
        self.cursor.next_offset = offset

    def __dealloc__(self):
        self._forget()
        lf_cursor_release(&self.cursor)
        lf_outcomes_free(&self.outcomes)
        lf_codec_ctx_free(self.codecs)
        free(self.scratch)

    cdef void _forget(self) noexcept:
        """Drops the batch that is partly handed out."""
        self.in_batch = False
        lf_heap_unref(self.heap)
        self.heap = NULL

    cdef void _move(self, int64_t offset) noexcept:
        self._forget()
        lf_cursor_release(&self.cursor)
        lf_outcomes_free(&self.outcomes)
        self.cursor.next_offset = offset
        self.next = offset

    @property
    def position(self):
        """int: offset of the next record."""
        return self.next

    def seek(self, Py_ssize_t offset):
        """Stand at `offset`; whether it exists shows when reading."""
        if offset == self.next:
            return
        if self.in_batch and offset > self.next and offset <= self.batch.last_offset:
            self.next = offset
            return
        self._move(offset)

    def seek_batch(self, int64_t offset):
        """Stand at the first record of the batch that holds `offset`. Raises OffsetOutOfRange, CorruptRecord."""
        cdef lf_log *log = self.log.enter()
        try:
            self._move(offset)
            if self._meet(log) and self.batch.base_offset < self.next:
                self.next = max(self.batch.base_offset, <int64_t>log.state.start_offset)
        finally:
            self.log.leave()

    cdef int _unpack(self, double share, uint8_t **out, size_t *cap, size_t *n) except -1:
        """The current batch's records, or a `share` of them from the front, into a buffer that is the caller's."""
        cdef int rc
        cdef const uint8_t *source = self.batch.at + LF_BATCH_RECORDS_AT
        cdef size_t size = self.batch.size - LF_BATCH_RECORDS_AT
        if self.codecs == NULL:
            self.codecs = lf_codec_ctx_new()
            if self.codecs == NULL:
                raise MemoryError
        with nogil:
            rc = lf_decompress_front(self.codecs, self.batch.attributes & LF_ATTR_CODEC, share, source, size, out, cap,
                                     self.log.max_decompressed_bytes, n)
        if rc == LF_OK and n[0] > INT32_MAX:
            rc = LF_E_BOMB
        return self._corrupt(rc, b"the compressed records do not decompress") if rc else 0

    cdef int _decompress(self) except -1:
        """The current batch's records into memory of their own."""
        cdef uint8_t *out = NULL
        cdef uint8_t *smaller
        cdef size_t cap = 0, n = 0
        try:
            self._unpack(1, &out, &cap, &n)
        except BaseException:
            free(out)
            raise
        if cap - n > n // 8:
            # Taken for the most that its blocks could hold: of a small batch 64 KiB.
            smaller = <uint8_t *>realloc(out, n + 1)
            out = smaller if smaller != NULL else out
        self.heap = lf_heap_new(out)
        if self.heap == NULL:
            raise MemoryError
        self.heap_len = n
        return 0

    cdef int glance_into(self, RecordBatch out, int64_t offset) except -1:
        """The one record at `offset`, or behind it, of the batch that seek_batch() found: others are passed over by their
        lengths. `out` stays empty when there is none."""
        cdef lf_batch *b = &self.batch
        cdef const char *reason = b""
        cdef int rc
        # Without gaps a record's index is its offset's distance.
        cdef bint dense = b.last_offset - b.base_offset == b.count - 1
        cdef int32_t index = <int32_t>(offset - b.base_offset) if dense else 0
        if b.attributes & LF_ATTR_CODEC:
            return self._glance_packed(out, offset, index, dense)
        lf_records_begin(&self.records, b, self.cursor.map, <uint32_t>(b.position + LF_BATCH_RECORDS_AT),
                         <uint32_t>(b.position + b.size))
        rc = lf_records_skip(&self.records, index, &reason)
        if not rc:
            out.add_part(self.log.topic, self.log.partition, self.cursor.map, b.position + b.size, self.cursor.segment, NULL)
            rc = lf_records_decode(&self.records, offset, 1, &out.c, &reason)
        return self._corrupt(rc, reason) if rc else 0

    cdef int _glance_packed(self, RecordBatch out, int64_t offset, int32_t index, bint dense) except -1:
        """As glance_into. Unpacks as far as the record should reach, were all of one size, and keeps a copy of it alone."""
        cdef lf_records *r = &self.records
        cdef const char *reason = b""
        cdef double share = (index + 2) * 1.0625 / self.batch.count if dense else 1.0
        cdef size_t n = 0
        cdef int rc
        while True:
            self._unpack(share, &self.scratch, &self.scratch_cap, &n)
            lf_records_begin(r, &self.batch, self.scratch, 0, <uint32_t>n)
            if share < 1:
                r.count = index + 2     # those behind may be missing
            rc = lf_records_skip(r, index, &reason)
            if not rc:
                rc = lf_records_decode(r, offset, 1, &out.c, &reason)
            if not rc or share >= 1:
                break
            share = 1
        if rc:
            return self._corrupt(rc, reason)
        if out.c.n:
            self._keep_first(out, r.at)
        if self.scratch_cap > SCRATCH_BYTES_MAX:
            free(self.scratch)
            self.scratch = NULL
            self.scratch_cap = 0
        return 0

    cdef int _keep_first(self, RecordBatch out, uint32_t end) except -1:
        """A copy of the one record of `out`, which lies in the scratch buffer up to `end`, for it to point into."""
        cdef uint32_t first = out.c.key_at[0]
        cdef uint8_t *copy = <uint8_t *>malloc(end - first)
        cdef lf_heap *heap = NULL
        if copy != NULL:
            memcpy(copy, self.scratch + first, end - first)
            heap = lf_heap_new(copy)
        if heap == NULL:
            raise MemoryError
        out.c.key_at[0] = 0
        out.c.value_at[0] -= first
        out.c.n = 0
        try:
            out.add_part(self.log.topic, self.log.partition, heap.bytes, end - first, NULL, heap)
        finally:
            lf_heap_unref(heap)
        out.c.n = 1
        return 0

    cdef int _corrupt(self, int status, const char *reason) except -1:
        cdef int codec = self.batch.attributes & LF_ATTR_CODEC
        path = f"{self.log.path}/{self.cursor.segment.base_offset:020d}.log"
        if status == LF_E_NOMEM:
            raise MemoryError
        if status == LF_E_BOMB:
            raise errors.DecompressionTooLarge(limit=self.log.max_decompressed_bytes, path=path)
        if status == LF_E_CODEC:
            raise errors.UnsupportedCompression(codec=codec, reason=f"{path} at position {self.batch.position}")
        raise errors.CorruptRecord(path=path, position=self.batch.position, offset=self.next, reason=reason.decode())

    cdef int64_t upper_end(self) noexcept:
        cdef lf_log *log = self.log.log
        if not self.read_committed or log == NULL or self.log.is_gone():
            return self.log.log_end()
        return lf_state_stable(log.state)

    cdef bint _is_aborted(self, lf_log *log) except -1:
        """Whether the batch at hand belongs to a transaction that was aborted."""
        cdef uint8_t aborted = 0
        cdef lf_error e
        cdef int rc
        with nogil:
            rc = lf_outcome_of(log, &self.outcomes, &self.batch, &aborted, &e)
        if rc:
            self.log.raise_error(&e)
        return aborted

    cdef int _meet(self, lf_log *log) except -1:
        """Makes the next batch with records for this reader current; 0 at the end of the log, else 1."""
        cdef lf_error e
        cdef int rc
        while True:
            if self.cursor.next_offset >= self.limit and not self.log.is_gone():
                return 0
            rc = lf_cursor_peek(log, &self.cursor, self.check_crcs, &self.batch, &e)
            if rc == LF_E_END:
                return 0
            if rc:
                self.log.raise_error(&e)
            if self.batch.base_offset >= self.limit:
                if self.log.is_gone():
                    raise errors.UnknownTopicOrPartition(topic=self.log.topic, partition=self.log.partition)
                return 0
            if self.batch.attributes & LF_ATTR_CONTROL or not self.batch.count or (
                    self.read_committed and self.batch.attributes & LF_ATTR_TRANSACTIONAL and self._is_aborted(log)):
                # Transaction markers are for the log's own use, not for readers; they take offsets all the same.
                lf_cursor_advance(&self.cursor, &self.batch)
                self.next = self.cursor.next_offset
                continue
            return 1

    cdef int _begin(self, lf_log *log) except -1:
        """As _meet, and unpacks its records."""
        cdef const uint8_t *base
        if not self._meet(log):
            return 0
        if self.batch.attributes & LF_ATTR_CODEC:
            self._decompress()
            lf_records_begin(&self.records, &self.batch, self.heap.bytes, 0, <uint32_t>self.heap_len)
        else:
            base = self.cursor.map
            lf_records_begin(&self.records, &self.batch, base, <uint32_t>(self.batch.position + LF_BATCH_RECORDS_AT),
                             <uint32_t>(self.batch.position + self.batch.size))
        self.in_batch = True
        return 1

    cdef int32_t read_into(self, RecordBatch out, int32_t max_records, int64_t max_bytes) except -1:
        cdef lf_log *log = self.log.enter()
        if self.read_committed and not self.has_limit:
            self.limit = lf_state_stable(log.state)
        self.has_limit = False
        try:
            return self._read(log, out, max_records, max_bytes)
        finally:
            self.log.leave()

    cdef int32_t _read(self, lf_log *log, RecordBatch out, int32_t max_records, int64_t max_bytes) except -1:
        cdef int32_t first = out.c.n, before
        cdef int64_t taken = 0
        cdef const char *reason = b""
        cdef int rc
        if self.generation != self.log.generation:
            # The log was opened anew in a forked child.
            self.generation = self.log.generation
            self._move(self.next)
        while out.c.n - first < max_records and taken < max_bytes:
            if not self.in_batch:
                try:
                    if not self._begin(log):
                        break
                except errors.LogflumeError:
                    if out.c.n == first:
                        raise
                    break       # what is good is handed out; the next read reports the damage
            if self.heap != NULL:
                out.add_part(self.log.topic, self.log.partition, self.heap.bytes, self.heap_len, NULL, self.heap)
            else:
                out.add_part(self.log.topic, self.log.partition, self.cursor.map, self.batch.position + self.batch.size,
                             self.cursor.segment, NULL)
            before = out.c.n
            with nogil:
                rc = lf_records_decode(&self.records, self.next, max_records - (out.c.n - first), &out.c, &reason)
            if rc == LF_E_NOMEM:
                raise MemoryError
            if rc:
                if out.c.n > first:
                    break       # what is good is handed out; the next read reports the damage
                self._corrupt(rc, reason)
            if out.c.n > before:
                self.next = out.c.offsets[out.c.n - 1] + 1
            taken += self.batch.size
            if self.records.index == self.records.count:
                lf_cursor_advance(&self.cursor, &self.batch)
                self.next = self.cursor.next_offset
                self._forget()
        return out.c.n - first

    def read(self, Py_ssize_t max_records=100_000, Py_ssize_t max_bytes=1 << 20):
        """The next records as a RecordBatch; empty at the end. Raises OffsetOutOfRange, CorruptRecord."""
        cdef RecordBatch out = RecordBatch.__new__(RecordBatch)
        self.read_into(out, <int32_t>min(max_records, <Py_ssize_t>INT32_MAX), max_bytes)
        return out

    def next_batch(self):
        """The next batch as it was written, markers among them: a LogBatch, or None at the end.

        For those who keep what is undecided apart themselves: each record comes at once, and the marker tells when it
        counts. With `read_committed` it ends at the last stable offset, but leaves nothing out. After it the reader
        stands behind the batch. Raises OffsetOutOfRange, CorruptRecord.
        """
        cdef lf_log *log = self.log.enter()
        cdef lf_error e
        cdef int rc, kind
        cdef int32_t coordinator_epoch = -1
        cdef RecordBatch rows = RecordBatch.__new__(RecordBatch)
        cdef lf_batch b
        cdef bint committed = self.read_committed
        marker = None
        try:
            if committed:
                self.limit = lf_state_stable(log.state)
            if self.next != self.cursor.next_offset or self.in_batch:
                self._move(self.next)
            if self.cursor.next_offset >= self.limit:
                return None
            rc = lf_cursor_peek(log, &self.cursor, self.check_crcs, &b, &e)
            if rc == LF_E_END:
                return None
            if rc:
                self.log.raise_error(&e)
            if b.attributes & LF_ATTR_CONTROL:
                kind = lf_marker_parse(&b, &coordinator_epoch)
                marker = "commit" if kind == LF_MARKER_COMMIT else "abort" if kind == LF_MARKER_ABORT else "other"
            elif b.count:
                self.read_committed = False
                try:
                    self._begin(log)
                    while self.in_batch and self.batch.base_offset == b.base_offset:
                        self._read(log, rows, max(self.records.count - self.records.index, 1), 1)
                finally:
                    self.read_committed = committed
            if self.cursor.next_offset <= b.last_offset:
                lf_cursor_advance(&self.cursor, &b)
            self.next = self.cursor.next_offset
            return LogBatch(rows, b.base_offset, b.last_offset, b.producer_id, b.producer_epoch, b.base_sequence,
                            bool(b.attributes & LF_ATTR_TRANSACTIONAL), marker, coordinator_epoch)
        finally:
            self.log.leave()

    def seek_to_time(self, Py_ssize_t timestamp):
        """Stand at the first record at or after `timestamp` (ms): its (offset, timestamp), or None."""
        cdef lf_error e
        cdef int rc
        cdef int64_t offset, when
        cdef const char *reason = b""
        cdef lf_log *log = self.log.enter()
        try:
            self._move(self.next)
            if self.read_committed:
                self.limit = lf_state_stable(log.state)
            rc = lf_cursor_seek_time(log, &self.cursor, timestamp, &e)
            if rc == LF_E_END:
                return None
            if rc:
                self.log.raise_error(&e)
            self.next = self.cursor.next_offset
            while self._begin(log):
                with nogil:
                    rc = lf_records_seek_time(&self.records, self.next, timestamp, &offset, &when, &reason)
                if rc == LF_OK:
                    self.next = offset      # inside the batch at hand, which reading goes on with
                    return offset, when
                if rc != LF_E_END:
                    self._corrupt(rc, reason)
                lf_cursor_advance(&self.cursor, &self.batch)
                self.next = self.cursor.next_offset
                self._forget()
            return None
        finally:
            self.log.leave()

    def __repr__(self):
        return f"<PartitionReader of {self.log.topic}-{self.log.partition} at {self.next}>"
