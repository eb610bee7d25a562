"""A consumer of librdkafka whose messages become RecordBatches: one copy of their bytes, no object for each.

Rebalances are noted where they come up, in the thread that fetches, and taken over by whoever owns the handle:
librdkafka waits for the assign that follows.
"""

from libc.stdint cimport int32_t, uint8_t, uint64_t
from libc.stdlib cimport free, malloc, realloc

cimport cython

from logflume._native.columns cimport RecordBatch
from logflume._native.core cimport LF_OK, lf_columns_reserve, lf_heap, lf_heap_new, lf_heap_unref
from logflume._native.rdkafka cimport *

__all__ = ["ConsumerHandle", "GroupPosition"]

cdef enum:
    CALL_SUBSCRIBE
    CALL_ASSIGN
    CALL_PAUSE
    CALL_RESUME
    CALL_COMMIT
    CALL_COMMIT_ASYNC
    CALL_COMMITTED
    CALL_ADD
    CALL_REMOVE
    CALL_SEEK

cdef uint64_t ONE = 1       # what is written to the event descriptor


cdef void on_rebalance(rd_kafka_t *rk, int code, rd_kafka_topic_partition_list_t *places, void *opaque) noexcept with gil:
    cdef ConsumerHandle handle = <ConsumerHandle>opaque
    cdef rd_kafka_error_t *error = NULL
    cdef int i
    if handle.leaving:
        if handle.api.rebalance_protocol(rk) == b"COOPERATIVE" and code != LF_RD_ERR_ASSIGN:
            error = handle.api.incremental_unassign(rk, places)
            if error != NULL:
                handle.api.error_destroy(error)
        else:
            handle.api.assign(rk, NULL)
        return
    handle.rebalances.append((code != LF_RD_ERR_ASSIGN,
                              [(places.elems[i].topic.decode(), places.elems[i].partition) for i in range(places.cnt)]))
    handle.api.stop_serving(rk)


@cython.final
cdef class GroupPosition:
    """A member's identity, for send_offsets_to_transaction. Freed with this object."""

    def __dealloc__(self):
        if self.metadata != NULL:
            self.library.api.consumer_group_metadata_destroy(self.metadata)


@cython.final
cdef class ConsumerHandle(Handle):
    """`settings`: librdkafka's names; `made`: (library, fail, on_log, on_error). One thread at a time fetches."""

    def __init__(self, dict settings, made):
        self.names = {}
        self.rebalances = []
        self.open(LF_RD_CONSUMER, settings, made)
        self.api.poll_set_consumer(self.rk)
        self.queue = self.api.queue_get_consumer(self.rk)
        self.api.set_log_queue(self.rk, NULL)

    def __dealloc__(self):
        # Not closed: the threads go with the process, and waiting for them here could take the GIL's holder along.
        free(self.messages)

    cdef int prepare(self, rd_kafka_conf_t *conf) except -1:
        self.api.conf_set_rebalance_cb(
            conf, <void (*)(rd_kafka_t *, int, rd_kafka_topic_partition_list_t *, void *) noexcept nogil>on_rebalance)
        return 0

    def signal_to(self, int descriptor):
        """Have 1 added to this eventfd whenever the queue, which was empty, gets something."""
        self.api.queue_io_event_enable(self.queue, descriptor, &ONE, sizeof(ONE))

    # ---- fetching

    def fetch(self, int32_t max_records, int timeout_ms):
        """What is there, up to `max_records`; waits for all of them up to `timeout_ms`, so that 0 is the usual one.

        Returns (RecordBatch or None, [(topic, partition, next offset)], [(code, topic, partition, offset, text)]).
        Of errors among the messages, the end of a partition (_PARTITION_EOF) is one.
        """
        cdef ssize_t n
        cdef int32_t i, failed = 0
        cdef void *more
        cdef list events = []
        if max_records > self.cap:
            more = realloc(self.messages, max_records * sizeof(rd_kafka_message_t *))
            if more == NULL:
                raise MemoryError
            self.messages = <rd_kafka_message_t **>more
            self.cap = max_records
        self.enter()
        try:
            with nogil:
                n = self.api.consume_batch_queue(self.queue, timeout_ms, self.messages, max_records)
        finally:
            self.leave()
        if n <= 0:
            return None, [], events
        try:
            for i in range(<int32_t>n):
                if self.messages[i].err:
                    failed += 1
            if failed:
                self.note_events(<int32_t>n, events)
            if failed == n:
                return None, [], events
            batch = self.to_batch(<int32_t>n)
        finally:
            with nogil:
                for i in range(<int32_t>n):
                    self.api.message_destroy(self.messages[i])
        return batch, ends_of(batch), events

    cdef int note_events(self, int32_t n, list events) except -1:
        cdef int32_t i
        cdef rd_kafka_message_t *m
        for i in range(n):
            m = self.messages[i]
            if m.err:
                events.append((m.err, self.name_of(m.rkt) if m.rkt != NULL else None, m.partition, m.offset,
                               self.api.message_errstr(m).decode(errors="replace")))
        return 0

    cdef str name_of(self, rd_kafka_topic_t *rkt):
        cdef str name
        if rkt != self.last_rkt:
            name = self.api.topic_name(rkt).decode()
            # One object a name: parts of a batch compare names by identity.
            self.last_name = self.names.setdefault(name, name)
            self.last_rkt = rkt
        return self.last_name

    cdef RecordBatch to_batch(self, int32_t n):
        cdef RecordBatch out = RecordBatch.__new__(RecordBatch)
        cdef int32_t i = 0, end
        cdef size_t size
        cdef uint8_t *at
        cdef uint8_t *next
        cdef lf_heap *heap
        with nogil:
            size = lf_rd_rows_size(self.api, self.messages, n)
            at = <uint8_t *>malloc(size)
        if at == NULL or lf_columns_reserve(&out.c, n) != LF_OK:
            free(at)
            raise MemoryError
        heap = lf_heap_new(at)
        if heap == NULL:
            raise MemoryError
        self.last_rkt = NULL        # a handle of before may have been freed, and its place taken by another topic's
        try:
            while i < n:
                if self.messages[i].err:
                    i += 1
                    continue
                end = lf_rd_run_end(self.messages, i, n)
                # The part before its rows: it begins with the row that comes next.
                out.add_part(self.name_of(self.messages[i].rkt), self.messages[i].partition, at, 0, NULL, heap)
                with nogil:
                    next = lf_rd_rows_put(self.api, self.messages, i, end, &out.c, at)
                out.parts[out.n_parts - 1].len = next - at
                at = next
                i = end
        finally:
            lf_heap_unref(heap)
        return out

    # ---- what is fetched

    def take_rebalances(self):
        """[(revoked, [(topic, partition)])] that came up since the last call, in order; each wants to be answered."""
        out, self.rebalances = self.rebalances, []
        return out

    @property
    def has_rebalance(self):
        """bool: take_rebalances() would give something."""
        return len(self.rebalances) > 0

    cdef int call_with_list(self, int which, object places, int timeout_ms, list out) except -1:
        cdef rd_kafka_topic_partition_list_t *asked = NULL
        cdef rd_kafka_error_t *error = NULL
        cdef int rc = 0
        if places is not None:
            asked = self.to_list(places)
        try:
            self.enter()
            try:
                with nogil:
                    if which == CALL_SUBSCRIBE:
                        rc = self.api.subscribe(self.rk, asked)
                    elif which == CALL_ASSIGN:
                        rc = self.api.assign(self.rk, asked)
                    elif which == CALL_PAUSE:
                        rc = self.api.pause_partitions(self.rk, asked)
                    elif which == CALL_RESUME:
                        rc = self.api.resume_partitions(self.rk, asked)
                    elif which == CALL_COMMIT:
                        rc = self.api.commit(self.rk, asked, 0)
                    elif which == CALL_COMMIT_ASYNC:
                        rc = self.api.commit(self.rk, asked, 1)
                    elif which == CALL_COMMITTED:
                        rc = self.api.committed(self.rk, asked, timeout_ms)
                    elif which == CALL_ADD:
                        error = self.api.incremental_assign(self.rk, asked)
                    elif which == CALL_REMOVE:
                        error = self.api.incremental_unassign(self.rk, asked)
                    else:
                        error = self.api.seek_partitions(self.rk, asked, timeout_ms)
            finally:
                self.leave()
            self.check(rc)
            self.check_error(error)
            if out is not None:
                out.extend(self.from_list(asked))
        finally:
            if asked != NULL:
                self.api.topic_partition_list_destroy(asked)
        return 0

    def subscribe(self, topics):
        """Be a member of the group that shares these topics; a name with ^ in front is a regular expression."""
        self.call_with_list(CALL_SUBSCRIBE, [(name, -1) for name in topics], 0, None)

    def unsubscribe(self):
        """Leave the group; what was assigned is revoked."""
        cdef int rc
        self.enter()
        try:
            with nogil:
                rc = self.api.unsubscribe(self.rk)
        finally:
            self.leave()
        self.check(rc)

    def assign(self, places):
        """Fetch from exactly these (topic, partition, offset); None: from none."""
        self.call_with_list(CALL_ASSIGN, places, 0, None)

    def add(self, places):
        """Fetch from these (topic, partition, offset) too."""
        self.call_with_list(CALL_ADD, places, 0, None)

    def remove(self, places):
        """Fetch no more from these (topic, partition)."""
        self.call_with_list(CALL_REMOVE, places, 0, None)

    def pause(self, places):
        """Fetch nothing from these until resumed."""
        self.call_with_list(CALL_PAUSE, places, 0, None)

    def resume(self, places):
        """Fetch from these again."""
        self.call_with_list(CALL_RESUME, places, 0, None)

    def seek(self, places, int timeout_ms):
        """Go on at (topic, partition, offset); gives them with their error codes."""
        out = []
        self.call_with_list(CALL_SEEK, places, timeout_ms, out)
        return out

    @property
    def is_eager(self):
        """bool: a member of a group whose members give up all partitions at once."""
        cdef const char *found
        self.enter()
        try:
            found = self.api.rebalance_protocol(self.rk)
        finally:
            self.leave()
        return found != NULL and found == b"EAGER"

    @property
    def is_lost(self):
        """bool: what is being revoked belongs to others already."""
        self.enter()
        try:
            return bool(self.api.assignment_lost(self.rk))
        finally:
            self.leave()

    # ---- the group's stored positions

    def commit(self, places, bint wait):
        """Store (topic, partition, offset, metadata); gives them with their error codes when it waits."""
        out = [] if wait else None
        self.call_with_list(CALL_COMMIT if wait else CALL_COMMIT_ASYNC, places, 0, out)
        return out

    def committed(self, places, int timeout_ms):
        """(topic, partition, offset or negative, error code, metadata) of each."""
        out = []
        self.call_with_list(CALL_COMMITTED, places, timeout_ms, out)
        return out

    def group_position(self):
        """What send_offsets() of a producer needs to know of this member."""
        cdef GroupPosition out = GroupPosition.__new__(GroupPosition)
        self.enter()
        try:
            out.library = self.library
            out.metadata = self.api.consumer_group_metadata(self.rk)
        finally:
            self.leave()
        return out

    # ---- life

    def leave_group(self):
        """Leave the group, if it is a member of one; fetches nothing afterwards. What was assigned is given up
        without being noted."""
        cdef int rc
        self.enter()
        try:
            self.leaving = True
            with nogil:
                rc = self.api.consumer_close(self.rk)
        finally:
            self.leave()
        self.check(rc)

    def close(self):
        """Free everything; waits for a call under way in another thread. Idempotent."""
        self.free(0x8)      # without leaving the group once more


cdef list ends_of(RecordBatch batch):
    """(topic, partition, offset behind the last row) of each part."""
    cdef int32_t k, last
    cdef list out = []
    for k in range(batch.n_parts):
        last = (batch.parts[k + 1].first_row if k + 1 < batch.n_parts else batch.c.n) - 1
        out.append((batch.topics[batch.parts[k].topic], batch.parts[k].partition, batch.c.offsets[last] + 1))
    return out
