"""Many records at once to a cluster: columns and lists through librdkafka's batch call, without an object for each.

All records of one call are a group: their reports are counted, and the call returns when the last has come.
"""

import time

from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.stdlib cimport free, malloc

cimport cython

from logflume._native.append_input cimport AppendInput
from logflume._native.gather cimport Gather
from logflume._native.input_columns cimport lf_in_column, lf_in_get
from logflume._native.rdkafka cimport *
from logflume._native.rdkafka_producer cimport BY_LIBRDKAFKA, ProducerHandle, RemoteTopic

__all__ = ["ManyRecords"]

cdef extern from "lf/rdkafka_settle.h" nogil:
    lf_rd_group *lf_rd_group_new() noexcept
    void *lf_rd_group_tag(lf_rd_group *group) noexcept
    void lf_rd_group_add(lf_rd_group *group, int64_t n) noexcept
    int lf_rd_group_done(lf_rd_group *group) noexcept
    int lf_rd_group_error(lf_rd_group *group) noexcept
    int64_t lf_rd_group_first(lf_rd_group *group) noexcept

cdef enum:
    BATCH_RECORDS = 8192    # for one call of librdkafka's
    WAIT_MS = 20            # how long a wait leaves signals unseen

cdef int64_t GATHER_BYTES = 1 << 20


@cython.final
cdef class ManyRecords:
    """One call's records. `partition` -1: by the partitioner. Raises as AppendInput."""

    def __init__(self, ProducerHandle handle, RemoteTopic topic, int32_t partition, values, keys, timestamps, headers):
        self.handle = handle
        self.topic = topic
        self.partition = partition
        self.given = AppendInput(values, keys, timestamps, headers)
        self.group = lf_rd_group_new()
        if self.group == NULL:
            raise MemoryError

    def __dealloc__(self):
        if self.group != NULL:
            lf_rd_group_add(self.group, -1)

    def send(self):
        """Returns how many once all are acknowledged, and the lowest offset (-1: not known). Raises the first
        failure, and Timeout when there is no room within the producer's time."""
        cdef int code
        self.deadline = time.monotonic() + self.handle.block_s
        code = self._put_all()
        self._wait()
        self.handle.check(code or lf_rd_group_error(self.group))
        return self.given.length, lf_rd_group_first(self.group)

    cdef int _put_all(self) except? -1:
        cdef AppendInput given = self.given
        cdef Gather gather
        cdef int64_t at = 0, n
        cdef int code = 0
        if given.value_column is not None and given.stamps is None:
            return self._put_columns(given.value_column.chunks,
                                     given.key_column.chunks if given.key_column is not None else NULL, given.length)
        values, keys = given.values, given.keys
        timestamps = given.timestamps
        if given.value_column is not None:
            # With times of their own, which librdkafka's batch call has no place for.
            values = given.value_column.items()
            keys = given.key_column.items() if given.key_column is not None else None
            timestamps = given.stamps
        if timestamps is not None:
            for at in range(given.length):
                self._put_one(values, keys, timestamps, at)
            return 0
        gather = Gather.__new__(Gather)
        while at < given.length and not code:
            n = gather.take(values, keys, None, given.headers, 0, at, given.length, GATHER_BYTES)
            if n:
                code = self._put_columns(&gather.values, &gather.keys if keys is not None else NULL, n)
            else:
                self._put_one(values, keys, None, at)
                n = 1
            at += n
        return code

    def _put_one(self, values, keys, timestamps, int64_t at):
        """A record with headers, with a time of its own, or of bytes-likes that are no bytes."""
        headers = self.given.headers
        lf_rd_group_add(self.group, 1)
        try:
            self.handle.put_within(self.topic, values[at], None if keys is None else keys[at],
                                   None if headers is None else headers[at], self.partition,
                                   None if timestamps is None else timestamps[at], lf_rd_group_tag(self.group),
                                   self.handle.block_s)
        except BaseException:
            lf_rd_group_add(self.group, -1)
            raise

    cdef int _put_columns(self, const lf_in_column *values, const lf_in_column *keys, int64_t n) except? -1:
        """`n` records of the columns' chunks; the first error code, 0 for none."""
        cdef rd_kafka_message_t *messages = <rd_kafka_message_t *>malloc(BATCH_RECORDS * sizeof(rd_kafka_message_t))
        cdef int64_t at = 0, vi = 0, ki = 0, vn, kn
        cdef int32_t vc = 0, kc = 0, m, k
        cdef const uint8_t *p = NULL
        cdef const uint8_t *q = NULL
        cdef void *whose = lf_rd_group_tag(self.group)
        cdef bint choose = self.partition == LF_RD_PARTITION_ANY and self.handle.partitioner != BY_LIBRDKAFKA
        cdef int flags = LF_RD_FLAG_COPY | (LF_RD_FLAG_PARTITION if choose else 0), code = 0
        if messages == NULL:
            raise MemoryError
        try:
            while at < n and not code:
                m = <int32_t>min(n - at, BATCH_RECORDS)
                with nogil:
                    for k in range(m):
                        while vi >= values[vc].n:
                            vi -= values[vc].n
                            vc += 1
                        vn = lf_in_get(&values[vc], vi, &p)
                        vi += 1
                        kn = -1
                        if keys != NULL:
                            while ki >= keys[kc].n:
                                ki -= keys[kc].n
                                kc += 1
                            kn = lf_in_get(&keys[kc], ki, &q)
                            ki += 1
                        messages[k].err = 0
                        messages[k].payload = <void *>p if vn >= 0 else NULL
                        messages[k].len = vn if vn > 0 else 0
                        messages[k].key = <void *>q if kn >= 0 else NULL
                        messages[k].key_len = kn if kn > 0 else 0
                        messages[k]._private = whose
                        if choose:
                            messages[k].partition = self.handle.choose(self.topic, q, kn)
                code = self._put_messages(messages, m, flags)
                at += m
        finally:
            free(messages)
        return code

    cdef int _put_messages(self, rd_kafka_message_t *messages, int32_t n, int flags) except? -1:
        """All of these messages, in order, as room comes; the first error code that is not about room."""
        cdef int32_t start = 0, taken, k
        cdef int code = 0
        cdef ProducerHandle handle = self.handle
        while start < n:
            lf_rd_group_add(self.group, n - start)
            handle.enter()
            try:
                with nogil:
                    taken = handle.api.produce_batch(self.topic.rkt, self.partition, flags, messages + start, n - start)
            finally:
                handle.leave()
            lf_rd_group_add(self.group, taken - (n - start))
            # Once the queue is full, all that follow are refused: the first of them is where to go on.
            k = start
            while taken < n - start and k < n and messages[k].err != LF_RD_ERR_QUEUE_FULL:
                if messages[k].err and not code:
                    code = messages[k].err
                k += 1
            if taken == n - start:
                return code
            start = k
            if start < n:
                handle.wait_for_room(self.deadline)
        return code

    cdef int _wait(self) except -1:
        """Returns when all are settled: delivery.timeout.ms bounds that. Does not wait for linger.ms."""
        cdef ProducerHandle handle = self.handle
        while not lf_rd_group_done(self.group):
            handle.enter()
            try:
                with nogil:
                    handle.api.flush(handle.rk, WAIT_MS)
            finally:
                handle.leave()
            PyErr_CheckSignals()
        return 0
