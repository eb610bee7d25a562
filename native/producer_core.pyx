"""The send path: records gather in open batches, one for each partition.

An open batch is closed when it is full, when it is `linger` old (tick), at flush, when somebody asks for a
delivery's result, or the moment a reader waits.

Threads: the GIL guards the structures; it is released only while a batch is compressed, written or synced.
"""

import time

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_GET_SIZE
from libc.stdint cimport int32_t, int64_t, uint8_t

cimport cython

from logflume import errors

from logflume._native.accumulator cimport TXN_NONE, Accumulator, Upkeep
from logflume._native.append_input cimport AppendInput
from logflume._native.core cimport *
from logflume._native.delivery cimport Delivery
from logflume._native.gather cimport stamp_of
from logflume._native.input_columns cimport as_timestamps
from logflume._native.partitioner cimport LF_PARTITION_XXH3, lf_partition_of
from logflume._native.scatter cimport Scatter
from logflume._native.staging cimport SharedHeaders, Stage, give_stage, plain_bytes, put_headers, raise_status, take_headers

__all__ = ["ProducerCore"]

cdef extern from *:
    void __builtin_prefetch(const void *at) noexcept

cdef extern from "lf/stamp.h" nogil:
    ctypedef struct lf_stamp:
        pass
    int64_t lf_stamp_ms(lf_stamp *s) noexcept

cdef lf_stamp clock         # the GIL guards it

cdef enum:
    ROUND_ROBIN = 2     # of PARTITIONERS
    STICKY = 3

cdef enum:
    RECORD_OVERHEAD = 70        # bytes that a record takes in a batch of its own beyond key, value and headers, at most

PARTITIONERS = ("murmur2", "xxh3", "round_robin", "sticky")


@cython.final
@cython.internal
cdef class TopicSlot:
    """A topic as the producer sees it."""

    def check_timestamp(self, int64_t when):
        """InvalidTimestamp when it lies further from the clock than the topic allows."""
        cdef int64_t now = lf_now_ms()
        if when < 0:
            reason = "is negative"
        elif when > now and when - now > self.after_max:
            reason = f"is more than message.timestamp.after.max.ms ({self.after_max}) ahead of the clock"
        elif when < now and now - when > self.before_max:
            reason = f"is more than message.timestamp.before.max.ms ({self.before_max}) behind the clock"
        else:
            return
        raise errors.InvalidTimestamp(timestamp=when, reason=reason)

    def check_timestamps(self, timestamps):
        """As check_timestamp, for the ends of a sequence, None in it being now."""
        if not isinstance(timestamps, (list, tuple)):
            timestamps = as_timestamps(timestamps)
            timestamps = int(timestamps.min()), int(timestamps.max())
        given = [stamp_of(when) for when in timestamps if when is not None]
        if given:
            self.check_timestamp(min(given))
            self.check_timestamp(max(given))

    cdef Accumulator keyless(self):
        """The partition that takes records without a key now: another one for each batch (KIP-480)."""
        cdef Accumulator a = <Accumulator>self.accumulators[self.sticky]
        if a.pending is None and self.count > 1:
            self.sticky = (self.sticky + 1) % self.count
            a = <Accumulator>self.accumulators[self.sticky]
        return a

    cdef Accumulator choose(self, const uint8_t *key, int64_t length, int partitioner):
        """The partition of a record without an explicit one. `length` -1: no key."""
        if length >= 0 and partitioner <= LF_PARTITION_XXH3:
            return <Accumulator>self.accumulators[lf_partition_of(partitioner, key, length, self.count)]
        if partitioner == ROUND_ROBIN:
            self.sticky = (self.sticky + 1) % self.count
        return <Accumulator>self.accumulators[self.sticky]


@cython.final
cdef class ProducerCore(Upkeep):
    """The producer's native part. Thread-safe under the GIL.

    `open_topic(name)` returns (partitions, codec, level, before_max, after_max, settings); `wake()` is called when
    the ticker has something to do again; `sync_together(logs)` is called before each of many logs is synced. `linger`
    is in seconds, sizes are bytes, `acks` is -1 for all.
    `claim_id()`: gives the producer id of an idempotent producer when it is first needed, None: not idempotent.
    """

    def __init__(self, open_topic, wake, sync_together, *, int acks, double linger, int64_t batch_size,
                 int64_t max_request_size, str partitioner, claim_id=None, transactional_id=None):
        self.claim_id = claim_id
        self.transactional_id = transactional_id
        self.transactions = None
        self.attributes = LF_ATTR_TRANSACTIONAL if transactional_id is not None else 0
        self.producer_id = self.producer_epoch = -1
        self.sequences = {}
        self.slots = {}
        self.busy = set()
        self.open_topic = open_topic
        self.wake = wake
        self.sync_together = sync_together
        self.acks = acks
        self.linger = linger
        self.batch_size = batch_size
        self.max_request_size = max_request_size
        self.partitioner = PARTITIONERS.index(partitioner)
        self.idle = True

    cdef TopicSlot slot(self, object topic):
        cdef TopicSlot s = self.slots.get(topic)
        cdef Accumulator a
        if self.closed:
            raise errors.Closed(what="the producer")
        if s is None:
            self.check_open()
            if self.producer_id < 0 and self.claim_id is not None:
                self._claim()
            partitions, codec, level, before_max, after_max, seen = self.open_topic(topic)
            s = TopicSlot.__new__(TopicSlot)
            s.name = str(topic)     # the internal topics come by names that are no plain str
            s.seen = seen
            s.accumulators = []
            s.count = <int32_t>len(partitions)
            s.sticky = <int32_t>(time.monotonic_ns() % s.count)
            s.before_max = before_max
            s.after_max = after_max
            for log in partitions:
                a = Accumulator(self, log, s.name)
                a.sequence = self.sequences.get(log, 0)
                a.codec = codec
                a.level = level
                s.accumulators.append(a)
            # Opening ran other code: another thread may have been first. Two slots would be two orders.
            s = self.slots.setdefault(topic, s)
        self.last_name = topic
        self.last_slot = s
        return s

    cdef int _claim(self) except -1:
        cdef int64_t producer_id = self.claim_id()
        if self.producer_id < 0:    # claiming ran other code: another thread may have been first
            self.producer_id = producer_id
            self.producer_epoch = 0
        return 0

    def forget(self, topic):
        """Look the topic up anew at the next send: it has more partitions, or other settings."""
        cdef Accumulator a
        cdef TopicSlot s = self.slots.get(topic)
        cdef bint open = s is not None
        while open:
            # Until nothing is open or being appended: what is sent next must not overtake it.
            for a in s.accumulators:
                a.close_batch()
            open = False
            for a in s.accumulators:
                open = open or a.pending is not None or a.gate.locked()
        if s is not None:
            s.dropped = True        # a send that waits to close a batch of it begins anew
            for a in s.accumulators:
                self.sequences[a.log] = a.sequence
        self.slots.pop(topic, None)
        self.last_name = None
        self.last_slot = None

    def topics(self):
        """list[tuple[str, int]]: topics sent to so far, and their partitions as known."""
        return [(name, (<TopicSlot>s).count) for name, s in self.slots.items()]

    def seen(self, topic):
        """The settings object that the topic was opened with."""
        cdef TopicSlot s = self.slots.get(topic)
        return None if s is None else s.seen

    def is_closed(self):
        """bool: close() was called."""
        return bool(self.closed)

    def note_failure(self, error):
        """Keep an error of the ticker for the next flush()."""
        if self.failure is None:
            self.failure = error

    def publish(self):
        """Append every open batch; failures go to their deliveries."""
        cdef Accumulator a
        if not self.idle:
            for a in list(self.busy):
                a.close_batch()

    @cython.binding(False)      # a plain builtin: the interpreter calls it without a method object
    @cython.embedsignature.format("clinic")
    def send(self, topic, value, key=None, headers=None, partition=None, timestamp=None):
        """Put one record on its way; returns its Delivery. See Producer.send."""
        cdef TopicSlot s
        cdef Accumulator a
        cdef Stage stage
        cdef Delivery out
        cdef int64_t when, n = -1, kn = -1, payload, headers_len = 0
        cdef const uint8_t *v = NULL
        cdef const uint8_t *k = NULL
        cdef tuple taken = None
        cdef int rc
        cdef bint sticky
        # First what may run other code: from the choice of a batch on, no other thread gets a turn until the
        # record is in.
        if PyBytes_CheckExact(value):
            v = <const uint8_t *>PyBytes_AS_STRING(value)
            n = payload = PyBytes_GET_SIZE(value)
            # The object's first line is here with its type; asked for now, the next two are here when they are copied.
            __builtin_prefetch(<char *><void *>value + 64)
            __builtin_prefetch(<char *><void *>value + 128)
        elif value is None:
            payload = 0
        else:
            return self.send(topic, plain_bytes("value", value), key, headers, partition, timestamp)
        if key is not None:
            if not PyBytes_CheckExact(key):
                return self.send(topic, value, plain_bytes("key", key), headers, partition, timestamp)
            k = <const uint8_t *>PyBytes_AS_STRING(key)
            kn = PyBytes_GET_SIZE(key)
            payload += kn
        if headers is not None and headers:
            taken = take_headers(headers, &headers_len)
            payload += headers_len
        when = lf_stamp_ms(&clock) if timestamp is None else stamp_of(timestamp)
        if topic is self.last_name and topic is not None:
            s = self.last_slot
        else:
            s = self.slot(topic)
        if timestamp is not None:
            s.check_timestamp(when)
        if payload + RECORD_OVERHEAD > self.max_request_size:
            raise errors.RecordTooLarge(size=payload, limit=self.max_request_size,
                                        property="max.request.size")
        sticky = False
        if partition is not None:
            a = self._explicit(s, partition)
        elif self.partitioner != ROUND_ROBIN and (kn < 0 or self.partitioner == STICKY):
            sticky = True
            a = <Accumulator>s.accumulators[s.sticky]
            if a.pending is None:
                a = s.keyless()
        else:
            a = s.choose(k, kn, self.partitioner)
        if kn < 0 and a.log.keys_required:
            raise errors.InvalidRecord(reason=f"no key, and {s.name} is compacted: nothing could tell which record "
                                              "replaces it")
        stage = a.stage if a.pending is not None else a.open_batch()
        while stage.b.count and <int64_t>lf_builder_size_with(&stage.b, payload) > a.batch_limit:
            a.close_batch()
            if self.closed:
                raise errors.Closed(what="the producer")
            if s.dropped:
                # Looked up anew meanwhile: this record must not come behind those that follow it.
                return self.send(topic, value, key, headers, partition, timestamp)
            if sticky:
                a = s.keyless()
            stage = a.stage if a.pending is not None else a.open_batch()
        if payload >= a.easy_payload:
            try:
                stage._make_room(payload)
            except BaseException:
                self._drop_empty(a)
                raise
        rc = lf_builder_put(&stage.b, when, k, <int32_t>kn, v, <int32_t>n, headers_len,
                            <int32_t>len(taken) if taken is not None else 0)
        if rc:
            self._drop_empty(a)
            raise_status(rc, payload, self.max_request_size)
        if headers_len:
            put_headers(stage.b.buf + stage.b.len - headers_len, taken)
        out = <Delivery>Delivery.__new__(Delivery)
        out.batch = a.pending if self.acks else a.fired
        out.index = stage.b.count - 1
        out.stamp = when
        # Lingering serves throughput; a reader that sleeps gets the record now.
        if self.linger <= 0 or a.log.log == NULL or a.log.log.state.waiting:
            a.close_batch()
        elif stage.b.count == 1:
            self.notice(a)
        return out

    cdef Accumulator _explicit(self, TopicSlot s, object partition):
        cdef Py_ssize_t number = partition      # no float: 1.5 is no partition
        if number < 0 or number >= s.count:
            raise errors.UnknownTopicOrPartition(topic=s.name, partition=number)
        return <Accumulator>s.accumulators[number]

    cdef int _drop_empty(self, Accumulator a) except -1:
        """Takes back a batch that was opened for a record that could not be put."""
        if a.stage is not None and not a.stage.b.count:
            give_stage(a.stage)
            a.stage = None
            a.pending = None
        return 0

    def send_many(self, topic, values, keys=None, partition=None, timestamps=None, headers=None):
        """Append many records; returns how many. See Producer.send_many."""
        cdef TopicSlot s = self.slot(topic)
        cdef Accumulator a
        cdef AppendInput given
        cdef int64_t n, at = 0, step
        if not hasattr(values, "__len__"):
            values = list(values)
        if timestamps is not None and len(values):
            s.check_timestamps(timestamps)
        if partition is None and keys is not None and s.count > 1 and self.partitioner < ROUND_ROBIN:
            return self._send_keyed(s, values, keys, timestamps,
                                    headers.tolist() if isinstance(headers, SharedHeaders) else headers)
        given = AppendInput(values, keys, timestamps, headers)
        n = given.length
        if s.count and (<Accumulator>s.accumulators[0]).log.keys_required:
            given.require_keys()
        if partition is not None or s.count == 1:
            self._append_to(self._explicit(s, 0 if partition is None else partition), given, 0, n)
        else:
            # Keys do not matter, any partition will do: a large call is spread over all.
            step = n if n < 4096 else (n + s.count - 1) // s.count
            while at < n:
                a = s.choose(NULL, -1, self.partitioner)
                self._append_to(a, given, at, min(at + step, n))
                if self.partitioner != ROUND_ROBIN:
                    s.sticky = (s.sticky + 1) % s.count
                at += step
        self._sync_appended(s)
        return n

    cdef int _sync_appended(self, TopicSlot s) except -1:
        cdef Accumulator a
        if self.acks < 0:
            self.sync_together([a.log for a in s.accumulators if a.log.durable_offset <= a.last_appended])
            for a in s.accumulators:
                a.log.sync_to(a.last_appended + 1)
        return 0

    cdef int _append_to(self, Accumulator a, AppendInput given, int64_t at, int64_t stop) except -1:
        a.close_batch()
        with a.gate:
            a.append_many(given, at, stop)
        return 0

    cdef Py_ssize_t _send_keyed(self, TopicSlot s, object values, object keys, object timestamps, object headers) except -1:
        """Each key has its partition: records are scattered over a stage a partition, full stages are appended."""
        cdef Accumulator a
        cdef Scatter scatter = Scatter(values, keys, timestamps, headers, self.partitioner, s.sticky)
        cdef list stages = []
        cdef Stage stage
        cdef int32_t full
        if s.count and (<Accumulator>s.accumulators[0]).log.keys_required:
            scatter.given.require_keys()
        for a in s.accumulators:
            a.close_batch()
            stage = a.new_stage(self.batch_size)
            stages.append(stage)
            a.stamp(stage)
        try:
            while True:
                full = scatter.run(stages)
                if full < 0:
                    break
                self._append_scattered(s, stages, full)
                if full == scatter.keyless:
                    # Records without a key move on, as they do from batch to batch in send().
                    s.sticky = scatter.keyless = (full + 1) % s.count
            for full in range(s.count):
                self._append_scattered(s, stages, full)
        finally:
            for stage in stages:
                give_stage(stage)
        self._sync_appended(s)
        return scatter.length

    cdef int _append_scattered(self, TopicSlot s, list stages, int32_t index) except -1:
        cdef Accumulator a = s.accumulators[index]
        cdef Stage stage = stages[index]
        cdef lf_append_info info
        stage.finish()
        if stage.records:
            with a.gate:
                self.check_open()
                a.append_finished(stage, a.is_followed(stage), &info)
                stage.reset()
                a.stamp(stage)
        return 0

    def tick(self):
        """Close batches that are old enough and settle what waits for the disk.

        Returns seconds until the next batch is due, or None when there is nothing to do.
        """
        cdef Accumulator a
        cdef double now = time.monotonic(), due, nearest = -1.0
        cdef list all_busy = list(self.busy)
        for a in all_busy:
            if a.pending is not None:
                due = a.opened + self.linger - now
                if due <= 0 or a.log.log == NULL or a.log.log.state.waiting:
                    a.close_batch()
                elif nearest < 0 or due < nearest:
                    nearest = due
        for a in all_busy:
            # As long as it may linger, a sync waits as well: it may then serve more.
            due = a.unsynced_since + self.linger - now
            if a.unsynced and due <= 0:
                a.settle_synced()
            elif a.unsynced and (nearest < 0 or due < nearest):
                nearest = due
            if a.gate.locked():
                # Another thread is appending: what it leaves to be settled is due with it.
                due = max(due, 0.001)
                if nearest < 0 or due < nearest:
                    nearest = due
            elif a.pending is None and not a.unsynced:
                self.busy.discard(a)
        if not self.busy:
            self.idle = True
            return None
        return nearest if nearest >= 0 else 0.001

    def flush(self):
        """Append and settle everything sent so far; raises the first failure since the last flush."""
        cdef Accumulator a
        cdef list all_busy = list(self.busy)
        for a in all_busy:
            a.close_batch()
        self.sync_together([a.log for a in all_busy if a.unsynced])
        for a in all_busy:
            a.settle_synced()
        self._raise_failure()

    cdef int _raise_failure(self) except -1:
        error, self.failure = self.failure, None
        if error is not None:
            raise error
        return 0

    def close(self):
        """Flush and refuse further sends. Idempotent."""
        if self.closed:
            return
        self.closed = True      # before the flush: what is sent after it would stay behind
        self.last_name = None
        self.flush()

    def abandon(self):
        """In a forked child: forget the parent's open batches; the parent sends them. Their deliveries fail here."""
        cdef Accumulator a
        for slot in self.slots.values():
            for a in (<TopicSlot>slot).accumulators:
                a.abandon()
        self.slots = {}
        self.busy = set()
        self.last_name = self.last_slot = self.failure = None
        self.idle = True
        # The id and its sequence numbers are the parent's.
        self.producer_id = self.producer_epoch = -1
        self.sequences = {}
        self.phase = TXN_NONE

    cdef list accumulators(self):
        cdef list out = []
        for slot in list(self.slots.values()):
            out += (<TopicSlot>slot).accumulators
        return out
