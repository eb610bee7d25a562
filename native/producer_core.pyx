"""The send path: records gather in open batches, batches are appended, deliveries learn their offsets.

An open batch is closed when it is full, when it is `linger` old (tick), at flush, when somebody asks for a
delivery's result, or the moment a reader waits. Order within a partition: whoever closes a batch holds the
accumulator's gate from taking it until it is appended.

Threads: the GIL guards the structures; it is released only while a batch is compressed, written or synced.
"""

import threading
import time

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_GET_SIZE
from libc.stdint cimport int32_t, int64_t, uint8_t

cimport cython

from logflume import errors
from logflume.types import RecordMetadata

from logflume._native.core cimport *
from logflume._native.partition_log cimport PartitionLog
from logflume._native.partitioner cimport LF_PARTITION_XXH3, lf_partition_of
from logflume._native.scatter cimport Scatter
from logflume._native.staging cimport Stage, raise_status

__all__ = ["Delivery", "ProducerCore"]

cdef enum:
    OPEN = 0
    APPENDED = 1
    DONE = 2
    FAILED = 3

cdef enum:
    ROUND_ROBIN = 2     # of PARTITIONERS

PARTITIONERS = ("murmur2", "xxh3", "round_robin", "sticky")


@cython.final
@cython.internal
cdef class PendingBatch:
    """What the deliveries of one batch share."""

    cdef int settle(self) except -1:
        """Tells those who wait. The state is final."""
        cdef list waiters = self.waiters
        self.waiters = None
        if waiters is not None:
            for call in waiters:
                call()
        return 0


@cython.final
@cython.freelist(2048)
@cython.no_gc
cdef class Delivery:
    """A record on its way: `result()` or `await` gives its RecordMetadata at the producer's durability."""

    def done(self):
        """bool: acknowledged or failed."""
        return self.batch.state >= DONE

    @property
    def offset(self):
        """int: the record's offset once it is acknowledged; -1 before, and with acks=0."""
        if self.batch.state != DONE or self.batch.base_offset < 0:
            return -1
        return self.batch.base_offset + self.index

    def result(self, timeout=None):
        """Wait until the record is acknowledged, `timeout` seconds at most.

        Asking closes the record's batch at once, without waiting for linger. Returns RecordMetadata.
        Raises Timeout, or what made the batch fail (DiskFull, SyncFailed, RecordTooLarge, ...).
        """
        cdef PendingBatch b = self.batch
        if b.state < DONE:
            b.owner.wait_for(b, -1.0 if timeout is None else timeout)
        if b.state == FAILED:
            if b.owner.core.failure is b.error:
                b.owner.core.failure = None     # told here: flush() need not tell it again
            raise b.error
        return RecordMetadata(b.owner.topic, b.owner.partition,
                              -1 if b.base_offset < 0 else b.base_offset + self.index,
                              self.stamp if b.append_time < 0 else b.append_time)

    def exception(self, timeout=None):
        """The error that made it fail, or None; waits like result()."""
        try:
            self.result(timeout)
        except errors.Timeout:
            raise
        except Exception as error:
            return error
        return None

    def add_done_callback(self, callback):
        """Call `callback(delivery)` once it is settled, from the thread that settles it (or at once)."""
        cdef PendingBatch b = self.batch
        if b.state >= DONE:
            callback(self)
            return
        if b.waiters is None:
            b.waiters = []
        b.waiters.append(lambda: callback(self))

    def __await__(self):
        """All deliveries of a batch share one future of the running loop."""
        import asyncio
        cdef PendingBatch b = self.batch
        if b.state < DONE:
            loop = asyncio.get_running_loop()
            future = _future_of(b, loop)
            b.owner.core.hurry(b.owner)
            yield from asyncio.shield(future).__await__()
        return self.result()

    def __repr__(self):
        cdef PendingBatch b = self.batch
        if b.state == DONE:
            return f"<Delivery at offset {self.offset}>"
        return f"<Delivery {'failed' if b.state == FAILED else 'pending'}>"


class _LoopWaiter:
    """Settles one loop's future from whatever thread settles the batch."""

    def __init__(self, loop, future):
        self.loop = loop
        self.future = future

    def __call__(self):
        try:
            self.loop.call_soon_threadsafe(self._set)
        except RuntimeError:
            pass    # the loop is closed: nobody waits any more

    def _set(self):
        if not self.future.done():
            self.future.set_result(None)


cdef object _future_of(PendingBatch b, object loop):
    if b.waiters is None:
        b.waiters = []
    for waiter in b.waiters:
        if isinstance(waiter, _LoopWaiter) and waiter.loop is loop:
            return waiter.future
    waiter = _LoopWaiter(loop, loop.create_future())
    b.waiters.append(waiter)
    return waiter.future


@cython.final
@cython.internal
cdef class Accumulator:
    """One partition's open batch."""

    cdef Stage new_stage(self, int64_t batch_bytes):
        cdef Stage stage = self.log.take_stage(batch_bytes)
        stage.codec = self.codec
        stage.level = self.level
        return stage

    cdef Stage open_batch(self):
        """The stage to put into; begins a batch when there is none."""
        cdef PendingBatch b
        if self.stage is None:
            self.stage = self.new_stage(self.core.batch_size)
            self.batch_limit = self.stage.batch_bytes
            self.easy_payload = min(self.core.max_request_size, self.stage.max_message_bytes, self.log.config.segment_bytes) - 128
            # Finished by close_batch only: one batch, one PendingBatch.
            self.stage.batch_bytes = 1 << 40
        if self.pending is None:
            b = PendingBatch.__new__(PendingBatch)
            b.owner = self
            b.base_offset = -1
            b.append_time = -1
            self.pending = b
            self.opened = time.monotonic()
            self.core.notice(self)
        return self.stage

    cdef int close_batch(self) except -1:
        """Appends the open batch, if there is one. Failures go to the batch, not to the caller."""
        cdef Stage stage
        cdef PendingBatch pending
        if self.pending is None and not self.gate.locked():
            return 0
        with self.gate:
            stage, pending = self.stage, self.pending
            self.stage = None
            self.pending = None
            if pending is not None:
                self.append_stage(stage, pending)
        return 0

    cdef int append_stage(self, Stage stage, PendingBatch pending) except -1:
        cdef lf_append_info info
        try:
            stage.finish()
            self.log.append_batches(stage.b.buf, stage.b.start, self.core.acks < 0, &info)
        except Exception as error:
            pending.error = error
            pending.state = FAILED
            if self.core.failure is None:
                self.core.failure = error
            pending.settle()
            return 0
        finally:
            self.log.give_stage(stage)
        pending.base_offset = info.base_offset
        pending.last_offset = info.last_offset
        pending.append_time = info.append_time
        self.last_appended = info.last_offset
        if self.core.acks < 0:
            pending.state = APPENDED
            self.unsynced.append(pending)
        else:
            pending.state = DONE
            pending.settle()
        return 0

    cdef int settle_synced(self) except -1:
        """Syncs what is appended, and settles it."""
        cdef PendingBatch b
        cdef list mine
        with self.sync_gate:    # held by whoever settles now: when it is free, all before is settled
            mine = self.unsynced
            if not mine:
                return 0
            self.unsynced = []
            b = mine[len(mine) - 1]
            error = None
            try:
                self.log.sync_to(b.last_offset + 1)
            except Exception as failure:
                error = failure
                if self.core.failure is None:
                    self.core.failure = failure
            for item in mine:
                b = <PendingBatch>item
                if b.state == APPENDED:
                    b.error = error
                    b.state = DONE if error is None else FAILED
                    b.settle()
        return 0

    cdef int wait_for(self, PendingBatch pending, double timeout) except -1:
        """Drives `pending` until it is settled. The caller's own thread does the work: no hand-over to wait for."""
        if self.pending is pending:
            self.close_batch()
        elif pending.state == OPEN:
            # Another thread is appending it: it holds the gate.
            if not self.gate.acquire(timeout=timeout):
                raise errors.Timeout(what="the delivery", seconds=timeout)
            self.gate.release()
        if pending.state != APPENDED:
            return 0
        try:
            self.log.sync_to(pending.last_offset + 1)
        except Exception as error:
            if pending.state == APPENDED:
                pending.error = error
                pending.state = FAILED
                if self.core.failure is None:
                    self.core.failure = error
        if pending.state == APPENDED:
            pending.state = DONE
        pending.settle()
        if self.unsynced and self.unsynced[0] is pending:
            del self.unsynced[0]
        return 0


@cython.final
@cython.internal
cdef class TopicSlot:
    """A topic as the producer sees it."""

    def check_timestamp(self, int64_t when):
        """InvalidTimestamp when it lies further from the clock than the topic allows."""
        cdef int64_t now = lf_now_ms()
        if when > now and when - now > self.after_max:
            raise errors.InvalidTimestamp(timestamp=when, reason=f"is more than message.timestamp.after.max.ms ({self.after_max}) ahead of the clock")
        if when < now and now - when > self.before_max:
            raise errors.InvalidTimestamp(timestamp=when, reason=f"is more than message.timestamp.before.max.ms ({self.before_max}) behind the clock")

    cdef Accumulator choose(self, const uint8_t *key, int64_t length, int partitioner):
        """The partition of a record without an explicit one. `length` -1: no key."""
        if length >= 0 and partitioner <= LF_PARTITION_XXH3:
            return <Accumulator>self.accumulators[lf_partition_of(partitioner, key, length, self.count)]
        if partitioner == ROUND_ROBIN:
            self.sticky = (self.sticky + 1) % self.count
        return <Accumulator>self.accumulators[self.sticky]


@cython.final
cdef class ProducerCore:
    """The producer's native part. Thread-safe under the GIL.

    `open_topic(name)` returns (partitions, codec, level, check_timestamp); `wake()` is called when the ticker
    has something to do again. `linger` is in seconds, sizes are bytes, `acks` is -1 for all.
    """

    def __init__(self, open_topic, wake, *, int acks, double linger, int64_t batch_size, int64_t max_request_size,
                 str partitioner):
        self.slots = {}
        self.busy = set()
        self.open_topic = open_topic
        self.wake = wake
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
            partitions, codec, level, before_max, after_max, seen = self.open_topic(topic)
            s = TopicSlot.__new__(TopicSlot)
            s.name = topic
            s.seen = seen
            s.accumulators = []
            s.count = <int32_t>len(partitions)
            s.sticky = <int32_t>(time.monotonic_ns() % s.count)
            s.before_max = before_max
            s.after_max = after_max
            for log in partitions:
                a = Accumulator.__new__(Accumulator)
                a.core = self
                a.log = log
                a.topic = topic
                a.partition = a.log.partition
                a.gate = threading.Lock()
                a.sync_gate = threading.Lock()
                a.codec = codec
                a.level = level
                a.fired = PendingBatch.__new__(PendingBatch)
                a.fired.owner = a
                a.fired.state = DONE
                a.fired.base_offset = a.fired.append_time = -1
                a.unsynced = []
                a.last_appended = -1
                s.accumulators.append(a)
            self.slots[topic] = s
        self.last_name = topic
        self.last_slot = s
        return s

    def forget(self, topic):
        """Look the topic up anew at the next send: it has more partitions, or other settings."""
        cdef Accumulator a
        cdef TopicSlot s = self.slots.get(topic)
        if s is not None:
            for a in s.accumulators:
                a.close_batch()
                a.settle_synced()
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

    cdef int notice(self, Accumulator a) except -1:
        self.busy.add(a)
        if self.idle:
            self.idle = False
            self.wake()
        return 0

    def send(self, topic, value, key=None, headers=None, partition=None, timestamp=None):
        """Put one record on its way; returns its Delivery. See Producer.send."""
        cdef TopicSlot s
        cdef Accumulator a
        cdef Stage stage
        cdef Delivery out
        cdef int64_t when, n = -1, kn = -1
        cdef const uint8_t *k = NULL
        cdef int rc
        cdef bint plain = PyBytes_CheckExact(value) and not headers
        if topic is self.last_name:
            s = self.last_slot
        else:
            s = self.slot(topic)
        if key is not None:
            if PyBytes_CheckExact(key):
                k = <const uint8_t *>PyBytes_AS_STRING(key)
                kn = PyBytes_GET_SIZE(key)
            else:
                key = _plain_bytes("key", key)
                k = <const uint8_t *>PyBytes_AS_STRING(key)
                kn = PyBytes_GET_SIZE(key)
        if partition is not None:
            a = self._explicit(s, partition)
        elif kn < 0 and self.partitioner != ROUND_ROBIN:
            a = <Accumulator>s.accumulators[s.sticky]
        else:
            a = s.choose(k, kn, self.partitioner)
        if timestamp is None:
            when = lf_now_ms()
        else:
            when = timestamp
            s.check_timestamp(when)
        stage = a.stage
        if a.pending is None:
            stage = a.open_batch()
        n = PyBytes_GET_SIZE(value) if plain else 0
        if plain and n + kn < a.easy_payload:
            if stage.b.count and <int64_t>lf_builder_size_with(&stage.b, n + (kn if kn > 0 else 0)) > a.batch_limit:
                self._full(s, a)
                stage = a.open_batch()
            rc = lf_builder_put(&stage.b, when, k, <int32_t>kn, <const uint8_t *>PyBytes_AS_STRING(value), <int32_t>n, NULL, 0, 0)
            if rc:
                raise_status(rc, n, self.max_request_size)
        else:
            value = None if value is None else _plain_bytes("value", value)
            if value is not None:
                n = PyBytes_GET_SIZE(value)
            if n + (kn if kn > 0 else 0) + 70 > self.max_request_size:
                if not stage.b.count:
                    self._drop_empty(a)
                raise errors.RecordTooLarge(size=n + (kn if kn > 0 else 0), limit=self.max_request_size, property="max.request.size")
            if stage.b.count and <int64_t>lf_builder_size_with(&stage.b, n + (kn if kn > 0 else 0)) > a.batch_limit:
                self._full(s, a)
                stage = a.open_batch()
            try:
                stage.put(value, key, headers, when)
            except BaseException:
                if not stage.b.count:
                    self._drop_empty(a)
                raise
        out = Delivery.__new__(Delivery)
        out.batch = a.pending if self.acks else a.fired
        out.index = stage.b.count - 1
        out.stamp = when
        # Lingering serves throughput; a reader that sleeps gets the record now.
        if self.linger <= 0 or a.log.log == NULL or a.log.log.state.waiting:
            a.close_batch()
        return out

    cdef Accumulator _explicit(self, TopicSlot s, object partition):
        cdef int64_t number = partition
        if number < 0 or number >= s.count:
            raise errors.UnknownTopicOrPartition(topic=s.name, partition=number)
        return <Accumulator>s.accumulators[number]

    cdef int _full(self, TopicSlot s, Accumulator a) except -1:
        a.close_batch()
        # Records without a key move on to the next partition with each batch (KIP-480).
        if a.partition == s.sticky and self.partitioner != ROUND_ROBIN:
            s.sticky = (s.sticky + 1) % s.count
        return 0

    cdef int _drop_empty(self, Accumulator a) except -1:
        """Takes back a batch that was opened for a record that could not be put."""
        if a.stage is not None:
            a.log.give_stage(a.stage)
        a.stage = None
        a.pending = None
        return 0

    def send_many(self, topic, values, keys=None, partition=None, timestamps=None, headers=None):
        """Append many records; returns how many. See Producer.send_many."""
        cdef TopicSlot s = self.slot(topic)
        cdef Accumulator a
        cdef int64_t before
        cdef Py_ssize_t n = len(values)
        cdef Py_ssize_t at = 0, step
        if timestamps is not None and n:
            s.check_timestamp(min(timestamps) if isinstance(timestamps, (list, tuple)) else int(timestamps.min()))
            s.check_timestamp(max(timestamps) if isinstance(timestamps, (list, tuple)) else int(timestamps.max()))
        if partition is not None or s.count == 1:
            a = self._explicit(s, 0 if partition is None else partition)
            self._append_to(a, values, keys, timestamps, headers)
        elif keys is None or self.partitioner >= ROUND_ROBIN:
            # Keys do not matter, any partition will do: a large call is spread over all.
            step = n if n < 4096 else (n + s.count - 1) // s.count
            while at < n:
                a = s.choose(NULL, -1, self.partitioner)
                self._append_to(a, values if step >= n else values[at:at + step],
                                keys if keys is None or step >= n else keys[at:at + step],
                                timestamps if timestamps is None or step >= n else timestamps[at:at + step],
                                headers if headers is None or step >= n else headers[at:at + step])
                if self.partitioner != ROUND_ROBIN:
                    s.sticky = (s.sticky + 1) % s.count
                at += step
        else:
            return self._send_keyed(s, values, keys, timestamps, headers)
        if self.acks < 0:
            for a in s.accumulators:
                a.log.sync_to(a.last_appended + 1)
        return n

    cdef int _append_to(self, Accumulator a, object values, object keys, object timestamps, object headers) except -1:
        a.close_batch()
        with a.gate:
            a.last_appended = a.log.append_staged(values, keys, timestamps, headers, self.batch_size, a.codec, a.level)
        return 0

    cdef Py_ssize_t _send_keyed(self, TopicSlot s, object values, object keys, object timestamps, object headers) except -1:
        """Each key has its partition: records are scattered over a stage a partition, full stages are appended."""
        cdef Accumulator a
        cdef Scatter scatter = Scatter(values, keys, timestamps, headers, self.partitioner, s.sticky)
        cdef list stages = []
        cdef int32_t full
        for a in s.accumulators:
            a.close_batch()
            stages.append(a.new_stage(self.batch_size))
        try:
            while True:
                full = scatter.run(stages)
                if full < 0:
                    break
                self._append_scattered(s, stages, full)
            for full in range(s.count):
                self._append_scattered(s, stages, full)
        finally:
            for a, stage in zip(s.accumulators, stages):
                a.log.give_stage(stage)
        if self.acks < 0:
            for a in s.accumulators:
                a.log.sync_to(a.last_appended + 1)
        return scatter.length

    cdef int _append_scattered(self, TopicSlot s, list stages, int32_t index) except -1:
        cdef Accumulator a = s.accumulators[index]
        cdef Stage stage = stages[index]
        cdef lf_append_info info
        stage.finish()
        if stage.records:
            with a.gate:
                a.log.append_batches(stage.b.buf, stage.b.start, False, &info)
                a.last_appended = info.last_offset
            stage.reset()
        return 0

    def hurry(self, Accumulator a):
        """Have the ticker close and settle this partition's batches now."""
        a.opened = 0.0
        self.wake()

    def tick(self):
        """Close batches that are old enough and settle what waits for the disk.

        Returns seconds until the next batch is due, or None when there is nothing to do.
        """
        cdef Accumulator a
        cdef double now = time.monotonic(), due, nearest = -1.0
        for a in list(self.busy):
            if a.pending is not None:
                due = a.opened + self.linger - now
                if due <= 0 or a.log.log == NULL or a.log.log.state.waiting:
                    a.close_batch()
                elif nearest < 0 or due < nearest:
                    nearest = due
            a.settle_synced()
            if a.pending is None and not a.unsynced:
                self.busy.discard(a)
                if a.pending is not None or a.unsynced:
                    self.busy.add(a)
        if not self.busy:
            self.idle = True
            if not self.busy:
                return None
            self.idle = False
        return nearest if nearest >= 0 else 0.0

    def flush(self):
        """Append and settle everything sent so far; raises the first failure since the last flush."""
        cdef Accumulator a
        for a in list(self.busy):
            a.close_batch()
            if self.acks < 0:
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
        try:
            self.flush()
        finally:
            self.closed = True
            self.last_name = None

    def abandon(self):
        """In a forked child: forget the parent's open batches; the parent sends them."""
        self.slots = {}
        self.busy = set()
        self.last_name = None
        self.idle = True


cdef bytes _plain_bytes(str what, object data):
    if isinstance(data, str):
        raise TypeError(f"a {what} is bytes-like or None, not str: encode it first")
    return bytes(memoryview(data))
