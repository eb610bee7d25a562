"""A partition with look-ups: what users and the upper layers hold."""

import os

from libc.stdint cimport INT32_MAX, int32_t, int64_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memmove

cimport cython

from logflume import errors
from logflume._native.waiting import wait_any

from logflume._native.columns cimport RecordBatch, lf_row
from logflume._native.core cimport *
from logflume._native.partition_reader cimport PartitionReader
from logflume._native.partition_transactions cimport PartitionTransactions
from logflume._native.row_picker cimport add_row, one_row, push_row

__all__ = ["Partition"]

cdef double FOREVER_S = 1e9

cdef extern from "lf/lookup.h" nogil:
    ctypedef struct lf_place:
        lf_segment *segment
        lf_records records
    int32_t lf_lookup(lf_log *log, const int64_t *offsets, int32_t n, lf_place *places) noexcept

cdef extern from "lf/records.h" nogil:
    int lf_records_next(lf_records *r, lf_row *row, const char **reason) noexcept

# What a partition keeps of batches that were unpacked and decoded for look-ups; then a quarter goes. Unpacking one again
# costs thirty times what finding it does, so this is not little; but not what a machine cannot spare.
cdef int64_t CACHE_BYTES_MAX = min(1 << 30, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 16)
# A batch of more records than this is decoded when it is met the second time, or in the neighbourhood.
cdef int32_t GLANCE_FROM = 32

cdef enum:
    # More batches than the cache has room for, or none would be met again in a random order; and some to a place, or those
    # that share one would displace each other for ever.
    MET_BITS = 12
    MET_WAYS = 4
    NEIGHBOURHOOD_BYTES = 16384     # that are decoded at once, where batches are small
    LOOKUPS_AT_ONCE = 32            # their lines are on the way from memory at the same time


@cython.final
@cython.internal
cdef class LookupCache:
    """Decoded neighbourhoods of offsets that were looked up, of batches that lf_lookup() cannot look into: compressed ones,
    and ones with gaps."""

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

    cdef int insert(self, RecordBatch batch, int64_t bytes_max) except -1:
        cdef int64_t first = batch.c.offsets[0], last = batch.c.offsets[batch.c.n - 1]
        cdef int32_t i, cap
        cdef void *more
        while self.n and self.bytes > bytes_max:
            self._drop_quarter()
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
        self.bytes += bytes_of(batch)
        return 0

    cdef int _drop_quarter(self) except -1:
        """Each time the next one, so that what is asked for all over the log is found as often as there is room for it."""
        cdef int32_t n = self.n // 4 + 1, first, i
        self.quarter = (self.quarter + 1) % 4
        first = min(self.quarter * n, self.n - n)
        for i in range(first, first + n):
            self.bytes -= bytes_of(<RecordBatch>self.batches[i])
        del self.batches[first:first + n]
        self.n -= n
        memmove(self.firsts + first, self.firsts + first + n, (self.n - first) * sizeof(int64_t))
        memmove(self.lasts + first, self.lasts + first + n, (self.n - first) * sizeof(int64_t))
        return 0


cdef int64_t bytes_of(RecordBatch batch) noexcept:
    """Of its columns, and of what was unpacked for it."""
    cdef int64_t total = <int64_t>batch.c.cap * sizeof(lf_row)
    cdef int32_t i
    for i in range(batch.n_parts):
        if batch.parts[i].heap != NULL:
            total += batch.parts[i].len
    return total


cdef class Partition(PartitionTransactions):
    """One partition of a topic: direct access, without a producer, a consumer or a group."""

    def __cinit__(self):
        self.cache = LookupCache.__new__(LookupCache)
        self._lookup_cache_bytes = CACHE_BYTES_MAX

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
            batch = self.cache.find(offset, row) if self.cache.n else None
            if batch is None:
                batch = self._find_alone(offset)
                if batch is not None:
                    row[0] = 0
                    return batch
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

    cdef RecordBatch _find_alone(self, int64_t offset):
        """The record at `offset` as a batch of its own, or None where its batch has to be decoded."""
        cdef lf_place place
        cdef const char *reason
        cdef RecordBatch out
        cdef int32_t found = lf_lookup(self.enter(), &offset, 1, &place)
        self.leave()
        if not found:
            return None
        if self.topics is None:
            self.topics = [self.topic]
        out = one_row(self.topics, self.partition, place.records.base, place.records.end, place.segment)
        return None if lf_records_next(&place.records, &out.one, &reason) or out.one.offset != offset else out

    cdef RecordBatch _decode_near(self, int64_t offset):
        """Decodes the batch of `offset` and some that follow; what is cached already is not decoded twice."""
        cdef PartitionReader reader = self.spare_reader
        cdef RecordBatch batch = RecordBatch.__new__(RecordBatch)
        cdef lf_part *part
        cdef int64_t taken = 0      # unpacked: a hundred bytes may be a megabyte
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
        if not reader.batch.attributes & LF_ATTR_CODEC:
            reader.read_into(batch, 8192, NEIGHBOURHOOD_BYTES)
            taken = NEIGHBOURHOOD_BYTES
        while taken < NEIGHBOURHOOD_BYTES:
            try:
                if not reader.read_into(batch, 8192, 1):
                    break
            except errors.LogflumeError:
                if not batch.c.n:
                    raise
                break       # what was asked for is good; a neighbour's damage is told to who asks for that
            part = &batch.parts[batch.n_parts - 1]
            taken += part.len if part.heap != NULL else reader.batch.size
        if batch.c.n:
            self.cache.insert(batch, self._lookup_cache_bytes)
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
        cdef Py_ssize_t i = 0, n = len(array)
        cdef int32_t row = 0
        if lf_columns_reserve(&out.c, <int32_t>n):
            raise MemoryError
        while i < n:
            # What has to be decoded is asked for one by one, and kept.
            found = 0 if self.cache.n else self._find_some(wanted + i, <int32_t>min(n - i, LOOKUPS_AT_ONCE), out)
            if not found:
                batch = self.locate(wanted[i], &row)
                add_row(out, batch, row)
                found = 1
            i += found
        return out

    cdef int32_t _find_some(self, const int64_t *offsets, int32_t n, RecordBatch out) except -1:
        """Adds the first of the records at `offsets`: how many. 0: the first one's batch has to be decoded."""
        cdef lf_place places[LOOKUPS_AT_ONCE]
        cdef lf_place *p
        cdef lf_row row
        cdef const char *reason
        cdef lf_log *log = self.enter()
        cdef int32_t i, found, good = 0
        with nogil:
            found = lf_lookup(log, offsets, n, places)
        self.leave()
        for i in range(found):
            p = &places[i]
            try:
                if good == i and not lf_records_next(&p.records, &row, &reason) and row.offset == offsets[i]:
                    out.add_part(self.topic, self.partition, p.records.base, p.records.end, p.segment, NULL)
                    push_row(out, &row)
                    good += 1
            finally:
                lf_segment_unref(p.segment)
        return good

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
