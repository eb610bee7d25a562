"""Records of any batches as one RecordBatch, without copying their bytes."""

from libc.stdint cimport int32_t

from logflume._native.columns cimport Record, RecordBatch
from logflume._native.core cimport LF_OK, lf_columns_reserve, lf_part

__all__ = ["pick_rows"]


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
