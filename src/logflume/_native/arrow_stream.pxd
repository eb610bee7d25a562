"""Batches of records handed to Polars, DuckDB, pyarrow and others through Arrow's C interfaces."""

from libc.stdint cimport int32_t, uint8_t

from logflume._native.arrow_abi cimport ArrowArray, ArrowArrayStream, ArrowSchema
from logflume._native.columns cimport RecordBatch, lf_rows


cdef extern from "lf/arrow_export.h" nogil:
    ctypedef enum lf_arrow_kind:
        LF_ARROW_VIEWS
        LF_ARROW_BINARY
        LF_ARROW_LARGE
    ctypedef struct lf_topics:
        int32_t n
        int32_t *ends
        char *names
        int32_t *of
    ctypedef struct lf_arrow_form:
        lf_arrow_kind keys, values
        int32_t n_columns
        uint8_t columns[7]
    int lf_arrow_stream(lf_rows *rows, lf_topics topics, const lf_arrow_form *form, ArrowArrayStream *out) noexcept
    int lf_arrow_schema(const lf_arrow_form *form, ArrowSchema *out) noexcept
    int lf_arrow_column(lf_rows *rows, bint keys, lf_arrow_kind kind, ArrowSchema *schema, ArrowArray *array) noexcept
    lf_arrow_kind lf_arrow_requested(const ArrowSchema *schema, const char *name) noexcept


# What a consumer wants of `columns` (names, or None: all). Raises InvalidConfig for a name that is none.
cdef int form_of(object columns, object requested_schema, bint views, lf_arrow_form *out) except -1
# A stream over one batch, as C's lf_arrow_stream.
cdef int begin_stream(RecordBatch batch, const lf_arrow_form *form, ArrowArrayStream *out) except -1
# A capsule around a stream that it releases, if nobody else did, and frees.
cdef object stream_capsule(ArrowArrayStream *stream)
cdef object schema_capsule(const lf_arrow_form *form)
