"""Records of a queue out of the messages that confluent-kafka's ShareConsumer gives: their bytes in one buffer."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.ref cimport Py_INCREF
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from logflume._native.columns cimport RecordBatch
from logflume._native.core cimport LF_OK, lf_columns_reserve, lf_heap, lf_heap_new, lf_heap_unref
from logflume._native.queue_record cimport QueueRecord

__all__ = ["keep_for_ever", "records_of_messages"]

cdef extern from "lf/varint.h" nogil:
    int lf_varint_size(int64_t v)
    uint8_t *lf_put_varint(uint8_t *p, int64_t v)

cdef enum:
    BYTES_MAX = 1 << 30     # positions in a part have 32 bits


cdef class _Row:
    """A message's parts, asked for once."""

    cdef str topic
    cdef bytes key, value
    cdef list headers       # (bytes, bytes | None) pairs
    cdef int32_t partition
    cdef int64_t offset, timestamp, size
    cdef int delivery_count

    def __init__(self, message, dict names):
        topic = message.topic()
        self.topic = names.setdefault(topic, topic)     # one object a name: parts of a batch compare by identity
        self.partition, self.offset = message.partition(), message.offset()
        self.key, self.value = message.key(), message.value()
        self.timestamp = message.timestamp()[1]
        self.delivery_count = message.delivery_count() or 1
        self.headers = [(name.encode("utf-8", "surrogateescape"), value) for name, value in message.headers() or ()]
        self.size = length(self.key) + length(self.value) + lf_varint_size(len(self.headers))
        for name, value in self.headers:
            self.size += lf_varint_size(len(name)) + len(name)
            self.size += lf_varint_size(-1 if value is None else len(value)) + length(value)


cdef int64_t length(bytes given) noexcept:
    return 0 if given is None else PyBytes_GET_SIZE(given)


cdef uint8_t *put(uint8_t *to, bytes given) noexcept:
    cdef int64_t n = length(given)
    if n:
        memcpy(to, PyBytes_AS_STRING(given), n)
    return to + n


cdef uint8_t *put_row(RecordBatch batch, _Row row, const uint8_t *base, uint8_t *to) except NULL:
    cdef int32_t at = batch.c.n
    cdef bytes name, value
    batch.c.n += 1
    batch.c.offsets[at] = row.offset
    batch.c.timestamps[at] = row.timestamp
    batch.c.key_at[at] = <uint32_t>(to - base)
    batch.c.key_len[at] = -1 if row.key is None else <int32_t>length(row.key)
    to = put(to, row.key)
    batch.c.value_at[at] = <uint32_t>(to - base)
    batch.c.value_len[at] = -1 if row.value is None else <int32_t>length(row.value)
    to = put(to, row.value)
    to = lf_put_varint(to, len(row.headers))
    for name, value in row.headers:
        to = put(lf_put_varint(to, PyBytes_GET_SIZE(name)), name)
        to = put(lf_put_varint(to, -1 if value is None else length(value)), value)
    return to


def records_of_messages(list messages not None):
    """list[QueueRecord]: a record for each message, in their order. None of them may be an error."""
    cdef list rows = [], out = []
    cdef dict names = {}
    cdef int64_t size = 0
    cdef _Row row
    for message in messages:
        row = _Row(message, names)
        if size and size + row.size > BYTES_MAX:
            to_records(rows, size, out)
            rows, size = [], 0
        rows.append(row)
        size += row.size
    if rows:
        to_records(rows, size, out)
    return out


cdef int to_records(list rows, int64_t size, list out) except -1:
    cdef RecordBatch batch = RecordBatch.__new__(RecordBatch)
    cdef int32_t n = <int32_t>len(rows), i
    cdef uint8_t *base = <uint8_t *>malloc(size)
    cdef uint8_t *to = base
    cdef lf_heap *heap
    cdef _Row row
    cdef QueueRecord made
    if base == NULL or lf_columns_reserve(&batch.c, n) != LF_OK:
        free(base)
        raise MemoryError
    heap = lf_heap_new(base)
    if heap == NULL:
        raise MemoryError
    try:
        for row in rows:
            # The part before its row; all parts have the one buffer as their base.
            batch.add_part(row.topic, row.partition, base, size, NULL, heap)
            to = put_row(batch, row, base, to)
    finally:
        lf_heap_unref(heap)
    for i in range(n):
        row = rows[i]
        made = QueueRecord.__new__(QueueRecord)
        made.record = batch.record(i)
        made.delivery_count = row.delivery_count
        out.append(made)
    return 0


def keep_for_ever(thing):
    """Never free it: of a connection in a forked child, whose threads are the parent's, freeing would wait for them."""
    Py_INCREF(thing)
