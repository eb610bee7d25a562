"""A partition with look-ups: what users and the upper layers hold."""

from libc.stdint cimport INT32_MAX, int32_t, int64_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memmove

cimport cython

from logflume import errors
from logflume._native.waiting import wait_any

from logflume._native.columns cimport RecordBatch
from logflume._native.core cimport *
from logflume._native.partition_reader cimport PartitionReader
from logflume._native.partition_transactions cimport PartitionTransactions

__all__ = ["Partition"]

cdef double FOREVER_S = 1e9

# Rows decoded for look-ups that a partition keeps, 32 bytes each; then it begins anew.
cdef int64_t CACHE_ROWS_MAX = 2_000_000
# A batch of more records than this is decoded when it is met the second time, or in the neighbourhood.
cdef int32_t GLANCE_FROM = 32

cdef enum:
    # More batches than the cache has room for, or none would be met again in a random order; and some to a place, or those
    # that share one would displace each other for ever.
    MET_BITS = 12
    MET_WAYS = 4


@cython.final
@cython.internal
cdef class LookupCache:
    """Decoded neighbourhoods of offsets that were looked up: a dense index of what is hot."""

    def __cinit__(self):
        self.batches = []

    def __dealloc__(self):
        free(self.firsts)
        free(self.lasts)
        free(self.met)

    cdef bint meets_again(self, int64_t base_offset) except -1:
        """Whether that batch was asked about before, as far as is remembered."""
        cdef size_t place = (<uint64_t>base_offset * <uint64_t>0x9E3779B97F4A7C15) >> (64 - MET_BITS)
        cdef int64_t *row
        cdef int i
        if self.met == NULL:
            self.met = <int64_t *>calloc(<size_t>MET_WAYS << MET_BITS, sizeof(int64_t))
            if self.met == NULL:
                raise MemoryError
        row = self.met + place * MET_WAYS
        for i in range(MET_WAYS):
            if row[i] == base_offset + 1:
                return True
        memmove(row + 1, row, (MET_WAYS - 1) * sizeof(int64_t))
        row[0] = base_offset + 1
        return False

    cdef int32_t place(self, int64_t offset) noexcept nogil:
        """Index of the first batch that begins behind `offset`."""
        cdef int32_t low = 0, high = self.n, mid
        while low < high:
            mid = (low + high) >> 1
            if self.firsts[mid] <= offset:
                low = mid + 1
            else:
                high = mid
        return low

    cdef RecordBatch find(self, int64_t offset, int32_t *row):
        cdef int32_t i = self.place(offset) - 1, low, high, mid
        cdef RecordBatch batch
        if i < 0 or self.lasts[i] < offset:
            return None
        batch = <RecordBatch>self.batches[i]
        row[0] = <int32_t>(offset - self.firsts[i])
        if row[0] < batch.c.n and batch.c.offsets[row[0]] == offset:
            return batch
        # Gaps left by compaction: search.
        low = 0
        high = batch.c.n
        while low < high:
            mid = (low + high) >> 1
            if batch.c.offsets[mid] < offset:
                low = mid + 1
            else:
                high = mid
        row[0] = low
        return batch if low < batch.c.n and batch.c.offsets[low] == offset else None

    cdef int insert(self, RecordBatch batch) except -1:
        cdef int64_t first = batch.c.offsets[0], last = batch.c.offsets[batch.c.n - 1]
        cdef int32_t i, cap
        cdef void *more
        if self.rows + batch.c.n > CACHE_ROWS_MAX:
            self.batches = []
            self.n = 0
            self.rows = 0
        i = self.place(first)
        if i < self.n and self.firsts[i] <= last:
            last = self.firsts[i] - 1
        if i > 0 and self.lasts[i - 1] >= first:
            return 0
        if self.n == self.cap:
            cap = self.cap * 2 if self.cap else 64
            more = realloc(self.firsts, cap * sizeof(int64_t))
            if more == NULL:
                raise MemoryError
            self.firsts = <int64_t *>more
            more = realloc(self.lasts, cap * sizeof(int64_t))
            if more == NULL:
                raise MemoryError
            self.lasts = <int64_t *>more
            self.cap = cap
        memmove(self.firsts + i + 1, self.firsts + i, (self.n - i) * sizeof(int64_t))
        memmove(self.lasts + i + 1, self.lasts + i, (self.n - i) * sizeof(int64_t))
        self.batches.insert(i, batch)
        self.firsts[i] = first
        self.lasts[i] = last
        self.n += 1
        self.rows += batch.c.n
        return 0


cdef class Partition(PartitionTransactions):
    """One partition of a topic: direct access, without a producer, a consumer or a group."""

    def __cinit__(self):
        self.cache = LookupCache.__new__(LookupCache)

    cdef RecordBatch locate(self, int64_t offset, int32_t *row):
        """The decoded batch and the row of `offset`, or of the next record where compaction removed it."""
        cdef lf_log *log = self.log
        cdef RecordBatch batch
        cdef int32_t i
        if log == NULL or self.closing:
            self.enter()
        if offset >= log.state.start_offset and offset < log.state.end_offset:
            if self.cache.swaps != log.state.swaps:
                # What compaction removed must not go on being found here and nowhere else.
                self.cache = LookupCache.__new__(LookupCache)
                self.cache.swaps = log.state.swaps
            batch = self.cache.find(offset, row)
            if batch is None:
                batch = self._decode_near(offset)
                i = 0
                while i < batch.c.n and batch.c.offsets[i] < offset:
                    i += 1
                row[0] = i
                if i == batch.c.n:
                    batch = self._first_from(offset)
                    row[0] = 0
            if row[0] < batch.c.n:
                return batch
        raise errors.OffsetOutOfRange(topic=self.topic, partition=self.partition, offset=offset,
                                      start_offset=log.state.start_offset, end_offset=log.state.end_offset)

    cdef RecordBatch _decode_near(self, int64_t offset):
        """Decodes the batch of `offset` and some that follow; what is cached already is not decoded twice."""
        cdef PartitionReader reader = self.spare_reader
        cdef RecordBatch batch = RecordBatch.__new__(RecordBatch)
        self.spare_reader = None    # another thread makes its own meanwhile
        if reader is None:
            reader = PartitionReader(self, offset)
        reader.seek_batch(offset)
        # Most look-ups that come once come never again.
        if reader.batch.count > GLANCE_FROM and not self.cache.meets_again(reader.batch.base_offset):
            reader.glance_into(batch, offset)
            if batch.c.n:
                self.spare_reader = reader
                return batch
            reader.seek_batch(offset)   # the rest of this batch was compacted away: the next record is elsewhere
        reader.read_into(batch, 8192, 16384)
        if batch.c.n:
            self.cache.insert(batch)
        self.spare_reader = reader
        return batch

    cdef RecordBatch _first_from(self, int64_t offset):
        """The next record alone, where compaction took all up to the end of the batch of `offset`; empty at the end."""
        cdef PartitionReader reader = PartitionReader(self, offset)
        cdef RecordBatch batch = RecordBatch.__new__(RecordBatch)
        cdef int64_t before = -1
        while not batch.c.n and reader.next != before:
            before = reader.next
            reader.read_into(batch, 1, 1)
        return batch

    def close(self):
        """Close; see PartitionLog.close."""
        self.spare_reader = None
        self.cache = LookupCache.__new__(LookupCache)
        PartitionTransactions.close(self)

    @cython.binding(False)      # a plain builtin: the interpreter calls it directly
    @cython.embedsignature.format("clinic")
    def read(self, Py_ssize_t offset):
        """The record at `offset` (or the next one, where compaction removed it).

        Raises OffsetOutOfRange, CorruptRecord.
        """
        cdef int32_t row = 0
        cdef RecordBatch batch = self.locate(offset, &row)
        return batch.record(row)

    def lookup(self, offsets):
        """The records at `offsets` (int64 array or sequence), in that order, as one RecordBatch."""
        import numpy
        array = numpy.asarray(offsets)
        if array.dtype.kind not in "iub" and array.size:
            raise TypeError(f"offsets: whole numbers are needed, not {array.dtype}")
        array = numpy.ascontiguousarray(array, dtype=numpy.int64)
        if array.ndim != 1:
            raise ValueError(f"offsets: a 1-d array is needed, not {array.ndim}-d")
        cdef const int64_t *wanted = <const int64_t *><size_t>array.ctypes.data
        cdef RecordBatch out = RecordBatch.__new__(RecordBatch), batch
        cdef Py_ssize_t i, n = len(array)
        cdef int32_t row = 0, k
        cdef lf_part *part
        if lf_columns_reserve(&out.c, <int32_t>n):
            raise MemoryError
        for i in range(n):
            batch = self.locate(wanted[i], &row)
            part = batch.part_of(row)
            out.add_part(self.topic, self.partition, part.base, part.len, part.segment, part.heap)
            k = out.c.n
            out.c.offsets[k] = batch.c.offsets[row]
            out.c.timestamps[k] = batch.c.timestamps[row]
            out.c.value_at[k] = batch.c.value_at[row]
            out.c.value_len[k] = batch.c.value_len[row]
            out.c.key_at[k] = batch.c.key_at[row]
            out.c.key_len[k] = batch.c.key_len[row]
            out.c.n = k + 1
        return out

    def reader(self, offset=None, *, bint read_committed=False):
        """A PartitionReader that stands at `offset` (default: the start)."""
        return PartitionReader(self, self.start_offset if offset is None else offset, read_committed=read_committed)

    def batches(self, offset=None, *, check_crcs=True):
        """A BatchReader from the batch that holds `offset` on (default: the start): whole batches, nothing decoded."""
        from logflume._native.batch_reader import BatchReader
        return BatchReader(self, self.start_offset if offset is None else offset, check_crcs=check_crcs)

    def read_batch(self, Py_ssize_t offset, Py_ssize_t max_records=100_000, Py_ssize_t max_bytes=1 << 20, *,
                   bint read_committed=False):
        """Records from `offset` on as a RecordBatch (empty at the end). Raises OffsetOutOfRange, CorruptRecord."""
        cdef PartitionReader reader = PartitionReader(self, offset, read_committed=read_committed)
        cdef RecordBatch out = RecordBatch.__new__(RecordBatch)
        reader.read_into(out, <int32_t>min(max_records, <Py_ssize_t>INT32_MAX), max_bytes)
        return out

    def wait(self, Py_ssize_t offset, timeout=None, *, bint read_committed=False):
        """Block until end_offset (or last_stable_offset) > `offset`; False when `timeout` seconds (None: no end) have
        passed."""
        return wait_any([(self, offset, read_committed)], FOREVER_S if timeout is None else timeout)

    def offset_for_time(self, Py_ssize_t timestamp):
        """Offset of the first record (in offset order) at or after `timestamp` (ms), or None when there is none."""
        found = PartitionReader(self, self.start_offset).seek_to_time(timestamp)
        return None if found is None else found[0]

    def __repr__(self):
        if self.closed:
            return f"<Partition {self.topic}-{self.partition}, closed>"
        return f"<Partition {self.topic}-{self.partition}: {self.start_offset} to {self.end_offset}>"
