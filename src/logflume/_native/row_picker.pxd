"""Rows put into a RecordBatch one by one, or from other batches, without copying their bytes."""

from libc.stdint cimport int32_t, uint8_t

from logflume._native.columns cimport RecordBatch, lf_row
from logflume._native.core cimport lf_segment


# A batch of one row, which is to be filled in, in a segment's map; nothing may be added. It takes over the reference.
cdef RecordBatch one_row(list topics, int32_t partition, const uint8_t *base, size_t length, lf_segment *segment)

# A row of the last part, and one with its part; there is room for it.
cdef void push_row(RecordBatch out, const lf_row *row) noexcept
cdef int add_row(RecordBatch out, RecordBatch source, int32_t row) except -1
