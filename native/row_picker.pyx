"""Rows put into a RecordBatch one by one, or from other batches, without copying their bytes."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t
from libc.string cimport memcpy

from logflume._native.columns cimport Record, RecordBatch, lf_row
from logflume._native.core cimport LF_OK, lf_columns, lf_columns_reserve, lf_part, lf_segment

__all__ = ["join_batches", "pick_rows"]


cdef RecordBatch one_row(list topics, int32_t partition, const uint8_t *base, size_t length, lf_segment *segment):
    cdef RecordBatch out = RecordBatch.__new__(RecordBatch)
    out.c.offsets = &out.one.offset
    out.c.timestamps = &out.one.timestamp
    out.c.value_at = &out.one.value_at
    out.c.value_len = &out.one.value_len
    out.c.key_at = &out.one.key_at
    out.c.key_len = &out.one.key_len
    out.c.n = out.c.cap = 1
    out.one_part.base = base
    out.one_part.len = length
    out.one_part.segment = segment
    out.one_part.partition = partition
    out.topics = topics
    out.parts = &out.one_part
    out.n_parts = out.cap_parts = 1
    return out


cdef void push_row(RecordBatch out, const lf_row *row) noexcept:
    cdef lf_columns *c = &out.c
    c.offsets[c.n] = row.offset
    c.timestamps[c.n] = row.timestamp
    c.value_at[c.n] = row.value_at
    c.value_len[c.n] = row.value_len
    c.key_at[c.n] = row.key_at
    c.key_len[c.n] = row.key_len
    c.n += 1


cdef int add_row(RecordBatch out, RecordBatch source, int32_t row) except -1:
    cdef lf_part *part = source.part_of(row)
    cdef lf_columns *c = &source.c
    cdef lf_row copied = lf_row(c.offsets[row], c.timestamps[row], c.value_at[row], c.key_at[row], c.value_len[row],
                                c.key_len[row])
    out.add_part(source.topics[part.topic], part.partition, part.base, part.len, part.segment, part.heap)
    push_row(out, &copied)
    return 0


def pick_rows(records):
    """The records, in the order given, as columns over the same memory."""
    cdef RecordBatch out = RecordBatch.__new__(RecordBatch)
    cdef Record record
    if lf_columns_reserve(&out.c, <int32_t>len(records)) != LF_OK:
        raise MemoryError
    for record in records:
        add_row(out, record.batch, record.row)
    return out


def join_batches(batches):
    """The rows of all batches, one behind the other, as columns over the same memory."""
    cdef RecordBatch out = RecordBatch.__new__(RecordBatch)
    cdef RecordBatch source
    cdef lf_part *part
    cdef int32_t k, first, n
    for source in batches:
        if lf_columns_reserve(&out.c, source.c.n) != LF_OK:
            raise MemoryError
        for k in range(source.n_parts):
            part = &source.parts[k]
            first = part.first_row
            n = (source.parts[k + 1].first_row if k + 1 < source.n_parts else source.c.n) - first
            out.add_part(source.topics[part.topic], part.partition, part.base, part.len, part.segment, part.heap)
            memcpy(out.c.offsets + out.c.n, source.c.offsets + first, n * sizeof(int64_t))
            memcpy(out.c.timestamps + out.c.n, source.c.timestamps + first, n * sizeof(int64_t))
            memcpy(out.c.key_at + out.c.n, source.c.key_at + first, n * sizeof(uint32_t))
            memcpy(out.c.key_len + out.c.n, source.c.key_len + first, n * sizeof(int32_t))
            memcpy(out.c.value_at + out.c.n, source.c.value_at + first, n * sizeof(uint32_t))
            memcpy(out.c.value_len + out.c.n, source.c.value_len + first, n * sizeof(int32_t))
            out.c.n += n
    return out
