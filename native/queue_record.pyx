"""Records of a queue: each with the number of times that it was delivered, and picked from what was read by offset."""

from libc.stdint cimport int32_t, int64_t

cimport cython

from logflume._native.columns cimport Record, RecordBatch

__all__ = ["QueueRecord", "offset_runs", "queue_records", "record_spans"]


@cython.final
@cython.freelist(512)
@cython.no_gc
cdef class QueueRecord:
    """A record of a queue: what Record has, and how many times it was delivered, this one included.

    Equal to another of the same record and count. Answer it with the queue that gave it.
    """

    def __init__(self, Record record not None, int delivery_count):
        self.record = record
        self.delivery_count = delivery_count

    @property
    def topic(self):
        """str: the topic's name."""
        return self.record.batch.topics[self.record.part.topic]

    @property
    def partition(self):
        """int: the partition's number."""
        return self.record.part.partition

    @property
    def offset(self):
        """int: place in the partition."""
        return self.record.batch.c.offsets[self.record.row]

    @property
    def timestamp(self):
        """int: milliseconds since 1970, -1 when none."""
        return self.record.batch.c.timestamps[self.record.row]

    @property
    def value(self):
        """bytes, or None for a null value (a tombstone)."""
        return self.record.value

    @property
    def key(self):
        """bytes, or None."""
        return self.record.key

    @property
    def headers(self):
        """list[tuple[str, bytes | None]], in the order written."""
        return self.record.headers

    def __eq__(self, other):
        if not isinstance(other, QueueRecord):
            return NotImplemented
        return (self.delivery_count == (<QueueRecord>other).delivery_count
                and self.record == (<QueueRecord>other).record)

    def __hash__(self):
        return hash(self.record)

    def __repr__(self):
        return f"QueueRecord({self.record!r}, delivery_count={self.delivery_count})"


def queue_records(RecordBatch batch not None, list spans not None, list out not None):
    """Append to `out` a QueueRecord for each row whose offset lies in a span (first, last, delivery count).

    The batch is of one partition; spans ascend and do not overlap.
    """
    cdef int32_t i = 0, n = batch.c.n
    cdef int64_t first, last
    cdef int count
    cdef QueueRecord made
    for first, last, count in spans:
        while i < n and batch.c.offsets[i] < first:
            i += 1
        while i < n and batch.c.offsets[i] <= last:
            made = QueueRecord.__new__(QueueRecord)
            made.record = batch.record(i)
            made.delivery_count = count
            out.append(made)
            i += 1


def offset_runs(RecordBatch batch not None, int64_t last):
    """list[tuple[int, int]]: (first, last) of each run of offsets without a hole, up to `last`, of a batch of one
    partition."""
    cdef list out = []
    cdef int32_t i, n = batch.c.n
    cdef int64_t begin, offset
    if not n or batch.c.offsets[0] > last:
        return out
    begin = offset = batch.c.offsets[0]
    for i in range(1, n):
        if batch.c.offsets[i] > last:
            break
        if batch.c.offsets[i] != offset + 1:
            out.append((begin, offset))
            begin = batch.c.offsets[i]
        offset = batch.c.offsets[i]
    out.append((begin, offset))
    return out


def record_spans(list records not None):
    """list[tuple[str, int, int, int]]: (topic, partition, first, last) of each run of offsets in a list of QueueRecords."""
    cdef list out = []
    cdef QueueRecord record
    cdef object topic = None
    cdef int32_t partition = -1
    cdef int64_t first = 0, offset = -2
    for item in records:
        record = <QueueRecord?>item
        if (record.record.batch.c.offsets[record.record.row] != offset + 1 or record.record.part.partition != partition
                or record.record.batch.topics[record.record.part.topic] is not topic):
            if topic is not None:
                out.append((topic, partition, first, offset))
            topic = record.record.batch.topics[record.record.part.topic]
            partition = record.record.part.partition
            first = record.record.batch.c.offsets[record.record.row]
        offset = record.record.batch.c.offsets[record.record.row]
    if topic is not None:
        out.append((topic, partition, first, offset))
    return out
