"""Batches of records handed to Polars, DuckDB, pyarrow and others through Arrow's C interfaces."""

from libc.stdint cimport int32_t

from logflume._native.arrow_abi cimport ArrowArray, ArrowArrayStream, ArrowSchema
from logflume._native.columns cimport lf_rows


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
    int lf_arrow_stream(lf_rows *rows, lf_topics topics, lf_arrow_kind keys, lf_arrow_kind values,
                        ArrowArrayStream *out) noexcept
    int lf_arrow_column(lf_rows *rows, bint keys, lf_arrow_kind kind, ArrowSchema *schema, ArrowArray *array) noexcept
    lf_arrow_kind lf_arrow_requested(const ArrowSchema *schema, const char *name) noexcept
