"""Rows read from a log, without an object per row until one is asked for.

A RecordBatch holds arrays of offsets, timestamps, and the places of keys and values; the bytes stay where
they are, in the mapped segment or the buffer a batch was decompressed to, both kept alive by the batch.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy

cimport cython

from logflume._native.core cimport (
    lf_columns, lf_columns_free, lf_get_varint, lf_heap_ref, lf_heap_unref, lf_segment_ref, lf_segment_unref,
)
from logflume._native.exported cimport memory_view, numpy_array

__all__ = ["ColumnView", "Record", "RecordBatch"]

# The columns of a batch that was dropped, for the next batch: its pages need not be faulted in anew.
cdef lf_columns spare
cdef int32_t SPARE_ROWS_MAX = 1 << 17

cdef int SHOWN_BYTES_MAX = 200

cdef list NO_TOPICS = []        # of batches without rows


@cython.final
@cython.freelist(64)
@cython.no_gc
cdef class RecordBatch:
    """Records of one or several partitions as columns.

    Rows of one partition are in offset order. Arrays and views point into the batch's memory and into the
    mapped segments; they stay valid as long as any of them lives, also after the log is closed.
    Immutable once handed out, so safe to share between threads.
    """

    def __cinit__(self):
        self.topics = NO_TOPICS

    def __dealloc__(self):
        global spare
        cdef int32_t i
        if self.shared != NULL:
            lf_rows_unref(self.shared)
            return
        for i in range(self.n_parts):
            lf_segment_unref(self.parts[i].segment)
            lf_heap_unref(self.parts[i].heap)
        if self.parts == &self.one_part:
            return
        free(self.parts)
        if self.c.cap <= SPARE_ROWS_MAX and spare.cap == 0:
            spare = self.c
            spare.n = 0
            spare.plain = False
        else:
            lf_columns_free(&self.c)

    cdef int add_part(self, str topic, int32_t partition, const uint8_t *base, size_t length,
                      lf_segment *segment, lf_heap *heap) except -1:
        global spare
        cdef lf_part *p
        cdef int32_t cap
        cdef void *more
        if not self.n_parts:
            self.topics = [topic]
            if not self.c.cap and spare.cap:
                self.c = spare
                spare.cap = 0
        else:
            p = &self.parts[self.n_parts - 1]
            if p.base == base and p.partition == partition and self.topics[p.topic] is topic:
                if length > p.len:
                    p.len = length
                return 0
        if self.n_parts == self.cap_parts:
            cap = self.cap_parts * 2 if self.cap_parts else 4
            more = realloc(self.parts, cap * sizeof(lf_part))
            if more == NULL:
                raise MemoryError
            self.parts = <lf_part *>more
            self.cap_parts = cap
        if self.topics[len(self.topics) - 1] is not topic:
            self.topics.append(topic)
        p = &self.parts[self.n_parts]
        p.base = base
        p.len = length
        p.segment = lf_segment_ref(segment) if segment != NULL else NULL
        p.heap = lf_heap_ref(heap) if heap != NULL else NULL
        p.first_row = self.c.n
        p.partition = partition
        p.topic = <int32_t>len(self.topics) - 1
        self.n_parts += 1
        return 0

    cdef lf_part *part_of(self, int32_t row) noexcept nogil:
        cdef int32_t low = 0, high = self.n_parts, mid
        while low < high:
            mid = (low + high) // 2
            if self.parts[mid].first_row <= row:
                low = mid + 1
            else:
                high = mid
        return &self.parts[low - 1]

    cdef lf_rows *share(self) except NULL:
        """The rows as something that outlives this object; no more may be added from now on. Borrowed."""
        if self.shared == NULL:
            self.shared = lf_rows_new(&self.c, self.parts, self.n_parts)
            if self.shared == NULL:
                raise MemoryError
        return self.shared

    cdef Record record(self, int32_t row):
        cdef Record out = Record.__new__(Record)
        out.batch = self
        out.row = row
        out.part = self.parts if self.n_parts == 1 else self.part_of(row)
        return out

    cdef object bytes_at(self, int32_t row, bint key):
        cdef int32_t n = self.c.key_len[row] if key else self.c.value_len[row]
        if n < 0:
            return None
        cdef const uint8_t *base = self.part_of(row).base
        return PyBytes_FromStringAndSize(<const char *>base + (self.c.key_at[row] if key else self.c.value_at[row]), n)

    def __len__(self):
        return self.c.n

    def __getitem__(self, index):
        """The record in row `index` (negative from the end), or a list of records for a slice."""
        if isinstance(index, slice):
            return [self.record(i) for i in range(*index.indices(self.c.n))]
        cdef Py_ssize_t row = index
        if row < 0:
            row += self.c.n
        if row < 0 or row >= self.c.n:
            raise IndexError(f"row {index} of a batch of {self.c.n}")
        return self.record(<int32_t>row)

    def __iter__(self):
        cdef int32_t i
        for i in range(self.c.n):
            yield self.record(i)

    def records(self):
        """All rows as a list of Record objects."""
        cdef list out = [None] * self.c.n
        cdef int32_t i, k = 0
        cdef Record r
        for i in range(self.c.n):
            while k + 1 < self.n_parts and self.parts[k + 1].first_row <= i:
                k += 1
            r = Record.__new__(Record)
            r.batch = self
            r.row = i
            r.part = &self.parts[k]
            out[i] = r
        return out

    @property
    def offsets(self):
        """numpy int64: offset of each row."""
        return numpy_array(self, self.c.offsets, self.c.n, sizeof(int64_t), b"l")

    @property
    def timestamps(self):
        """numpy int64: milliseconds since 1970 of each row; -1 where none was given."""
        return numpy_array(self, self.c.timestamps, self.c.n, sizeof(int64_t), b"l")

    @property
    def partitions(self):
        """numpy int32: partition of each row."""
        import numpy
        cdef int32_t i, k = 0
        out = numpy.empty(self.c.n, dtype=numpy.int32)
        cdef int32_t *to = <int32_t *><size_t>out.ctypes.data
        for i in range(self.c.n):
            while k + 1 < self.n_parts and self.parts[k + 1].first_row <= i:
                k += 1
            to[i] = self.parts[k].partition
        return out

    @property
    def topic(self):
        """The topic when all rows are of one, else None."""
        names = set(self.topics)
        return names.pop() if len(names) == 1 else None

    @property
    def row_topics(self):
        """list[str]: topic of each row."""
        cdef int32_t i, k = 0
        cdef list out = []
        for i in range(self.c.n):
            while k + 1 < self.n_parts and self.parts[k + 1].first_row <= i:
                k += 1
            out.append(self.topics[self.parts[k].topic])
        return out

    @property
    def values(self):
        """Sequence of memoryviews into the segments (None for null values), without a copy."""
        return _view(self, False)

    @property
    def keys(self):
        """Sequence of memoryviews into the segments (None for null keys), without a copy."""
        return _view(self, True)

    @property
    def value_lengths(self):
        """numpy int32: bytes of each value, -1 for null."""
        return numpy_array(self, self.c.value_len, self.c.n, sizeof(int32_t), b"i")

    @property
    def nbytes(self):
        """Bytes of all keys and values."""
        cdef int64_t total = 0
        cdef int32_t i
        for i in range(self.c.n):
            total += max(self.c.value_len[i], 0) + max(self.c.key_len[i], 0)
        return total

    def to_numpy(self):
        """The columns as numpy arrays: `{"partition", "offset", "timestamp", "key", "value"}`.

        Keys and values are object arrays of bytes (None for null): one copy each. For values of one
        width, `batch.values.to_numpy(dtype)` gives a typed array instead.
        """
        return {
            "partition": self.partitions,
            "offset": self.offsets,
            "timestamp": self.timestamps,
            "key": self.keys.to_numpy(),
            "value": self.values.to_numpy(),
        }

    def to_arrow(self, *, views=True):
        """A pyarrow.Table over the same memory (`__arrow_c_stream__` needs no pyarrow). Raises MissingExtra.

        `views=False`: keys and values as binary, copied, for libraries that do not know binary_view.
        """
        from logflume._native.arrow_stream import pyarrow_table
        return pyarrow_table(self if views else _Copied(self))

    def __arrow_c_stream__(self, requested_schema=None):
        """Arrow PyCapsule interface: Polars, DuckDB, pandas and pyarrow read the batch through this.

        The columns are described in `logflume._native.arrow_stream`.
        """
        from logflume._native.arrow_stream import export_stream
        return export_stream(self, requested_schema)

    def __repr__(self):
        if not self.c.n:
            return "RecordBatch(0 records)"
        where = ", ".join(sorted({f"{self.topics[self.parts[i].topic]}-{self.parts[i].partition}"
                                  for i in range(self.n_parts)}))
        return f"RecordBatch({self.c.n} records of {where})"


@cython.final
@cython.internal
cdef class _Copied:
    """Stands for a batch where its keys and values are to be binary, not binary_view."""

    cdef RecordBatch batch

    def __cinit__(self, RecordBatch batch):
        self.batch = batch

    def __arrow_c_stream__(self, requested_schema=None):
        from logflume._native.arrow_stream import export_stream
        return export_stream(self.batch, views=False)


cdef ColumnView _view(RecordBatch batch, bint is_key):
    cdef ColumnView out = ColumnView.__new__(ColumnView)
    out.batch = batch
    out.is_key = is_key
    return out


@cython.final
cdef class ColumnView:
    """The values or the keys of a batch: a sequence of read-only memoryviews, None for null."""

    def __len__(self):
        return self.batch.c.n

    cdef object _memory(self, int32_t row):
        cdef RecordBatch b = self.batch
        cdef int32_t n = b.c.key_len[row] if self.is_key else b.c.value_len[row]
        if n < 0:
            return None
        cdef uint32_t at = b.c.key_at[row] if self.is_key else b.c.value_at[row]
        return memory_view(b, b.part_of(row).base + at, n, 1, b"B")

    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self._memory(i) for i in range(*index.indices(self.batch.c.n))]
        cdef Py_ssize_t row = index
        if row < 0:
            row += self.batch.c.n
        if row < 0 or row >= self.batch.c.n:
            raise IndexError(f"row {index} of a batch of {self.batch.c.n}")
        return self._memory(<int32_t>row)

    def __iter__(self):
        cdef int32_t i
        for i in range(self.batch.c.n):
            yield self._memory(i)

    def __arrow_c_array__(self, requested_schema=None):
        """Arrow PyCapsule interface: the column as binary_view, without a copy."""
        from logflume._native.arrow_stream import export_column
        return export_column(self.batch, self.is_key, requested_schema)

    def tolist(self):
        """list[bytes | None]: a copy of each, the fastest way to Python bytes."""
        cdef RecordBatch b = self.batch
        cdef list out = [None] * b.c.n
        cdef int32_t i, k = 0
        cdef int32_t *length = b.c.key_len if self.is_key else b.c.value_len
        cdef uint32_t *at = b.c.key_at if self.is_key else b.c.value_at
        for i in range(b.c.n):
            while k + 1 < b.n_parts and b.parts[k + 1].first_row <= i:
                k += 1
            if length[i] >= 0:
                out[i] = PyBytes_FromStringAndSize(<const char *>b.parts[k].base + at[i], length[i])
        return out

    def iter_bytes(self):
        """Iterator of bytes | None: a copy of each when its turn comes, so that large values stay in the caches."""
        cdef _Bytes out = _Bytes.__new__(_Bytes)
        out.batch = self.batch
        out.length = self.batch.c.key_len if self.is_key else self.batch.c.value_len
        out.at = self.batch.c.key_at if self.is_key else self.batch.c.value_at
        return out

    def to_numpy(self, dtype=None):
        """An object array of bytes; with `dtype`, each value is one item of it (all must have its size; where numpy pads
        with NULs, dtype `S`, at most its size).

        Raises ValueError naming the first row of another size.
        """
        import numpy
        cdef RecordBatch b = self.batch
        cdef int32_t i, k = 0
        if dtype is None:
            out = numpy.empty(b.c.n, dtype=object)
            out[:] = self.tolist()
            return out
        wanted = numpy.dtype(dtype)
        if wanted.hasobject:
            raise ValueError(f"dtype {wanted} does not describe plain bytes")
        cdef int32_t size = wanted.itemsize
        cdef bint padded = wanted.kind == "S"
        typed = numpy.zeros(b.c.n, dtype=wanted) if padded else numpy.empty(b.c.n, dtype=wanted)
        cdef uint8_t *to = <uint8_t *><size_t>typed.ctypes.data
        cdef int32_t *length = b.c.key_len if self.is_key else b.c.value_len
        cdef uint32_t *at = b.c.key_at if self.is_key else b.c.value_at
        cdef int32_t bad = -1
        with nogil:
            for i in range(b.c.n):
                while k + 1 < b.n_parts and b.parts[k + 1].first_row <= i:
                    k += 1
                if length[i] != size and not (padded and 0 <= length[i] < size):
                    bad = i
                    break
                memcpy(to + <size_t>i * size, b.parts[k].base + at[i], length[i])
        if bad >= 0:
            raise ValueError(f"row {bad} has {length[bad]} bytes, dtype {wanted} has {size}")
        return typed

    def __eq__(self, other):
        if isinstance(other, (ColumnView, list, tuple)):
            return len(self) == len(other) and all(a == b for a, b in zip(self, other))
        return NotImplemented

    def __repr__(self):
        return f"<{'keys' if self.is_key else 'values'} of {self.batch!r}>"


@cython.final
@cython.internal
cdef class _Bytes:
    """Hands out a column's values one by one."""

    cdef RecordBatch batch
    cdef const int32_t *length
    cdef const uint32_t *at
    cdef int32_t row, part

    def __iter__(self):
        return self

    def __next__(self):
        cdef RecordBatch b = self.batch
        cdef int32_t i = self.row
        if i >= b.c.n:
            raise StopIteration
        while self.part + 1 < b.n_parts and b.parts[self.part + 1].first_row <= i:
            self.part += 1
        self.row = i + 1
        if self.length[i] < 0:
            return None
        return PyBytes_FromStringAndSize(<const char *>b.parts[self.part].base + self.at[i], self.length[i])


@cython.final
@cython.freelist(512)
@cython.no_gc
cdef class Record:
    """One record. Its bytes are read from the batch when asked for; it keeps that batch alive."""

    @property
    def topic(self):
        """str: the topic's name."""
        return self.batch.topics[self.part.topic]

    @property
    def partition(self):
        """int: the partition's number."""
        return self.part.partition

    @property
    def offset(self):
        """int: place in the partition."""
        return self.batch.c.offsets[self.row]

    @property
    def timestamp(self):
        """int: milliseconds since 1970, -1 when none."""
        return self.batch.c.timestamps[self.row]

    @property
    def value(self):
        """bytes, or None for a null value (a tombstone)."""
        cdef int32_t n = self.batch.c.value_len[self.row]
        if n < 0:
            return None
        return PyBytes_FromStringAndSize(<const char *>self.part.base + self.batch.c.value_at[self.row], n)

    @property
    def key(self):
        """bytes, or None."""
        cdef int32_t n = self.batch.c.key_len[self.row]
        if n < 0:
            return None
        return PyBytes_FromStringAndSize(<const char *>self.part.base + self.batch.c.key_at[self.row], n)

    @property
    def headers(self):
        """list[tuple[str, bytes | None]], in the order written."""
        cdef int32_t n = self.batch.c.value_len[self.row], count, length
        cdef const uint8_t *p = self.part.base + self.batch.c.value_at[self.row] + (n if n > 0 else 0)
        cdef const uint8_t *end = self.part.base + self.part.len
        cdef list out = []
        # The decoder has walked these bytes: no length can lead outside.
        p = lf_get_varint(p, end, &count)
        while count > 0:
            count -= 1
            p = lf_get_varint(p, end, &length)
            name = PyBytes_FromStringAndSize(<const char *>p, length).decode("utf-8", "surrogateescape")
            p = lf_get_varint(p + length, end, &length)
            if length < 0:
                out.append((name, None))
            else:
                out.append((name, PyBytes_FromStringAndSize(<const char *>p, length)))
                p += length
        return out

    def __eq__(self, other):
        if not isinstance(other, Record):
            return NotImplemented
        return ((self.topic, self.partition, self.offset, self.timestamp, self.key, self.value, self.headers)
                == (other.topic, other.partition, other.offset, other.timestamp, other.key, other.value, other.headers))

    def __hash__(self):
        return hash((self.topic, self.partition, self.offset))

    def __reduce__(self):
        from logflume._native.batches import encode_batch, unpickled_record
        return unpickled_record, (self.topic, self.partition, encode_batch([self], base_offset=self.offset))

    def __repr__(self):
        return (f"Record(topic={self.topic!r}, partition={self.partition}, offset={self.offset}, "
                f"timestamp={self.timestamp}, key={_shown(self.key)}, value={_shown(self.value)}, headers={self.headers!r})")


cdef str _shown(object data):
    """For people: of a large key or value its beginning, and how long it is."""
    return repr(data) if data is None or len(data) <= SHOWN_BYTES_MAX else f"{data[:SHOWN_BYTES_MAX]!r}... ({len(data)} bytes)"
