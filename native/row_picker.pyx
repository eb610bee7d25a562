"""Records of any batches as one RecordBatch, without copying their bytes."""

from libc.stdint cimport int32_t, int64_t, uint32_t
from libc.string cimport memcpy

from logflume._native.columns cimport Record, RecordBatch
from logflume._native.core cimport LF_OK, lf_columns_reserve, lf_part

__all__ = ["join_batches", "pick_rows"]


def pick_rows(records):
    """The records, in the order given, as columns over the same memory."""
    cdef RecordBatch out = RecordBatch.__new__(RecordBatch)
    cdef RecordBatch source
    cdef Record record
    cdef lf_part *part
    cdef int32_t row
    if lf_columns_reserve(&out.c, <int32_t>len(records)) != LF_OK:
        raise MemoryError
    for record in records:
        source = record.batch
        part = record.part
        out.add_part(source.topics[part.topic], part.partition, part.base, part.len, part.segment, part.heap)
        row = out.c.n
        out.c.offsets[row] = source.c.offsets[record.row]
        out.c.timestamps[row] = source.c.timestamps[record.row]
        out.c.key_at[row] = source.c.key_at[record.row]
        out.c.key_len[row] = source.c.key_len[record.row]
        out.c.value_at[row] = source.c.value_at[record.row]
        out.c.value_len[row] = source.c.value_len[record.row]
        out.c.n += 1
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
