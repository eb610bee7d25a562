"""Produce requests: parsed in place, their batches checked and appended, the response written.

The batches are patched and written where they were received: from the socket to the page cache they are copied once.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy

cimport cython

from logflume import errors

from logflume._native.core cimport LF_OK, lf_admit, lf_admit_room_free, lf_append_info, lf_now_ms, lf_refusal
from logflume._native.frames cimport Frame
from logflume._native.partition_log cimport PartitionLog
from logflume._native.wire cimport *

from logflume._native.frames import FrameFault

__all__ = ["BUSY", "Admission", "ProduceRequest"]

cdef extern from "lf/batch_layout.h" nogil:
    enum:
        LF_NO_TIMESTAMP
        LF_ATTR_TRANSACTIONAL
        LF_BATCH_ATTRIBUTES_AT
        LF_BATCH_PRODUCER_ID_AT
        LF_BATCH_PRODUCER_EPOCH_AT
        LF_BATCH_RECORDS_AT
    unsigned int lf_get16(const uint8_t *p) noexcept
    unsigned long long lf_get64(const uint8_t *p) noexcept

# Versions of Produce, and what they bring.
cdef int LOG_START_FROM = 5
cdef int MESSAGES_FROM = 8
cdef int FLEXIBLE_FROM = 9
cdef int TOPIC_ID_FROM = 13


@cython.final
cdef class Admission:
    """A topic's rules on what may be appended. Immutable.

    Parameters as the topic's options; `codec` -1 keeps the producer's.
    """

    def __init__(self, int64_t max_message_bytes, *, int64_t before_max_ms, int64_t after_max_ms,
                 int64_t max_decompressed_bytes, bint keys_required, bint append_time, int codec, int level):
        self.rules.max_bytes = max_message_bytes
        self.rules.before_max_ms = before_max_ms
        self.rules.after_max_ms = after_max_ms
        self.rules.max_unpacked = max_decompressed_bytes
        self.rules.keys_required = keys_required
        self.rules.append_time = append_time
        self.rules.codec = codec
        self.rules.level = level


@cython.final
cdef class _Room:
    """Working memory of the checks; the GIL guards it."""

    def __dealloc__(self):
        lf_admit_room_free(&self.room)


# Rooms that nobody works in: one is taken for an append, during which the GIL may be let go of. Each keeps some megabytes
# that compressed batches needed, so few are kept of those that late appends had in their threads.
cdef list rooms = []
cdef int ROOMS_MAX = 4

BUSY = -2
"""What `append` answers instead of waiting."""


@cython.final
cdef class ProduceRequest:
    """One request under way: its partitions by number, 0 to `len(request)`. Keeps the frame.

    Each partition is either appended to with `append`, or given an error with `refuse`; then `response` is written, for
    which the frame is not needed any more (`drop_frame`).
    Raises FrameFault when the frame is no produce request. Not thread-safe.
    """

    def __init__(self, Frame frame):
        cdef lf_wire w
        self.frame = frame
        self.version = frame.version
        self.correlation_id = frame.correlation_id
        self.messages = {}
        w.p = frame.data + frame.body_at
        w.end = frame.data + frame.size
        w.flexible = frame.version >= FLEXIBLE_FROM
        w.bad = False
        self._parse(&w)
        if w.bad:       # bytes behind it are left alone, as Kafka does
            raise FrameFault("not a produce request")

    def __dealloc__(self):
        free(self.topics)
        free(self.parts)
        free(self.names)

    cdef int _parse(self, lf_wire *w) except -1:
        cdef int32_t n = 0, i, _j
        cdef const uint8_t *at = lf_wire_blob(w, 2, &n)
        cdef ProduceTopic *topic
        cdef int32_t total = 0
        self.transactional_id = (<const char *>at)[:n].decode("utf-8", "replace") if n >= 0 and at != NULL else None
        self.acks = lf_wire_i16(w)
        self.timeout_ms = lf_wire_i32(w)
        # A topic takes two bytes at least, a partition five (index, and no records).
        self.n_topics = lf_wire_count(w, 2)
        self.topics = <ProduceTopic *>calloc(self.n_topics + 1, sizeof(ProduceTopic))
        if self.topics == NULL:
            raise MemoryError
        cdef lf_wire again = w[0]
        # Twice: first to count the partitions, then to keep them.
        for i in range(self.n_topics):
            self._topic(&again, &self.topics[i])
            total += self.topics[i].count
            for _j in range(self.topics[i].count):
                self._part(&again, NULL)
            lf_wire_tags(&again)
            if again.bad:
                w.bad = True
                return 0
        self.parts = <ProducePart *>calloc(total + 1, sizeof(ProducePart))
        if self.parts == NULL:
            raise MemoryError
        for i in range(self.n_topics):
            topic = &self.topics[i]
            self._topic(w, topic)
            for _j in range(topic.count):
                self.parts[self.n_parts].topic = i
                self._part(w, &self.parts[self.n_parts])
                self.n_parts += 1
            lf_wire_tags(w)
        lf_wire_tags(w)
        return 0

    cdef void _topic(self, lf_wire *w, ProduceTopic *t) noexcept:
        if self.version >= TOPIC_ID_FROM:
            t.name = lf_wire_take(w, LF_UUID_BYTES)
            t.name_len = LF_UUID_BYTES
        else:
            t.name = lf_wire_blob(w, 2, &t.name_len)
            if t.name == NULL:
                w.bad = True
        t.count = lf_wire_count(w, 5)

    cdef void _part(self, lf_wire *w, ProducePart *part) noexcept:
        cdef ProducePart ignored
        if part == NULL:
            part = &ignored
        part.index = lf_wire_i32(w)
        part.records = <uint8_t *>lf_wire_blob(w, 4, &part.size)
        part.base_offset = -1
        part.append_time = LF_NO_TIMESTAMP
        part.log_start = -1
        lf_wire_tags(w)

    def __len__(self):
        return self.n_parts

    cdef ProducePart *_at(self, Py_ssize_t i) except NULL:
        if not 0 <= i < self.n_parts:
            raise IndexError(i)
        return &self.parts[i]

    def topic(self, Py_ssize_t i):
        """The topic of a partition: str, or since version 13 the 16 bytes of its id."""
        cdef ProduceTopic *t = &self.topics[self._at(i).topic]
        if self.version >= TOPIC_ID_FROM:
            return PyBytes_FromStringAndSize(<const char *>t.name, LF_UUID_BYTES)
        return (<const char *>t.name)[:t.name_len].decode("utf-8", "replace")

    def index(self, Py_ssize_t i):
        """The number of a partition."""
        return self._at(i).index

    cdef bint _in_transaction(self, const ProducePart *part) noexcept:
        return (part.size >= LF_BATCH_RECORDS_AT
                and lf_get16(part.records + LF_BATCH_ATTRIBUTES_AT) & LF_ATTR_TRANSACTIONAL != 0)

    @property
    def in_transaction(self):
        """bool: one of the batches is part of a transaction."""
        cdef int32_t i
        for i in range(self.n_parts):
            if self._in_transaction(&self.parts[i]):
                return True
        return False

    def producer(self, Py_ssize_t i):
        """(producer id, epoch) of a partition's batch that is part of a transaction; None for any other."""
        cdef ProducePart *part = self._at(i)
        if not self._in_transaction(part):
            return None
        return (<int64_t>lf_get64(part.records + LF_BATCH_PRODUCER_ID_AT),
                <int16_t>lf_get16(part.records + LF_BATCH_PRODUCER_EPOCH_AT))

    def refuse(self, Py_ssize_t i, int code, message=None):
        """Give a partition a Kafka error code and, for versions that have it, a message."""
        cdef ProducePart *part = self._at(i)
        part.error = code
        part.base_offset = -1
        if message is not None:
            self.messages[i] = message

    def append(self, Py_ssize_t i, PartitionLog log, Admission admission, *, double wait_s):
        """Check a partition's batch and append it; an error is kept for the response.

        `wait_s`: how long to wait for the partition's writer lock. With 0 the answer is BUSY, and nothing is done,
        when the lock is not free, or when the partition's producers would have to be looked for in its log first.
        Returns the offset behind its last record, which `acks=all` has to wait for; -1 after an error.
        """
        cdef _Room mine = <_Room>rooms.pop() if rooms else _Room.__new__(_Room)
        try:
            return self._append(i, log, admission, wait_s, mine)
        finally:
            if len(rooms) < ROOMS_MAX:
                rooms.append(mine)

    cdef object _append(self, Py_ssize_t i, PartitionLog log, Admission admission, double wait_s, _Room mine):
        cdef ProducePart *part = self._at(i)
        cdef lf_append_info info
        cdef lf_refusal refusal
        cdef uint8_t *batch = NULL
        cdef int64_t n = 0
        cdef int rc
        if part.size <= 0:
            self.refuse(i, errors.InvalidRecord.code, "no batch")
            return -1
        rc = lf_admit(&mine.room, &admission.rules, part.records, part.size, lf_now_ms(), &batch, &n, &refusal)
        if rc != LF_OK:
            if refusal.code == 0:
                raise MemoryError
            self.refuse(i, refusal.code, _why(&refusal, admission))
            return -1
        try:
            log.write_within(batch, n, False, wait_s, &info)
        except errors.LockTimeout as error:
            if wait_s <= 0:
                return BUSY
            self.refuse(i, error.code, str(error))
            return -1
        except errors.LogflumeError as error:
            self.refuse(i, error.code, str(error))
            return -1
        part.base_offset = info.base_offset
        part.append_time = info.append_time
        part.log_start = log.start_offset
        return info.last_offset + 1

    def drop_frame(self):
        """Everything is appended: keep what the response needs, and let go of the batches. The topics' names stay."""
        cdef int32_t i
        cdef size_t total = 0
        if self.frame is None:
            return
        for i in range(self.n_topics):
            total += self.topics[i].name_len
        self.names = <uint8_t *>malloc(total + 1)
        if self.names == NULL:
            raise MemoryError
        total = 0
        for i in range(self.n_topics):
            memcpy(self.names + total, self.topics[i].name, self.topics[i].name_len)
            self.topics[i].name = self.names + total
            total += self.topics[i].name_len
        for i in range(self.n_parts):
            self.parts[i].records = NULL
            self.parts[i].size = -1
        self.frame = None

    def response(self):
        """bytes: the whole response, size and head in front."""
        cdef lf_wire_out o
        cdef int32_t i, p = 0
        o.buf = NULL
        o.len = o.cap = 0
        o.bad = False
        o.flexible = self.version >= FLEXIBLE_FROM
        try:
            lf_wire_begin(&o, self.correlation_id)
            lf_wire_put_length(&o, 4, self.n_topics)
            for i in range(self.n_topics):
                if self.version >= TOPIC_ID_FROM:
                    lf_wire_put_raw(&o, self.topics[i].name, LF_UUID_BYTES)
                else:
                    lf_wire_put_string(&o, self.topics[i].name, self.topics[i].name_len)
                lf_wire_put_length(&o, 4, self.topics[i].count)
                while p < self.n_parts and self.parts[p].topic == i:
                    self._put(&o, p)
                    p += 1
                lf_wire_put_tags(&o)
            lf_wire_put_i32(&o, self.throttle_ms)
            lf_wire_put_tags(&o)
            lf_wire_finish(&o, 0)
            if o.bad:
                raise MemoryError
            return PyBytes_FromStringAndSize(<const char *>o.buf, o.len)
        finally:
            free(o.buf)

    cdef int _put(self, lf_wire_out *o, int32_t p) except -1:
        cdef ProducePart *part = &self.parts[p]
        cdef bytes message
        lf_wire_put_i32(o, part.index)
        lf_wire_put_i16(o, part.error)
        lf_wire_put_i64(o, part.base_offset)
        lf_wire_put_i64(o, part.append_time)
        if self.version >= LOG_START_FROM:
            lf_wire_put_i64(o, part.log_start)
        if self.version >= MESSAGES_FROM:
            lf_wire_put_length(o, 4, 0)     # errors of single records: a batch is refused as a whole
            if p in self.messages:
                message = self.messages[p].encode("utf-8", "replace")[:MESSAGE_BYTES_MAX]
                lf_wire_put_string(o, <const char *>message, <int32_t>len(message))
            else:
                lf_wire_put_string(o, NULL, 0)
        lf_wire_put_tags(o)
        return 0


# Well below the 15 bits that a string's length has.
cdef Py_ssize_t MESSAGE_BYTES_MAX = 1000


cdef object _why(const lf_refusal *refusal, Admission admission):
    reason = refusal.reason.decode()
    if refusal.code == errors.RecordTooLarge.code:
        return str(errors.RecordTooLarge(size=refusal.size, limit=admission.rules.max_bytes))
    if refusal.code == errors.InvalidTimestamp.code:
        return str(errors.InvalidTimestamp(timestamp=refusal.timestamp, reason=reason))
    return reason
