"""Record batches in any buffer, one after the other: for tools and tests. The engine reads with its own cursor.

Nothing is trusted: lengths, counts and checksums are checked before they are used, and what is handed out is
a copy, so that a buffer may change or go afterwards.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport INT32_MAX, int16_t, int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

cimport cython

from logflume import errors

from logflume._native.codecs cimport lf_codec_check_level
from logflume._native.columns cimport RecordBatch
from logflume._native.core cimport (
    LF_ATTR_APPEND_TIME,
    LF_ATTR_CODEC,
    LF_ATTR_CONTROL,
    LF_ATTR_TRANSACTIONAL,
    LF_BATCH_RECORDS_AT,
    LF_E_BOMB,
    LF_E_CODEC,
    LF_E_MAGIC,
    LF_E_NOMEM,
    LF_E_TRUNCATED,
    LF_OK,
    lf_batch_check,
    lf_codec_ctx,
    lf_codec_ctx_free,
    lf_codec_ctx_new,
    lf_decompress,
    lf_heap,
    lf_heap_new,
    lf_heap_unref,
    lf_records,
    lf_records_begin,
    lf_records_decode,
)
from logflume._native.exported cimport memory_view
from logflume._native.staging cimport Stage

__all__ = ["Batch", "BatchScan", "CODEC_NAMES", "encode_batch", "is_clean_state", "unpickled_record"]

CODEC_NAMES = ("none", "gzip", "snappy", "lz4", "zstd")
"""By their number in a batch's attributes."""

MAX_UNPACKED = 256 << 20

cdef extern from "lf/batch_layout.h" nogil:
    enum:
        LF_BATCH_ATTRIBUTES_AT
        LF_BATCH_BASE_OFFSET_AT
        LF_BATCH_BASE_SEQUENCE_AT
        LF_BATCH_CRC_AT
        LF_BATCH_LEADER_EPOCH_AT
        LF_BATCH_LENGTH_AT
        LF_BATCH_LENGTH_OVERHEAD
        LF_BATCH_MAX_BYTES
        LF_BATCH_MAX_TIMESTAMP_AT
        LF_BATCH_MIN_LENGTH
        LF_BATCH_PRODUCER_EPOCH_AT
        LF_BATCH_PRODUCER_ID_AT
        LF_ATTR_DELETE_HORIZON
    uint32_t lf_get32(const uint8_t *p) noexcept
    void lf_put16(uint8_t *p, int v) noexcept
    void lf_put32(uint8_t *p, uint32_t v) noexcept
    void lf_put64(uint8_t *p, uint64_t v) noexcept

cdef extern from "lf/crc32c.h" nogil:
    uint32_t lf_crc32c(uint32_t crc, const void *data, size_t n) noexcept

cdef extern from "lf/log.h" nogil:
    int64_t lf_batch_resync(const uint8_t *map, int64_t start, int64_t end, int64_t offset) noexcept

cdef extern from "lf/state.h" nogil:
    enum:
        LF_STATE_CLEAN
    uint64_t LF_STATE_MAGIC
    ctypedef struct lf_state_head "lf_state":
        uint64_t magic
        uint32_t phase, crc
    uint32_t lf_state_clean_crc(const lf_state_head *st) noexcept
    ctypedef struct lf_state_page "lf_state":
        pass

# length, attributes, two deltas, key size, value size, header count: no record is smaller.
cdef int RECORD_BYTES_MIN = 7


cdef bint all_zero(const uint8_t *p, int64_t n) noexcept nogil:
    cdef int64_t i
    for i in range(n):
        if p[i]:
            return False
    return True


def is_clean_state(page):
    """Whether the bytes of a partition's `logflume.state` say that it was closed in order, so that its segments
    must be whole. False for anything else, also for what is no state."""
    cdef Py_buffer given
    cdef lf_state_page copy
    cdef lf_state_head *head = <lf_state_head *>&copy
    PyObject_GetBuffer(page, &given, PyBUF_SIMPLE)
    try:
        if given.len < <Py_ssize_t>sizeof(lf_state_page):
            return False
        memcpy(&copy, given.buf, sizeof(lf_state_page))
    finally:
        PyBuffer_Release(&given)
    return head.magic == LF_STATE_MAGIC and head.phase == LF_STATE_CLEAN and lf_state_clean_crc(head) == head.crc


@cython.final
cdef class _Buffer:
    """Holds somebody's buffer for as long as it is looked at."""

    def __cinit__(self, data):
        PyObject_GetBuffer(data, &self.view, PyBUF_SIMPLE)
        self.held = True

    def __dealloc__(self):
        if self.held:
            PyBuffer_Release(&self.view)


@cython.final
cdef class Batch:
    """One batch: its header as attributes, its records on demand. Immutable; keeps its buffer held.

    `position` is the byte position of its first byte, `size` counts all its bytes, `crc_ok` tells whether the
    checksum holds.
    """

    def __init__(self, *args, **kwargs):
        raise TypeError("batches come from a BatchScan or a BatchReader")

    @property
    def position(self):
        """int: of its first byte."""
        return self.b.position

    @property
    def size(self):
        """int: all its bytes."""
        return self.b.size

    @property
    def base_offset(self):
        return self.b.base_offset

    @property
    def last_offset(self):
        return self.b.last_offset

    @property
    def count(self):
        """int: records in it."""
        return self.b.count

    @property
    def base_timestamp(self):
        return self.b.base_timestamp

    @property
    def max_timestamp(self):
        return self.b.max_timestamp

    @property
    def leader_epoch(self):
        return self.b.leader_epoch

    @property
    def producer_id(self):
        return self.b.producer_id

    @property
    def producer_epoch(self):
        return self.b.producer_epoch

    @property
    def base_sequence(self):
        return self.b.base_sequence

    @property
    def crc(self):
        """int: the checksum as stored."""
        return self.b.crc

    @property
    def codec(self):
        """int: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd; up to 7 in a broken batch."""
        return self.b.attributes & LF_ATTR_CODEC

    @property
    def codec_name(self):
        """str: from CODEC_NAMES, or "unknown"."""
        cdef int codec = self.b.attributes & LF_ATTR_CODEC
        return CODEC_NAMES[codec] if codec < 5 else "unknown"

    @property
    def append_time(self):
        """bool: the timestamp is the log's, not the producers'."""
        return bool(self.b.attributes & LF_ATTR_APPEND_TIME)

    @property
    def transactional(self):
        return bool(self.b.attributes & LF_ATTR_TRANSACTIONAL)

    @property
    def control(self):
        """bool: its record is a transaction's marker."""
        return bool(self.b.attributes & LF_ATTR_CONTROL)

    @property
    def delete_horizon(self):
        """bool: the base timestamp is the delete horizon of tombstones."""
        return bool(self.b.attributes & LF_ATTR_DELETE_HORIZON)

    @property
    def view(self):
        """memoryview of all its bytes, read-only and without a copy."""
        return memory_view(self, self.b.at, self.b.size, 1, b"B")

    def __bytes__(self):
        return PyBytes_FromStringAndSize(<const char *>self.b.at, self.b.size)

    cdef int _failed(self, int status, const char *reason, int64_t limit) except -1:
        if status == LF_E_NOMEM:
            raise MemoryError
        if status == LF_E_BOMB:
            raise errors.DecompressionTooLarge(limit=limit, path=self.path)
        if status == LF_E_CODEC:
            raise errors.UnsupportedCompression(codec=self.codec, reason=f"{self.path} at position {self.b.position}")
        raise errors.CorruptRecord(path=self.path, position=self.b.position, offset=self.b.base_offset,
                                   reason=reason.decode())

    cdef lf_heap *_unpack(self, size_t *n, int64_t limit) except NULL:
        """The records, unpacked, in memory of their own."""
        cdef const uint8_t *source = self.b.at + LF_BATCH_RECORDS_AT
        cdef size_t size = self.b.size - LF_BATCH_RECORDS_AT, cap = 0
        cdef uint8_t *out = NULL
        cdef lf_codec_ctx *codecs
        cdef lf_heap *heap
        cdef int rc = LF_OK
        n[0] = size
        if self.b.attributes & LF_ATTR_CODEC:
            codecs = lf_codec_ctx_new()
            if codecs == NULL:
                raise MemoryError
            with nogil:
                rc = lf_decompress(codecs, self.b.attributes & LF_ATTR_CODEC, source, size, &out, &cap,
                                   <size_t>min(limit, <int64_t>INT32_MAX), n)
            lf_codec_ctx_free(codecs)
        else:
            out = <uint8_t *>malloc(size + 1)
            if out == NULL:
                raise MemoryError
            memcpy(out, source, size)
        if rc:
            free(out)
            self._failed(rc, b"the compressed records do not decompress", limit)
        heap = lf_heap_new(out)
        if heap == NULL:
            raise MemoryError
        return heap

    def unpacked_size(self, int64_t max_unpacked=MAX_UNPACKED):
        """Bytes of its records without compression.

        Raises CorruptRecord, UnsupportedCompression, DecompressionTooLarge.
        """
        cdef size_t n = 0
        if not self.b.attributes & LF_ATTR_CODEC:
            return self.b.size - LF_BATCH_RECORDS_AT
        lf_heap_unref(self._unpack(&n, max_unpacked))
        return n

    def records(self, *, str topic="", int32_t partition=-1, int64_t max_unpacked=MAX_UNPACKED):
        """Its records as a RecordBatch that says it is of `topic` and `partition`.

        A control batch's marker comes as the record it is. Raises CorruptRecord (whether or not the CRC holds),
        UnsupportedCompression, DecompressionTooLarge.
        """
        cdef RecordBatch out = RecordBatch.__new__(RecordBatch)
        cdef size_t n = 0
        cdef lf_records r
        cdef const char *reason = b""
        cdef int rc
        if not self.b.count:
            return out
        cdef lf_heap *heap = self._unpack(&n, max_unpacked)
        try:
            if self.b.count > <int64_t>n // RECORD_BYTES_MIN:
                self._failed(-1, b"more records than bytes for them", 0)
            lf_records_begin(&r, &self.b, heap.bytes, 0, <uint32_t>n)
            out.add_part(topic, partition, heap.bytes, n, NULL, heap)
            with nogil:
                rc = lf_records_decode(&r, 0, self.b.count, &out.c, &reason)
            if rc:
                self._failed(rc, reason, 0)
        finally:
            lf_heap_unref(heap)
        return out

    def __repr__(self):
        return (f"<Batch of {self.b.count} at {self.b.position}: offsets {self.b.base_offset} to {self.b.last_offset}, "
                f"{self.codec_name}{'' if self.crc_ok else ', crc mismatch'}>")


@cython.final
cdef class BatchScan:
    """Iterates over the batches in a buffer. Not thread-safe.

    Parameters: `data`, any contiguous buffer; `path`, for error messages; `position`, of the buffer's first byte
    in that file. Ends at the end of the buffer or where only zeroes are left (written ahead, or Kafka's
    preallocation). A batch whose checksum fails is handed out with `crc_ok` false, where its header can be.
    Raises CorruptRecord and, for magic 0 and 1, UnsupportedFormat; `resync` goes on behind the damage.
    """

    def __init__(self, data, *, str path="<buffer>", int64_t position=0):
        self.buffer = _Buffer(data)
        self.path = path
        self.origin = position

    @property
    def position(self):
        """int: where the next batch begins, or where the last one could not be read."""
        return self.origin + self.at

    def __iter__(self):
        return self

    def __next__(self):
        cdef const uint8_t *p = <const uint8_t *>self.buffer.view.buf + self.at
        cdef int64_t left = self.buffer.view.len - self.at
        cdef const char *reason = b""
        cdef Batch out
        cdef int rc
        self.missing = 0
        self.zeroes = 0
        if left <= 0:
            raise StopIteration
        if left < LF_BATCH_RECORDS_AT or not lf_get32(p + LF_BATCH_LENGTH_AT):
            if all_zero(p, left):
                self.zeroes = left
                raise StopIteration
        out = Batch.__new__(Batch)
        out.owner = self.buffer
        out.path = self.path
        out.crc_ok = True
        rc = lf_batch_check(p, left, self.origin + self.at, True, &out.b, &reason)
        if rc and rc != LF_E_TRUNCATED and rc != LF_E_MAGIC:
            # Told apart: a header that makes sense over records that do not match it, and no header at all.
            if lf_batch_check(p, left, self.origin + self.at, False, &out.b, &reason) == LF_OK:
                rc = LF_OK
                out.crc_ok = False
        if rc:
            self._refuse(rc, p, left, reason)
        self.at += out.b.size
        return out

    cdef int _refuse(self, int status, const uint8_t *p, int64_t left, const char *reason) except -1:
        if status == LF_E_MAGIC:
            raise errors.UnsupportedFormat(path=self.path, position=self.origin + self.at, reason=reason.decode())
        if status == LF_E_TRUNCATED:
            self.missing = LF_BATCH_RECORDS_AT - left
            if left >= LF_BATCH_RECORDS_AT:
                self.missing = <int64_t>lf_get32(p + LF_BATCH_LENGTH_AT) + LF_BATCH_LENGTH_OVERHEAD - left
        raise errors.CorruptRecord(path=self.path, position=self.origin + self.at, reason=reason.decode())

    def resync(self, int64_t offset=0):
        """Stand before the next whole, right batch whose offsets are not below `offset`, if there is one.

        Looks at every byte from the one behind the damage on; `position` stays when there is none.
        """
        cdef const uint8_t *p = <const uint8_t *>self.buffer.view.buf
        cdef int64_t end = self.buffer.view.len, found, start = self.at + 1
        with nogil:
            found = lf_batch_resync(p, start, end, offset)
        if found < 0:
            return False
        self.at = found
        return True


def encode_batch(records, *, codec="none", level=None, int64_t base_offset=0, int32_t leader_epoch=0,
                 int64_t producer_id=-1, int16_t producer_epoch=-1, int32_t base_sequence=-1, append_time=None,
                 bint transactional=False, bint control=False):
    """One batch v2 as bytes, with consecutive offsets from `base_offset`.

    Parameters: `records`, tuples `(value, key, headers, timestamp)` cut short where you like, or objects with these
    attributes (a Record); `codec`, a name or number; `append_time`, ms, when the log stamped the batch.
    Raises InvalidRecord, UnsupportedCompression, InvalidConfig (level), RecordTooLarge.
    """
    cdef Stage stage = Stage.__new__(Stage)
    cdef int number = _codec_number(codec), attributes
    cdef uint8_t *p
    cdef size_t size
    stage.codec = number
    stage.max_message_bytes = LF_BATCH_MAX_BYTES
    stage.batch_bytes = LF_BATCH_MAX_BYTES
    if level is not None:
        if not -INT32_MAX <= level <= INT32_MAX or lf_codec_check_level(number, level) != LF_OK:
            raise errors.InvalidConfig(name="level", value=level, reason=f"{CODEC_NAMES[number]} has no such level")
        stage.level = level
    for record in records:
        value, key, headers, timestamp = _fields(record)
        stage.put(value, key, headers, timestamp)
    if not stage.b.count:
        raise errors.InvalidRecord(reason="a batch holds at least one record")
    stage.finish()
    p = stage.b.buf
    size = stage.b.start
    attributes = number | (LF_ATTR_TRANSACTIONAL if transactional else 0) | (LF_ATTR_CONTROL if control else 0)
    if append_time is not None:
        attributes |= LF_ATTR_APPEND_TIME
        lf_put64(p + LF_BATCH_MAX_TIMESTAMP_AT, append_time)
    lf_put64(p + LF_BATCH_BASE_OFFSET_AT, base_offset)
    lf_put32(p + LF_BATCH_LEADER_EPOCH_AT, leader_epoch)
    lf_put16(p + LF_BATCH_ATTRIBUTES_AT, attributes)
    lf_put64(p + LF_BATCH_PRODUCER_ID_AT, producer_id)
    lf_put16(p + LF_BATCH_PRODUCER_EPOCH_AT, producer_epoch)
    lf_put32(p + LF_BATCH_BASE_SEQUENCE_AT, base_sequence)
    lf_put32(p + LF_BATCH_CRC_AT, lf_crc32c(0, p + LF_BATCH_ATTRIBUTES_AT, size - LF_BATCH_ATTRIBUTES_AT))
    return PyBytes_FromStringAndSize(<const char *>p, size)


cdef int _codec_number(codec) except -1:
    if isinstance(codec, str):
        if codec not in CODEC_NAMES:
            raise errors.UnsupportedCompression(codec=codec)
        return CODEC_NAMES.index(codec)
    if not 0 <= codec < len(CODEC_NAMES):
        raise errors.UnsupportedCompression(codec=codec)
    return codec


cdef tuple _fields(record):
    """(value, key, headers, timestamp) of what encode_batch takes."""
    if isinstance(record, tuple):
        if not 1 <= len(record) <= 4:
            raise errors.InvalidRecord(reason=f"a record is (value, key, headers, timestamp), not {len(record)} fields")
        return record + (None, None, None, 0)[len(record):]
    return record.value, record.key, record.headers, record.timestamp


def unpickled_record(str topic, int32_t partition, bytes batch):
    """The Record that was pickled, or copied, as a batch of its own."""
    return next(BatchScan(batch)).records(topic=topic, partition=partition)[0]
