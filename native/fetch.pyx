"""Fetch requests: parsed, read from the segments' maps, and answered with views of them.

A response is a list of buffers: what is written here between the records, and memoryviews of the records where
they lie. A view keeps its segment's map alive until it is sent.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint8_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memset

cimport cython

from logflume import errors

from logflume._native.core cimport (
    LF_ATTR_CONTROL,
    LF_ATTR_TRANSACTIONAL,
    lf_aborted,
    lf_batch,
    lf_batch_parse,
    lf_error,
    lf_fetch_place,
    lf_fetch_read,
    lf_fetch_release,
    lf_fetch_slice,
    lf_get32,
    lf_log,
    lf_log_aborted,
    lf_segment_ref,
    lf_segment_unref,
    lf_state,
    lf_state_stable,
)
from logflume._native.exported cimport memory_view
from logflume._native.frames cimport Frame
from logflume._native.transactions cimport TransactionPage, lf_txn_stable_offsets
from logflume._native.wire cimport *

from logflume._native.frames import FrameFault

__all__ = ["FetchPart", "FetchRequest", "fetch_response", "read_batches", "read_parts"]

# Versions of Fetch, and what they bring.
cdef int LOG_START_FROM = 5
cdef int SESSION_FROM = 7
cdef int LEADER_EPOCH_FROM = 9
cdef int RACK_FROM = 11
cdef int FLEXIBLE_FROM = 12
cdef int TOPIC_ID_FROM = 13
cdef int REPLICA_UNTIL = 14

# A larger request is parsed each time, also when it repeats the one before.
cdef Py_ssize_t REPEATED_MAX = 4096

# Kafka's error codes that no class of logflume.errors has.
cdef int FENCED_LEADER_EPOCH = 74
cdef int UNKNOWN_LEADER_EPOCH = 75

# A last stable offset that is looked up where it is needed; and one while a commit is being published.
cdef int64_t ANY_STABLE = -1
cdef int64_t NO_STABLE = -2


@cython.final
@cython.internal
cdef class _SegmentHold:
    """Keeps a segment's map while a view of it is being sent."""

    def __dealloc__(self):
        lf_segment_unref(self.segment)


@cython.final
cdef class FetchPart:
    """One partition that somebody fetches, in one request or over those of a session. Not thread-safe.

    `topic` is its name, or the 16 bytes of its id; whoever knows the directory sets `log` (or `error`, Kafka's code)
    and `leader_epoch` before it is read.
    """

    def __init__(self, *args, **kwargs):
        raise TypeError("partitions to fetch come from a FetchRequest")

    def __dealloc__(self):
        lf_fetch_release(&self.place)
        self._drop_aborted()

    cdef void _drop_aborted(self) noexcept:
        free(self.aborted)
        self.aborted = NULL
        self.n_aborted = 0

    @property
    def key(self):
        """(topic as it was asked for, partition)."""
        return self.topic, self.index

    def take(self, FetchPart other):
        """The client asks anew for this partition of its session: other offset and limits, the same place."""
        self.offset = other.offset
        self.max_bytes = other.max_bytes
        self.client_epoch = other.client_epoch

    def forget_sent(self):
        """Have the next answer of the session name this partition whatever has changed."""
        self.sent_end = -2

    cdef int64_t read(self, int64_t max_bytes, bint whole, bint committed, int64_t stable) except -1:
        """Reads from `offset` on; returns the number of bytes. What goes wrong is kept as `read_error`.

        `stable`: the last stable offset as it was for all partitions at one moment, ANY_STABLE or NO_STABLE.
        """
        cdef lf_error e
        cdef lf_log *log
        cdef int64_t upper
        cdef int rc
        memset(&self.slice, 0, sizeof(lf_fetch_slice))
        self._drop_aborted()
        self.committed = committed
        self.read_error = self.error
        self.end_offset = self.stable_offset = self.start_offset = -1
        if self.error or self.log is None:
            return 0
        if self.client_epoch >= 0 and self.client_epoch != self.leader_epoch:
            self.read_error = FENCED_LEADER_EPOCH if self.client_epoch < self.leader_epoch else UNKNOWN_LEADER_EPOCH
            return 0
        try:
            log = self.log.enter()
        except errors.LogflumeError as error:
            self.read_error = error.code if error.code > 0 else errors.UnknownTopicOrPartition.code
            return 0
        try:
            self.start_offset = log.state.start_offset
            self.stable_offset = lf_state_stable(log.state)     # before the end, below which it lies
            self.end_offset = log.state.end_offset
            if stable >= 0:
                self.stable_offset = stable
            upper = (0 if stable == NO_STABLE else self.stable_offset) if committed else self.end_offset
            if self.offset < self.start_offset or self.offset > self.end_offset:
                self.read_error = errors.OffsetOutOfRange.code
                return 0
            if self.offset < upper and (max_bytes > 0 or whole):
                rc = lf_fetch_read(log, &self.place, self.offset, upper, min(max_bytes, self.max_bytes), whole, &self.slice, &e)
                if rc == 0 and committed and self.slice.size and log.state.producers_from != INT64_MAX:
                    rc = lf_log_aborted(log, self.offset, self.place.behind_offset, &self.aborted, &self.n_aborted, &e)
                if rc:
                    self._failed(&e)
        finally:
            self.log.leave()
        return self.slice.size

    cdef int _failed(self, lf_error *e) except -1:
        memset(&self.slice, 0, sizeof(lf_fetch_slice))
        lf_fetch_release(&self.place)
        try:
            self.log.raise_error(e)
        except errors.LogflumeError as error:
            # Errors that Kafka has no number for reach the client as "unknown server error".
            self.read_error = error.code
            self.failure = error
        return 0

    cdef bint changed(self) noexcept:
        """Whether a session's answer has to name it."""
        return (self.slice.size > 0 or self.read_error != 0 or self.sent_error != 0 or self.end_offset != self.sent_end
                or self.start_offset != self.sent_start or self.stable_offset != self.sent_stable)

    cdef void note_sent(self) noexcept:
        self.sent_end = self.end_offset
        self.sent_start = self.start_offset
        self.sent_stable = self.stable_offset
        self.sent_error = self.read_error

    cdef object view(self):
        """The records as a memoryview."""
        cdef _SegmentHold hold = _SegmentHold.__new__(_SegmentHold)
        hold.segment = lf_segment_ref(self.slice.segment)
        return memory_view(hold, self.slice.at, self.slice.size, 1, b"B")


cdef bint _stable_at_once(list parts, TransactionPage page, int64_t *out) except -1:
    """The last stable offset of each part, all before or all behind each commit; False: one is being published."""
    cdef Py_ssize_t i, n = len(parts)
    cdef int entered = 0
    cdef FetchPart part
    cdef bint known
    cdef lf_state **states = <lf_state **>malloc(n * sizeof(lf_state *))
    cdef int64_t *found = <int64_t *>malloc(n * sizeof(int64_t))
    cdef list logs = []
    try:
        if states == NULL or found == NULL:
            raise MemoryError
        for i in range(n):
            part = <FetchPart>parts[i]
            out[i] = ANY_STABLE
            if part.log is None:
                continue
            try:
                states[entered] = part.log.enter().state
            except errors.LogflumeError:
                continue        # closed: reading it says so
            logs.append(part.log)
            out[i] = entered    # for now: which of the states
            entered += 1
        if not entered:
            return True
        known = lf_txn_stable_offsets(page.enter(), states, entered, found)
        page.leave()
        for i in range(n):
            if out[i] != ANY_STABLE:
                out[i] = found[out[i]] if known else NO_STABLE
        return known
    finally:
        for log in logs:
            (<PartitionLog>log).leave()
        free(states)
        free(found)


def read_parts(list parts, int64_t max_bytes, bint committed, Py_ssize_t first=0, TransactionPage page=None):
    """Read all parts, `max_bytes` together, beginning with number `first`.

    As in Kafka the first partition with records gives one batch even when that is larger than the limit. Committed
    records of several parts are seen as they are at one moment of `page`. Returns (bytes, whether any part has an
    error, whether a commit is being published: then there is nothing yet, and a moment later there is).
    """
    cdef FetchPart part
    cdef Py_ssize_t i, at, n = len(parts)
    cdef int64_t total = 0, size
    cdef bint failed = False, known = True
    cdef int64_t *stable = NULL
    try:
        if committed and n > 1 and page is not None and page.page != NULL:
            stable = <int64_t *>malloc(n * sizeof(int64_t))
            if stable == NULL:
                raise MemoryError
            known = _stable_at_once(parts, page, stable)
        for i in range(n):
            at = (first + i) % n
            part = <FetchPart>parts[at]
            size = part.read(max_bytes - total, total == 0, committed, ANY_STABLE if stable == NULL else stable[at])
            total += size
            failed |= part.read_error != 0
    finally:
        free(stable)
    return total, failed, not known


def read_batches(PartitionLog log not None, int64_t offset, int64_t upper, int64_t max_bytes, bint committed):
    """Whole batches from the one that holds `offset` on, below the offset `upper` and of about `max_bytes`, one at least.

    [(base offset, last offset, is_data, view of the batch where it lies)]; `is_data` is False for markers, and with
    `committed` for what an aborted transaction left (`upper` is then no more than the last stable offset).
    Raises OffsetOutOfRange, CorruptRecord, Closed.
    """
    cdef lf_error e
    cdef lf_fetch_place place
    cdef lf_fetch_slice part
    cdef lf_aborted *aborted = NULL
    cdef int32_t n_aborted = 0
    cdef lf_batch b
    cdef _SegmentHold hold
    cdef const uint8_t *at
    cdef list out = []
    cdef lf_log *l = log.enter()
    cdef int rc
    memset(&place, 0, sizeof(lf_fetch_place))
    try:
        rc = lf_fetch_read(l, &place, offset, upper, max_bytes, True, &part, &e)
        if rc == 0 and committed and part.size and l.state.producers_from != INT64_MAX:
            rc = lf_log_aborted(l, offset, place.behind_offset, &aborted, &n_aborted, &e)
        if rc:
            log.raise_error(&e)
        at = part.at
        while at < part.at + part.size:
            lf_batch_parse(at, 0, &b)
            hold = _SegmentHold.__new__(_SegmentHold)
            hold.segment = lf_segment_ref(part.segment)
            out.append((b.base_offset, b.last_offset, _is_data(&b, aborted, n_aborted),
                        memory_view(hold, at, b.size, 1, b"B")))
            at += b.size
        return out
    finally:
        free(aborted)
        lf_fetch_release(&place)
        log.leave()


cdef bint _is_data(const lf_batch *b, const lf_aborted *aborted, int32_t n_aborted) noexcept:
    cdef int32_t i
    if b.attributes & LF_ATTR_CONTROL:
        return False
    if b.attributes & LF_ATTR_TRANSACTIONAL:
        for i in range(n_aborted):
            if aborted[i].producer == b.producer_id and aborted[i].first <= b.base_offset <= aborted[i].last:
                return False
    return True


@cython.final
cdef class FetchRequest:
    """A parsed request. Raises FrameFault when the frame is none.

    `parts` are new FetchParts in the order of the request, `forgotten` the keys that leave the session.
    """

    def __init__(self, Frame frame):
        cdef lf_wire w
        self.version = frame.version
        self.correlation_id = frame.correlation_id
        self.parts = []
        self.forgotten = []
        w.p = frame.data + frame.body_at
        w.end = frame.data + frame.size
        w.flexible = frame.version >= FLEXIBLE_FROM
        w.bad = False
        self._parse(&w, frame)
        if w.bad:       # bytes behind it are left alone, as Kafka does
            raise FrameFault("not a fetch request")
        if self.epoch_at and frame.size <= REPEATED_MAX:
            self.raw = PyBytes_FromStringAndSize(<const char *>frame.data, frame.size)

    def repeat(self, Frame frame):
        """Whether a frame asks for the same, so that this is its request from now on; of a session with its next epoch."""
        cdef const char *mine
        cdef const char *other = <const char *>frame.data
        cdef Py_ssize_t behind = self.epoch_at + 4
        if self.raw is None or frame.size != len(self.raw):
            return False
        mine = <const char *>self.raw
        # All but the number of the request and the epoch: also the version, and the client's name.
        if (memcmp(mine, other, 4) or memcmp(mine + 8, other + 8, self.epoch_at - 8)
                or memcmp(mine + behind, other + behind, frame.size - behind)):
            return False
        self.correlation_id = frame.correlation_id
        self.session_epoch = <int32_t>lf_get32(frame.data + self.epoch_at)
        return True

    cdef int _parse(self, lf_wire *w, Frame frame) except -1:
        cdef int32_t _i, _j, count, rack = 0
        self.replica_id = lf_wire_i32(w) if self.version <= REPLICA_UNTIL else -1
        self.max_wait_ms = lf_wire_i32(w)
        self.min_bytes = lf_wire_i32(w)
        self.max_bytes = lf_wire_i32(w)
        self.isolation_level = lf_wire_i8(w)
        self.session_epoch = -1
        if self.version >= SESSION_FROM:
            self.session_id = lf_wire_i32(w)
            self.epoch_at = w.p - frame.data
            self.session_epoch = lf_wire_i32(w)
        for _i in range(lf_wire_count(w, 2)):
            topic = self._topic(w)
            # index, offset and max_bytes at least
            count = lf_wire_count(w, 16)
            for _j in range(count):
                self._part(w, topic)
            lf_wire_tags(w)
            if w.bad:
                return 0
        if self.version >= SESSION_FROM:
            for _i in range(lf_wire_count(w, 2)):
                topic = self._topic(w)
                count = lf_wire_count(w, 4)
                for _j in range(count):
                    self.forgotten.append((topic, lf_wire_i32(w)))
                lf_wire_tags(w)
                if w.bad:
                    return 0
        if self.version >= RACK_FROM:
            lf_wire_blob(w, 2, &rack)
        lf_wire_tags(w)
        return 0

    cdef object _topic(self, lf_wire *w):
        cdef int32_t n = 0
        cdef const uint8_t *at
        if self.version >= TOPIC_ID_FROM:
            at = lf_wire_take(w, LF_UUID_BYTES)
            n = LF_UUID_BYTES
        else:
            at = lf_wire_blob(w, 2, &n)
        if at == NULL:
            w.bad = True
            return None
        if self.version >= TOPIC_ID_FROM:
            return PyBytes_FromStringAndSize(<const char *>at, n)
        return (<const char *>at)[:n].decode("utf-8", "replace")

    cdef int _part(self, lf_wire *w, topic) except -1:
        cdef FetchPart part = FetchPart.__new__(FetchPart)
        part.topic = topic
        part.sent_end = -2
        part.index = lf_wire_i32(w)
        part.client_epoch = lf_wire_i32(w) if self.version >= LEADER_EPOCH_FROM else -1
        part.offset = lf_wire_i64(w)
        if self.version >= FLEXIBLE_FROM:
            lf_wire_i32(w)              # the epoch fetched last: followers truncate by it
        if self.version >= LOG_START_FROM:
            lf_wire_i64(w)              # a follower's log start
        part.max_bytes = lf_wire_i32(w)
        lf_wire_tags(w)
        if not w.bad:
            self.parts.append(part)
        return 0


def fetch_response(int version, int32_t correlation_id, int error, int32_t session_id, list parts, bint only_changed,
                   int32_t throttle_ms=0):
    """The whole response as a list of buffers, the first with size and head.

    `only_changed`: leave out parts whose client knows all there is to tell (an incremental session's answer).
    """
    cdef list out = [], named = [part for part in parts if not only_changed or (<FetchPart>part).changed()]
    cdef FetchPart part
    cdef lf_wire_out o
    cdef Py_ssize_t i = 0, j, n = len(named)
    cdef int64_t outside = 0
    cdef size_t begun = 0
    cdef list cuts = []
    memset(&o, 0, sizeof(lf_wire_out))
    o.flexible = version >= FLEXIBLE_FROM
    try:
        lf_wire_begin(&o, correlation_id)
        lf_wire_put_i32(&o, throttle_ms)
        if version >= SESSION_FROM:
            lf_wire_put_i16(&o, error)
            lf_wire_put_i32(&o, session_id)
        lf_wire_put_length(&o, 4, topics_in(named))
        while i < n:
            j = i
            while j < n and (<FetchPart>named[j]).topic == (<FetchPart>named[i]).topic:
                j += 1
            put_topic(&o, version, (<FetchPart>named[i]).topic)
            lf_wire_put_length(&o, 4, j - i)
            while i < j:
                part = <FetchPart>named[i]
                put_part(&o, version, part)
                if part.slice.size:
                    cuts.append((o.len, part.view()))
                    outside += part.slice.size
                lf_wire_put_tags(&o)
                part.note_sent()
                i += 1
            lf_wire_put_tags(&o)
        lf_wire_put_tags(&o)
        lf_wire_finish(&o, outside)
        if o.bad:
            raise MemoryError
        for at, view in cuts:
            out.append(PyBytes_FromStringAndSize(<const char *>o.buf + begun, <size_t>at - begun))
            out.append(view)
            begun = at
        out.append(PyBytes_FromStringAndSize(<const char *>o.buf + begun, o.len - begun))
        return out
    finally:
        free(o.buf)


cdef Py_ssize_t topics_in(list parts) except -1:
    """Stretches of parts that have one topic."""
    cdef Py_ssize_t i, n = 0
    for i in range(len(parts)):
        if i == 0 or (<FetchPart>parts[i]).topic != (<FetchPart>parts[i - 1]).topic:
            n += 1
    return n


cdef int put_topic(lf_wire_out *o, int version, topic) except -1:
    cdef bytes raw = topic if isinstance(topic, bytes) else topic.encode("utf-8", "replace")
    if version >= TOPIC_ID_FROM:
        lf_wire_put_raw(o, <const char *>raw, len(raw))
    else:
        lf_wire_put_string(o, <const char *>raw, <int32_t>len(raw))
    return 0


cdef void put_part(lf_wire_out *o, int version, FetchPart part) noexcept:
    cdef int32_t i
    lf_wire_put_i32(o, part.index)
    lf_wire_put_i16(o, part.read_error)
    lf_wire_put_i64(o, part.end_offset)
    lf_wire_put_i64(o, part.stable_offset)
    if version >= LOG_START_FROM:
        lf_wire_put_i64(o, part.start_offset)
    lf_wire_put_length(o, 4, part.n_aborted if part.committed else -1)
    for i in range(part.n_aborted):
        lf_wire_put_i64(o, part.aborted[i].producer)
        lf_wire_put_i64(o, part.aborted[i].first)
        lf_wire_put_tags(o)
    if version >= RACK_FROM:
        lf_wire_put_i32(o, -1)          # preferred replica
    lf_wire_put_length(o, 4, part.slice.size)
