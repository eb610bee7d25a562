"""Rows read from a log: RecordBatch (columns), Record (one row), ColumnView (values or keys)."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t

from logflume._native.core cimport lf_columns, lf_heap, lf_part, lf_segment


cdef extern from "lf/rows.h" nogil:
    ctypedef struct lf_rows:
        pass
    lf_rows *lf_rows_new(const lf_columns *c, lf_part *parts, int32_t n_parts) noexcept
    void lf_rows_unref(lf_rows *r) noexcept


cdef extern from "lf/records.h" nogil:
    ctypedef struct lf_row:
        int64_t offset, timestamp
        uint32_t value_at, key_at
        int32_t value_len, key_len


cdef class RecordBatch:
    cdef lf_columns c
    cdef lf_part *parts
    cdef int32_t n_parts, cap_parts
    cdef lf_rows *shared            # owns `c` and `parts` once Arrow consumers have them; else NULL
    cdef list topics
    cdef lf_row one                 # the columns and the part of a batch of one (row_picker)
    cdef lf_part one_part
    cdef object __weakref__

    # The part that rows to come will point into; a new one only when the base differs from the last.
    cdef int add_part(self, str topic, int32_t partition, const uint8_t *base, size_t length,
                      lf_segment *segment, lf_heap *heap) except -1
    cdef lf_part *part_of(self, int32_t row) noexcept nogil
    cdef Record record(self, int32_t row)
    cdef lf_rows *share(self) except NULL
    cdef object bytes_at(self, int32_t row, bint key)


cdef class Record:
    cdef RecordBatch batch
    cdef lf_part *part
    cdef int32_t row


cdef class ColumnView:
    cdef RecordBatch batch
    cdef bint is_key

    cdef object _memory(self, int32_t row)
