"""Text in and out, a buffer at a time: a file's bytes as lines, a column's values as a file's bytes.

Splitting and joining run without the GIL, and make no object for a line.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.string cimport memcmp

cimport cython

from logflume._native.columns cimport ColumnView, RecordBatch
from logflume._native.input_columns cimport ByteColumn, InputColumn, as_column

from logflume._native.input_columns import held_bytes

__all__ = ["Lines", "joined", "keyed_rows", "same_headers", "split_lines"]

cdef extern from "lf/record.h" nogil:
    void lf_copy(uint8_t *to, const uint8_t *source, size_t n) noexcept

cdef extern from "lf/records.h" nogil:
    const uint8_t *lf_headers_skip(const uint8_t *p, const uint8_t *end) noexcept


@cython.final
cdef class _Block:
    """A split buffer: the buffer, and the places of its lines."""

    def __dealloc__(self):
        lf_lines_free(&self.lines)
        if self.has_buffer:
            PyBuffer_Release(&self.buffer)


@cython.final
cdef class Lines(ByteColumn):
    """Lines of a buffer, without their ends; a stretch of them is Lines as well."""

    cdef ByteColumn stretch(self, int64_t start, int64_t stop):
        cdef Lines out = <Lines>ByteColumn.stretch(self, start, stop)
        out.ends = self.ends + start
        return out

    def end(self, int64_t count):
        """int: position in the buffer behind the first `count` lines; 0 for none."""
        if count < 0 or count > self.count:
            raise IndexError(f"{count} of {self.count} lines")
        return self.ends[count - 1] if count else 0

    def starts(self):
        """list[int]: position in the buffer where each line begins; pieces of a long line begin where it does."""
        cdef const uint8_t *base = <const uint8_t *>(<_Block>self.owner).buffer.buf
        cdef list out = [0] * self.count
        cdef int64_t i
        for i in range(1, self.count):
            out[i] = self.ends[i - 1]
        if self.count:
            out[0] = self.items[0].at - base
        return out

    def cut(self, int64_t at, int64_t most):
        """int: where the stretch from `at` on ends, of at most `most` lines, that does not end within a long line that
        was cut into pieces; a line of more pieces than that is a stretch by itself."""
        return lf_lines_cut(self.ends, self.count, at, most)


def split_lines(data, *, bint last=False, int64_t whole_max=1_000_000, int64_t piece_max=1_000_000):
    """Lines: the whole lines of `data`, without newline, or carriage return and newline.

    What follows the last newline counts only with `last`, or when it has `whole_max` bytes. A line of more than
    `piece_max` bytes becomes several. `data` is not copied and must not change while the lines live.
    """
    cdef _Block block = _Block.__new__(_Block)
    cdef Lines out = Lines.__new__(Lines)
    cdef int rc
    PyObject_GetBuffer(data, &block.buffer, PyBUF_SIMPLE)
    block.has_buffer = True
    with nogil:
        rc = lf_lines_split(&block.lines, <const uint8_t *>block.buffer.buf, block.buffer.len, last, whole_max, piece_max)
    if rc:
        raise MemoryError
    out.owner = block
    out.items = block.lines.items
    out.ends = block.lines.ends
    out.count = block.lines.n
    return out


def joined(values, bytes end=b"\n"):
    """bytes: every value followed by `end`; a null counts as empty. Lines that lie so already: a memoryview of them.

    `values`: a list of bytes, a RecordBatch's values, Lines, Packed, or anything that `append_many` takes.
    """
    if isinstance(values, ColumnView):
        return _join_rows(values, end)
    if isinstance(values, Lines) and end == b"\n":
        lying = _as_they_lie(values)
        if lying is not None:
            return lying
    cdef InputColumn column = as_column(held_bytes(values) if isinstance(values, (list, tuple)) else values)
    cdef int64_t end_len = PyBytes_GET_SIZE(end), total = 0
    cdef const uint8_t *end_at = <const uint8_t *>PyBytes_AS_STRING(end)
    cdef uint8_t *to
    cdef int32_t k
    if column is None:
        raise TypeError(f"values are a column or a list of bytes, not {type(values).__name__}")
    with nogil:
        for k in range(column.n_chunks):
            total += lf_joined_size(&column.chunks[k], end_len)
    cdef bytes out = PyBytes_FromStringAndSize(NULL, total)
    to = <uint8_t *>PyBytes_AS_STRING(out)
    with nogil:
        for k in range(column.n_chunks):
            to = lf_join(to, &column.chunks[k], end_at, end_len)
    return out


cdef object _as_they_lie(Lines lines):
    """The stretch of the buffer that the lines are, when each is followed by one newline there; else None."""
    cdef _Block block = <_Block>lines.owner
    cdef const uint8_t *data = <const uint8_t *>block.buffer.buf
    cdef const uint8_t *at
    cdef int64_t size
    with nogil:
        at = lf_lines_as_they_lie(lines.items, lines.ends, lines.count, data, &size)
    if at == NULL:
        return None
    return memoryview(<object>block.buffer.obj).cast("B")[at - data:at - data + size]


cdef bytes _join_rows(ColumnView view, bytes end):
    """As joined, over records where they lie."""
    cdef RecordBatch b = view.batch
    cdef int32_t *length = b.c.key_len if view.is_key else b.c.value_len
    cdef int64_t end_len = PyBytes_GET_SIZE(end), total = <int64_t>b.c.n * end_len
    cdef const uint8_t *end_at = <const uint8_t *>PyBytes_AS_STRING(end)
    cdef const uint8_t *base
    cdef uint8_t *to
    cdef int32_t i, k
    for i in range(b.c.n):
        if length[i] > 0:
            total += length[i]
    cdef bytes out = PyBytes_FromStringAndSize(NULL, total)
    to = <uint8_t *>PyBytes_AS_STRING(out)
    with nogil:
        k = 0
        for i in range(b.c.n):
            while k + 1 < b.n_parts and b.parts[k + 1].first_row <= i:
                k += 1
            if length[i] > 0:
                base = b.parts[k].base + (b.c.key_at[i] if view.is_key else b.c.value_at[i])
                lf_copy(to, base, length[i])
                to += length[i]
            if end_len:
                lf_copy(to, end_at, end_len)
                to += end_len
    return out


def keyed_rows(RecordBatch records):
    """list[tuple[int, bytes]]: the rows that have a key, and their keys."""
    cdef list out = []
    cdef int32_t i
    for i in range(records.c.n):
        if records.c.key_len[i] >= 0:
            out.append((i, records.bytes_at(i, True)))
    return out


def same_headers(RecordBatch records):
    """bool: every record has the headers of the first, in the same order."""
    cdef int32_t i, k = 0, n
    cdef const uint8_t *p
    cdef const uint8_t *end
    cdef const uint8_t *first = NULL
    cdef size_t size = 0
    if records.c.plain:
        return True
    with nogil:
        for i in range(records.c.n):
            while k + 1 < records.n_parts and records.parts[k + 1].first_row <= i:
                k += 1
            n = records.c.value_len[i]
            p = records.parts[k].base + records.c.value_at[i] + (n if n > 0 else 0)
            end = records.parts[k].base + records.parts[k].len
            if first == NULL:
                # The decoder has walked these bytes: no length can lead outside.
                first = p
                size = lf_headers_skip(p, end) - p
            elif <size_t>(end - p) < size or memcmp(p, first, size) != 0:
                first = NULL
                break
    return first != NULL or records.c.n == 0
