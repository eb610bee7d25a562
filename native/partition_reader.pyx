"""A place in a partition from which records are read in order."""

from libc.stdint cimport INT32_MAX, int32_t, int64_t, uint8_t
from libc.stdlib cimport free

cimport cython

from logflume import errors

from logflume._native.columns cimport RecordBatch
from logflume._native.core cimport *
from logflume._native.partition_log cimport PartitionLog

__all__ = ["PartitionReader"]


@cython.final
cdef class PartitionReader:
    """Reads one partition forward. Not thread-safe: its consumer has a lock.

    A batch that was handed out in part is not decoded again: the next call goes on inside it.
    """

    def __init__(self, PartitionLog log, int64_t offset, *, bint check_crcs=True):
        self.log = log
        self.check_crcs = check_crcs
        self.next = offset
        self.cursor.next_offset = offset

    def __dealloc__(self):
        self._forget()
        lf_cursor_release(&self.cursor)
        lf_codec_ctx_free(self.codecs)

    cdef void _forget(self) noexcept:
        """Drops the batch that is partly handed out."""
        self.in_batch = False
        lf_heap_unref(self.heap)
        self.heap = NULL

    cdef void _move(self, int64_t offset) noexcept:
        self._forget()
        lf_cursor_release(&self.cursor)
        self.cursor.next_offset = offset
        self.next = offset

    @property
    def position(self):
        """int: offset of the next record."""
        return self.next

    def seek(self, int64_t offset):
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
            if self._begin(log) and self.batch.base_offset < self.next:
                self.next = max(self.batch.base_offset, <int64_t>log.state.start_offset)
        finally:
            self.log.leave()

    cdef int _decompress(self) except -1:
        """The current batch's records into a buffer of their own."""
        cdef uint8_t *out = NULL
        cdef size_t cap = 0, n = 0
        cdef int rc
        cdef const uint8_t *source = self.batch.at + LF_BATCH_RECORDS_AT
        cdef size_t size = self.batch.size - LF_BATCH_RECORDS_AT
        if self.codecs == NULL:
            self.codecs = lf_codec_ctx_new()
            if self.codecs == NULL:
                raise MemoryError
        with nogil:
            rc = lf_decompress(self.codecs, self.batch.attributes & LF_ATTR_CODEC, source, size, &out, &cap,
                               self.log.max_decompressed_bytes, &n)
        if rc == LF_OK and n > INT32_MAX:
            rc = LF_E_BOMB
        if rc:
            free(out)
            return self._corrupt(rc, b"the compressed records do not decompress")
        self.heap = lf_heap_new(out)
        if self.heap == NULL:
            raise MemoryError
        self.heap_len = n
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

    cdef int _begin(self, lf_log *log) except -1:
        """Makes the next batch current; 0 at the end of the log, else 1."""
        cdef lf_error e
        cdef int rc
        cdef const uint8_t *base
        while True:
            rc = lf_cursor_peek(log, &self.cursor, self.check_crcs, &self.batch, &e)
            if rc == LF_E_END:
                return 0
            if rc:
                self.log.raise_error(&e)
            if self.batch.attributes & LF_ATTR_CONTROL or not self.batch.count:
                # Transaction markers are for the log's own use, not for readers; they take offsets all the same.
                lf_cursor_advance(&self.cursor, &self.batch)
                self.next = self.cursor.next_offset
                continue
            break
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

    def read(self, int32_t max_records=100_000, int64_t max_bytes=1 << 20):
        """The next records as a RecordBatch; empty at the end. Raises OffsetOutOfRange, CorruptRecord."""
        cdef RecordBatch out = RecordBatch.__new__(RecordBatch)
        self.read_into(out, max_records, max_bytes)
        return out

    def seek_to_time(self, int64_t timestamp):
        """Stand at the first record at or after `timestamp` (ms): its (offset, timestamp), or None."""
        cdef lf_error e
        cdef int rc
        cdef int64_t offset, when
        cdef const char *reason = b""
        cdef lf_log *log = self.log.enter()
        try:
            self._move(self.next)
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
