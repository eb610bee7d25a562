"""Windows of partitions: the records between two offsets and two times, batch after batch, and as an Arrow stream.

A window is read through the index: what lies outside it is not touched. Its last batch is cut by rows.
"""

from cpython.ref cimport Py_INCREF, Py_XDECREF, PyObject
from libc.errno cimport EIO
from libc.stdint cimport INT64_MAX, INT64_MIN, int32_t, int64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset, strncpy

cimport cython

from logflume._native.arrow_abi cimport ArrowArray, ArrowArrayStream, ArrowSchema
from logflume._native.arrow_stream cimport (
    begin_stream,
    form_of,
    lf_arrow_form,
    lf_arrow_schema,
    schema_capsule,
    stream_capsule,
)
from logflume._native.columns cimport RecordBatch
from logflume._native.core cimport lf_columns
from logflume._native.partition_reader cimport PartitionReader

__all__ = ["WindowReader", "export_batches", "export_schema"]

cdef extern from "lf/batch_layout.h" nogil:
    int64_t LF_NO_TIMESTAMP

cdef extern from "Python.h" nogil:
    int Py_IsInitialized()

cdef enum:
    REASON_BYTES = 512


cdef int32_t _rows_below(const lf_columns *c, int64_t stop) noexcept nogil:
    """Rows whose offset is below `stop`; they are in offset order."""
    cdef int32_t low = 0, high = c.n, mid
    while low < high:
        mid = (low + high) >> 1
        if c.offsets[mid] < stop:
            low = mid + 1
        else:
            high = mid
    return low


cdef int _keep_times(RecordBatch batch, int64_t start, int64_t stop) noexcept nogil:
    """Drops the rows whose time is not in [start, stop), in place; rows without a time are in no window."""
    cdef lf_columns *c = &batch.c
    cdef int32_t i = 0, to, part, end
    while i < c.n and c.timestamps[i] >= start and c.timestamps[i] < stop and c.timestamps[i] != LF_NO_TIMESTAMP:
        i += 1
    if i == c.n:
        return 0        # as nearly always: the log is in the order of time
    to = 0
    i = 0
    for part in range(batch.n_parts):
        end = batch.parts[part + 1].first_row if part + 1 < batch.n_parts else c.n
        batch.parts[part].first_row = to
        while i < end:
            if c.timestamps[i] >= start and c.timestamps[i] < stop and c.timestamps[i] != LF_NO_TIMESTAMP:
                c.offsets[to] = c.offsets[i]
                c.timestamps[to] = c.timestamps[i]
                c.value_at[to] = c.value_at[i]
                c.value_len[to] = c.value_len[i]
                c.key_at[to] = c.key_at[i]
                c.key_len[to] = c.key_len[i]
                to += 1
            i += 1
    c.n = to
    return 0


@cython.final
cdef class WindowReader:
    """Reads the records of one partition with offsets in [reader.position, stop_offset) and times in
    [start_ms, stop_ms). Not thread-safe.

    `reader` stands at the first offset wanted; without times, None.
    """

    def __init__(self, PartitionReader reader not None, int64_t stop_offset, start_ms=None, stop_ms=None):
        self.reader = reader
        self.stop_offset = stop_offset
        self.timed = start_ms is not None or stop_ms is not None
        self.start_ms = INT64_MIN if start_ms is None else start_ms
        self.stop_ms = INT64_MAX if stop_ms is None else stop_ms

    def read(self, int32_t max_records=100_000, int64_t max_bytes=4 << 20):
        """The next records of the window, None behind the last. Raises as PartitionReader.read."""
        cdef RecordBatch out
        cdef int64_t left
        while self.reader.next < self.stop_offset:
            out = RecordBatch.__new__(RecordBatch)
            # No record takes less than an offset: a short window does not decode a large batch to its end.
            left = self.stop_offset - self.reader.next
            if not self.reader.read_into(out, <int32_t>min(left, <int64_t>max_records), max_bytes):
                return None
            with nogil:
                out.c.n = _rows_below(&out.c, self.stop_offset)
                if self.timed:
                    _keep_times(out, self.start_ms, self.stop_ms)
            if out.c.n:
                return out
        return None


# ---- a stream that fetches batch after batch as it is asked for arrays

ctypedef struct pulled:
    PyObject *batches           # an iterator of RecordBatch
    lf_arrow_form form
    ArrowArrayStream inner      # of the batch at hand; without `release`, none
    char reason[REASON_BYTES]


cdef int _schema(ArrowArrayStream *stream, ArrowSchema *out) noexcept nogil:
    cdef pulled *p = <pulled *>stream.private_data
    return EIO if lf_arrow_schema(&p.form, out) else 0


cdef void _drop(pulled *p) noexcept with gil:
    cdef PyObject *batches = p.batches
    p.batches = NULL
    Py_XDECREF(batches)


cdef int _fetch(pulled *p) noexcept with gil:
    """The next batch's stream into `inner`: 1, 0 behind the last, -1 when it failed."""
    cdef RecordBatch batch
    try:
        if p.batches == NULL:
            return 0
        found = next(<object>p.batches, None)
        if found is None:
            _drop(p)
            return 0
        batch = <RecordBatch?>found
        begin_stream(batch, &p.form, &p.inner)
        return 1
    except BaseException as error:
        text = f"{type(error).__name__}: {error}".encode()
        strncpy(p.reason, text, REASON_BYTES - 1)
        return -1


cdef int _next(ArrowArrayStream *stream, ArrowArray *out) noexcept nogil:
    cdef pulled *p = <pulled *>stream.private_data
    cdef const char *reason
    cdef int rc
    memset(out, 0, sizeof(ArrowArray))
    while True:
        if p.inner.release == NULL:
            rc = _fetch(p)
            if rc <= 0:
                return -rc * EIO
        rc = p.inner.get_next(&p.inner, out)
        if rc:
            reason = p.inner.get_last_error(&p.inner)
            if reason != NULL:
                strncpy(p.reason, reason, REASON_BYTES - 1)
            return rc
        if out.release != NULL:
            return 0
        p.inner.release(&p.inner)


cdef const char *_last_error(ArrowArrayStream *stream) noexcept nogil:
    return (<pulled *>stream.private_data).reason


cdef void _release(ArrowArrayStream *stream) noexcept nogil:
    cdef pulled *p = <pulled *>stream.private_data
    if p.inner.release != NULL:
        p.inner.release(&p.inner)
    # Read to its end there is nothing left of Python's, and no need for the GIL, nor for an interpreter.
    if p.batches != NULL and Py_IsInitialized():
        _drop(p)
    free(p)
    stream.release = NULL


def export_batches(batches, requested_schema=None, *, columns=None, views=True):
    """PyCapsule "arrow_array_stream" of an iterator of RecordBatches, fetched as the consumer asks.

    What the iterator raises ends the stream, with type and message as its error. `columns`, `views` and
    `requested_schema`: as in `arrow_stream.export_stream`. The consumer may read it in any thread, one at a time.
    """
    cdef lf_arrow_form form
    cdef pulled *p
    cdef ArrowArrayStream *stream
    form_of(columns, requested_schema, views, &form)
    iterator = iter(batches)
    stream = <ArrowArrayStream *>malloc(sizeof(ArrowArrayStream))
    p = <pulled *>malloc(sizeof(pulled))
    if stream == NULL or p == NULL:
        free(stream)
        free(p)
        raise MemoryError
    memset(p, 0, sizeof(pulled))
    p.form = form
    Py_INCREF(iterator)
    p.batches = <PyObject *>iterator
    stream.get_schema = _schema
    stream.get_next = _next
    stream.get_last_error = _last_error
    stream.release = _release
    stream.private_data = p
    return stream_capsule(stream)


def export_schema(*, columns=None, views=True):
    """PyCapsule "arrow_schema" of the columns (names; None for all). Raises InvalidConfig for unknown ones."""
    cdef lf_arrow_form form
    form_of(columns, None, views, &form)
    return schema_capsule(&form)
