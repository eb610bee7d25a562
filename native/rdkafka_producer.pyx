"""A producer of librdkafka: single records with a delivery each, reports, transactions.

A thread of the producer's owner calls serve() all the time: it settles deliveries and makes room. Calls that find
librdkafka's queue full wait for that, up to their deadline.
"""

import threading
import time

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_GET_SIZE
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.stdlib cimport free, malloc

cimport cython

from logflume import errors

from logflume._native.gather cimport stamp_of
from logflume._native.partitioner cimport LF_PARTITION_XXH3, lf_partition_of
from logflume._native.rdkafka cimport *
from logflume._native.rdkafka_consumer cimport GroupPosition
from logflume._native.rdkafka_delivery cimport DONE, RemoteDelivery
from logflume._native.staging cimport plain_bytes

from logflume._native.rdkafka_delivery import tell

__all__ = ["ProducerHandle", "RemoteTopic"]

cdef extern from "lf/rdkafka_settle.h" nogil:
    int32_t lf_rd_settle(const lf_rd_api *api, rd_kafka_event_t *event, lf_rd_report *out, int32_t cap) noexcept

cdef enum:
    BY_ROUND_ROBIN = 2      # of PARTITIONERS
    REPORTS_MAX = 1024
    NO_STAMP = -1

PARTITIONERS = ("murmur2", "xxh3", "round_robin", "sticky")


@cython.final
cdef class RemoteTopic:
    """A topic of a producer: made by ProducerHandle.topic()."""


@cython.final
cdef class ProducerHandle(Handle):
    """`settings`: librdkafka's names; `made`: (library, fail, on_log, on_error); `block_s`: the longest wait for room."""

    def __init__(self, dict settings, made, *, str partitioner="murmur2", double block_s=60.0):
        self.partitioner = PARTITIONERS.index(partitioner)
        self.block_s = block_s
        self.changed = threading.Condition()
        self.reports = <lf_rd_report *>malloc(REPORTS_MAX * sizeof(lf_rd_report))
        if self.reports == NULL:
            raise MemoryError
        self.open(LF_RD_PRODUCER, settings, made)
        self.queue = self.api.queue_get_main(self.rk)
        self.api.set_log_queue(self.rk, self.queue)

    def __dealloc__(self):
        free(self.reports)

    cdef int prepare(self, rd_kafka_conf_t *conf) except -1:
        self.api.conf_set_events(conf, LF_RD_EVENT_DR)
        return 0

    # ---- topics

    def topic(self, str name, int32_t partitions):
        """The topic, which has so many partitions."""
        cdef RemoteTopic out = RemoteTopic.__new__(RemoteTopic)
        self.enter()
        try:
            out.rkt = self.api.topic_new(self.rk, name.encode(), NULL)
        finally:
            self.leave()
        if out.rkt == NULL:
            raise errors.InvalidTopicName(topic=name, reason="librdkafka does not take it")
        out.name = name
        out.partitions = partitions
        out.looked = time.monotonic()
        out.turn = <int32_t>(time.monotonic_ns() % max(partitions, 1))
        return out

    def drop_topic(self, RemoteTopic topic):
        """It is not used any more."""
        if topic.rkt != NULL and not self.closed:
            self.api.topic_destroy(topic.rkt)
        topic.rkt = NULL

    cdef int32_t choose(self, RemoteTopic topic, const uint8_t *key, int64_t length) noexcept nogil:
        """The partition of a record without an explicit one; `length` -1: no key."""
        if self.partitioner == BY_LIBRDKAFKA:
            return LF_RD_PARTITION_ANY
        if self.partitioner <= LF_PARTITION_XXH3 and length >= 0:
            return lf_partition_of(self.partitioner, key, length, topic.partitions)
        if self.partitioner == BY_ROUND_ROBIN:
            topic.turn = (topic.turn + 1) % topic.partitions
        return topic.turn

    # ---- single records

    cdef int put(self, RemoteTopic topic, const void *value, int64_t n, const void *key, int64_t kn, object headers,
                 int32_t partition, int64_t stamp, void *whose) except? -1:
        """Hands one record to librdkafka; its error code, of which a full queue is one."""
        cdef rd_kafka_vu_t vus[8]
        cdef int cnt = 6, code
        cdef rd_kafka_error_t *error
        cdef rd_kafka_headers_t *made = NULL
        vus[0].vtype = LF_RD_V_RKT
        vus[0].u.rkt = topic.rkt
        vus[1].vtype = LF_RD_V_PARTITION
        vus[1].u.i32 = partition
        vus[2].vtype = LF_RD_V_VALUE
        vus[2].u.mem.mem = <void *>value
        vus[2].u.mem.size = n if n > 0 else 0
        vus[3].vtype = LF_RD_V_KEY
        vus[3].u.mem.mem = <void *>key
        vus[3].u.mem.size = kn if kn > 0 else 0
        vus[4].vtype = LF_RD_V_OPAQUE
        vus[4].u.ptr = whose
        vus[5].vtype = LF_RD_V_MSGFLAGS
        vus[5].u.i = LF_RD_FLAG_COPY
        if stamp != NO_STAMP:
            vus[cnt].vtype = LF_RD_V_TIMESTAMP
            vus[cnt].u.i64 = stamp
            cnt += 1
        if headers:
            made = make_headers(self.api, headers)
            vus[cnt].vtype = LF_RD_V_HEADERS
            vus[cnt].u.headers = made
            cnt += 1
        self.enter()
        try:
            error = self.api.produceva(self.rk, vus, cnt)
        finally:
            self.leave()
        if error == NULL:
            return 0
        code = self.api.error_code(error)
        self.api.error_destroy(error)
        if made != NULL:
            self.api.headers_destroy(made)
        return code

    cdef int put_within(self, RemoteTopic topic, object value, object key, object headers, int32_t partition,
                        object timestamp, void *whose, double seconds) except -1:
        """put(), waiting for room; raises what else goes wrong."""
        cdef int64_t n = -1, kn = -1, stamp = NO_STAMP
        cdef const uint8_t *v = NULL
        cdef const uint8_t *k = NULL
        cdef int code
        cdef double deadline = 0
        if value is not None:
            if not PyBytes_CheckExact(value):
                value = plain_bytes("value", value)
            v = <const uint8_t *>PyBytes_AS_STRING(value)
            n = PyBytes_GET_SIZE(value)
        if key is not None:
            if not PyBytes_CheckExact(key):
                key = plain_bytes("key", key)
            k = <const uint8_t *>PyBytes_AS_STRING(key)
            kn = PyBytes_GET_SIZE(key)
        if timestamp is not None:
            stamp = stamp_of(timestamp)
            if stamp < 0:
                raise errors.InvalidTimestamp(timestamp=stamp, reason="is negative")
        if partition == LF_RD_PARTITION_ANY:
            partition = self.choose(topic, k, kn)
        while True:
            code = self.put(topic, v, n, k, kn, headers, partition, stamp, whose)
            if code != LF_RD_ERR_QUEUE_FULL:
                break
            deadline = deadline or time.monotonic() + seconds
            self.wait_for_room(deadline)
        return self.check(code)

    def delivery(self, RemoteTopic topic, int32_t partition):
        """The RemoteDelivery of a record that is not on its way yet."""
        cdef RemoteDelivery out = RemoteDelivery.__new__(RemoteDelivery)
        out.producer = self
        out.topic = topic.name
        out.partition = partition
        out.at = -1
        return out

    def fail_delivery(self, RemoteDelivery delivery, error):
        """It will not be on its way."""
        cdef dict loops = {}
        if self.failure is None:
            self.failure = error
        delivery.settle(error, delivery.partition, -1, -1, loops)
        self.tell_loops(loops)

    def send(self, RemoteTopic topic, value, key, headers, int32_t partition, timestamp, RemoteDelivery held=None,
             bint wait=True):
        """One record on its way (`partition` -1: by the partitioner); its RemoteDelivery, `held` if there is one already.
        Raises Timeout when there is no room within the time (without `wait`, now), and what librdkafka refuses."""
        cdef RemoteDelivery out = self.delivery(topic, partition) if held is None else held
        Py_INCREF(out)
        try:
            self.put_within(topic, value, key, headers, partition, timestamp, <void *>out, self.block_s if wait else 0)
        except BaseException:
            Py_DECREF(out)
            raise
        self.sent += 1
        return out

    cdef int wait_for_room(self, double deadline) except -1:
        cdef double left = deadline - time.monotonic()
        if left <= 0:
            raise errors.Timeout(what="room in the producer's buffer (buffer.memory)", seconds=self.block_s)
        with self.changed:
            self.waiting += 1
            try:
                self.changed.wait(min(left, 0.1))
            finally:
                self.waiting -= 1
        return 0

    # ---- reports

    def serve(self, int timeout_ms):
        """Settle deliveries that were reported, waiting up to `timeout_ms` for the first; how many reports came."""
        cdef rd_kafka_event_t *event
        cdef int32_t n = 0, i
        cdef int64_t count = 0
        cdef dict loops = {}
        cdef RemoteDelivery delivery
        self.enter()
        try:
            with nogil:
                event = self.api.queue_poll(self.queue, timeout_ms)
            if event == NULL:
                return 0
            try:
                if self.api.event_type(event) == LF_RD_EVENT_DR:
                    while True:
                        with nogil:
                            n = lf_rd_settle(self.api, event, self.reports, REPORTS_MAX)
                        for i in range(n):
                            delivery = <RemoteDelivery>self.reports[i].whose
                            self._settle(delivery, i, loops)
                            Py_DECREF(delivery)
                        count += n
                        if n < REPORTS_MAX:
                            break
            finally:
                with nogil:
                    self.api.event_destroy(event)
        finally:
            self.leave()
        self.settled += count
        self.tell_loops(loops)
        if self.waiting:
            with self.changed:
                self.changed.notify_all()
        return count + 1

    cdef int tell_loops(self, dict loops) except -1:
        for loop, waiting in loops.items():
            try:
                loop.call_soon_threadsafe(tell, waiting)
            except RuntimeError:
                pass        # the loop is closed: nobody waits any more
        return 0

    def _settle(self, RemoteDelivery delivery, int32_t i, dict loops):
        cdef lf_rd_report *r = &self.reports[i]
        error = None
        if r.err:
            error = self.fail(r.err, self.library.error_text(r.err), False, False)
            if self.failure is None:
                self.failure = error
        delivery.settle(error, r.partition, r.offset, r.timestamp, loops)

    def wait_for(self, RemoteDelivery delivery, timeout):
        """Return when it is settled. Raises Timeout."""
        deadline = None if timeout is None else time.monotonic() + timeout
        with self.changed:
            self.waiting += 1
            try:
                while delivery.state < DONE:
                    left = 1.0 if deadline is None else deadline - time.monotonic()
                    if left <= 0:
                        raise errors.Timeout(what=f"the acknowledgement of a record of {delivery.topic}", seconds=timeout)
                    if self.closed:
                        raise errors.Closed(what="the producer")
                    self.changed.wait(min(left, 1.0))
            finally:
                self.waiting -= 1

    def forget_failure(self, error):
        """It was told to whoever asked for the delivery."""
        if self.failure is error:
            self.failure = None

    def flush(self, int timeout_ms):
        """Return True when everything sent before is settled, False when the time is over first."""
        cdef int rc
        self.enter()
        try:
            with nogil:
                rc = self.api.flush(self.rk, timeout_ms)
        finally:
            self.leave()
        return rc == 0 and self.settled >= self.sent

    def take_failure(self):
        """The first failure that nobody asked for, once."""
        failure, self.failure = self.failure, None
        return failure

    @property
    def open_records(self):
        """int: records that are not settled yet."""
        return 0 if self.closed else self.api.outq_len(self.rk)

    # ---- transactions

    def init_transactions(self, int timeout_ms):
        """Register the transactional.id; fences a producer that had it before."""
        cdef rd_kafka_error_t *error
        self.enter()
        try:
            with nogil:
                error = self.api.init_transactions(self.rk, timeout_ms)
        finally:
            self.leave()
        self.check_error(error)

    def begin_transaction(self):
        """What is sent from now on belongs together."""
        self.enter()
        try:
            self.check_error(self.api.begin_transaction(self.rk))
        finally:
            self.leave()

    def end_transaction(self, bint commit, int timeout_ms):
        """Make it visible, or have it never seen."""
        cdef rd_kafka_error_t *error
        self.enter()
        try:
            with nogil:
                if commit:
                    error = self.api.commit_transaction(self.rk, timeout_ms)
                else:
                    error = self.api.abort_transaction(self.rk, timeout_ms)
        finally:
            self.leave()
        self.check_error(error)

    def send_offsets(self, places, GroupPosition group, int timeout_ms):
        """Commit (topic, partition, offset, metadata) for a group with the transaction."""
        cdef rd_kafka_topic_partition_list_t *asked = self.to_list(places)
        cdef rd_kafka_error_t *error
        try:
            self.enter()
            try:
                with nogil:
                    error = self.api.send_offsets_to_transaction(self.rk, asked, group.metadata, timeout_ms)
            finally:
                self.leave()
        finally:
            self.api.topic_partition_list_destroy(asked)
        self.check_error(error)

    # ---- life

    def close(self):
        """Free everything; what is not settled is dropped. Idempotent."""
        self.free(0)


cdef rd_kafka_headers_t *make_headers(lf_rd_api *api, object headers) except NULL:
    """From (str, bytes | None) pairs. Raises InvalidRecord."""
    cdef rd_kafka_headers_t *out = api.headers_new(8)
    cdef bytes name, value
    try:
        for pair in headers.items() if hasattr(headers, "items") else headers:
            try:
                given, content = pair
                name = given.encode("utf-8", "surrogateescape") if isinstance(given, str) else bytes(memoryview(given))
                if isinstance(content, str):
                    raise TypeError
                value = None if content is None else bytes(memoryview(content))
            except (TypeError, ValueError):
                raise errors.InvalidRecord(reason=f"a header is a (str, bytes) pair, not {pair!r}") from None
            api.header_add(out, PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name),
                           <const void *>NULL if value is None else <const void *><char *>PyBytes_AS_STRING(value),
                           0 if value is None else PyBytes_GET_SIZE(value))
    except BaseException:
        api.headers_destroy(out)
        raise
    return out
