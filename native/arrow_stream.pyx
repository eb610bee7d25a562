"""Batches of records handed to Polars, DuckDB, pyarrow and others through Arrow's C interfaces.

The columns, the same for every batch:

    topic      dictionary<int32, utf8>
    partition  int32
    offset     int64
    timestamp  timestamp[ms, UTC], null where the record has none
    key        binary_view, null where the record has none
    value      binary_view, null for a tombstone
    headers    list<struct<key: utf8, value: binary_view>>, empty where there are none; bytes of a header's
               name that are no UTF-8 become U+FFFD, because consumers trust a utf8 column blindly

Offsets, timestamps, keys and values are not copied: a view holds up to 12 bytes itself and else points into
the mapped segment or the buffer a batch was decompressed to. What is handed out keeps those alive by itself,
without the batch, the log or the GIL, so a consumer may release it in any thread at any time.
Rows come in arrays of 131,072. A consumer that asks for binary or large_binary gets copies of that type.
"""

from cpython.pycapsule cimport PyCapsule_GetPointer, PyCapsule_New
from libc.stdint cimport int32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from logflume import errors

from logflume._native.arrow_abi cimport ArrowArray, ArrowArrayStream, ArrowSchema
from logflume._native.columns cimport RecordBatch, lf_rows
from logflume._native.core cimport LF_E_TOO_LARGE

__all__ = ["COLUMN_NAMES", "export_column", "export_stream", "pyarrow_table"]

COLUMN_NAMES = ("topic", "partition", "offset", "timestamp", "key", "value", "headers")
"""The columns, in their order where nobody asks for another."""


cdef void _drop_stream(object capsule) noexcept:
    cdef ArrowArrayStream *p = <ArrowArrayStream *>PyCapsule_GetPointer(capsule, "arrow_array_stream")
    if p.release != NULL:
        p.release(p)
    free(p)


cdef void _drop_schema(object capsule) noexcept:
    cdef ArrowSchema *p = <ArrowSchema *>PyCapsule_GetPointer(capsule, "arrow_schema")
    if p.release != NULL:
        p.release(p)
    free(p)


cdef void _drop_array(object capsule) noexcept:
    cdef ArrowArray *p = <ArrowArray *>PyCapsule_GetPointer(capsule, "arrow_array")
    if p.release != NULL:
        p.release(p)
    free(p)


cdef int _free_topics(lf_topics *t) noexcept:
    free(t.ends)
    free(t.names)
    free(t.of)
    return 0


cdef int _gather_topics(RecordBatch batch, lf_topics *out) except -1:
    """The batch's topics, each once, in memory that needs no Python."""
    cdef dict index = {}
    cdef int32_t i, size = 0
    for name in batch.topics:
        index.setdefault(name, len(index))
    cdef list encoded = [name.encode() for name in index]
    joined = b"".join(encoded)
    out.n = <int32_t>len(encoded)
    out.ends = <int32_t *>malloc((len(encoded) + 1) * sizeof(int32_t))
    out.of = <int32_t *>malloc((len(batch.topics) + 1) * sizeof(int32_t))
    out.names = <char *>malloc(len(joined) + 1)
    if out.ends == NULL or out.of == NULL or out.names == NULL:
        _free_topics(out)
        raise MemoryError
    memcpy(out.names, <const char *>joined, len(joined))
    out.ends[0] = 0
    for i in range(out.n):
        size += <int32_t>len(encoded[i])
        out.ends[i + 1] = size
    for i in range(<int32_t>len(batch.topics)):
        out.of[i] = index[batch.topics[i]]
    return 0


cdef const ArrowSchema *_requested(object capsule) except? NULL:
    cdef const ArrowSchema *schema
    if capsule is None:
        return NULL
    schema = <const ArrowSchema *>PyCapsule_GetPointer(capsule, "arrow_schema")
    return schema if schema.release != NULL else NULL


cdef int form_of(object columns, object requested_schema, bint views, lf_arrow_form *out) except -1:
    cdef const ArrowSchema *wanted = _requested(requested_schema)
    cdef int32_t i
    chosen = COLUMN_NAMES if columns is None else tuple(columns)
    out.keys = out.values = LF_ARROW_VIEWS if views else LF_ARROW_BINARY
    if wanted != NULL:
        out.keys = lf_arrow_requested(wanted, "key")
        out.values = lf_arrow_requested(wanted, "value")
    if not chosen or len(set(chosen)) != len(chosen):
        raise errors.InvalidConfig(name="columns", value=chosen, reason="expected one column or more, each once")
    for name in chosen:
        if name not in COLUMN_NAMES:
            raise errors.InvalidConfig(name="columns", value=name, reason=f"the columns are {', '.join(COLUMN_NAMES)}")
    out.n_columns = <int32_t>len(chosen)
    for i in range(out.n_columns):
        out.columns[i] = COLUMN_NAMES.index(chosen[i])
    return 0


cdef int begin_stream(RecordBatch batch, const lf_arrow_form *form, ArrowArrayStream *out) except -1:
    cdef lf_topics topics
    cdef lf_rows *rows = batch.share()
    _gather_topics(batch, &topics)
    if lf_arrow_stream(rows, topics, form, out):
        raise MemoryError
    return 0


cdef object stream_capsule(ArrowArrayStream *stream):
    return PyCapsule_New(stream, "arrow_array_stream", _drop_stream)


cdef object schema_capsule(const lf_arrow_form *form):
    cdef ArrowSchema *schema = <ArrowSchema *>malloc(sizeof(ArrowSchema))
    if schema == NULL:
        raise MemoryError
    schema.release = NULL
    capsule = PyCapsule_New(schema, "arrow_schema", _drop_schema)
    if lf_arrow_schema(form, schema):
        raise MemoryError
    return capsule


def export_stream(RecordBatch batch not None, requested_schema=None, *, columns=None, views=True):
    """PyCapsule "arrow_array_stream" over the batch; `views=False` gives binary columns instead of views.

    `columns`: names, in the order wanted; None for all. `requested_schema`: PyCapsule "arrow_schema" or None; its
    key and value columns may ask for binary or large_binary, what else it asks is ignored, as the interface allows.
    """
    cdef lf_arrow_form form
    cdef ArrowArrayStream *stream
    form_of(columns, requested_schema, views, &form)
    stream = <ArrowArrayStream *>malloc(sizeof(ArrowArrayStream))
    if stream == NULL:
        raise MemoryError
    stream.release = NULL
    capsule = stream_capsule(stream)
    begin_stream(batch, &form, stream)
    return capsule


def export_column(RecordBatch batch not None, bint is_key, requested_schema=None):
    """The keys or the values alone: PyCapsules ("arrow_schema", "arrow_array"), as binary_view.

    Raises RecordTooLarge when `requested_schema` asks for binary, which holds at most 2 GiB.
    """
    cdef const ArrowSchema *wanted = _requested(requested_schema)
    cdef lf_arrow_kind kind = LF_ARROW_VIEWS
    cdef lf_rows *rows = batch.share()
    cdef ArrowSchema *schema = <ArrowSchema *>malloc(sizeof(ArrowSchema))
    cdef ArrowArray *array
    cdef int rc
    if schema == NULL:
        raise MemoryError
    schema.release = NULL
    schema_capsule = PyCapsule_New(schema, "arrow_schema", _drop_schema)
    array = <ArrowArray *>malloc(sizeof(ArrowArray))
    if array == NULL:
        raise MemoryError
    array.release = NULL
    array_capsule = PyCapsule_New(array, "arrow_array", _drop_array)
    if wanted != NULL:
        kind = lf_arrow_requested(wanted, NULL)
    with nogil:
        rc = lf_arrow_column(rows, is_key, kind, schema, array)
    if rc == LF_E_TOO_LARGE:
        raise errors.RecordTooLarge(size=batch.nbytes, limit=(1 << 31) - 1, property="Arrow's binary type")
    if rc:
        raise MemoryError
    return schema_capsule, array_capsule


def pyarrow_table(source):
    """A pyarrow.Table of what has the Arrow stream interface. Raises MissingExtra."""
    try:
        import pyarrow
    except ImportError as error:
        raise errors.MissingExtra(what="a pyarrow.Table", extra="arrow", reason=str(error)) from error
    return pyarrow.table(source)
