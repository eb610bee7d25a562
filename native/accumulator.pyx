"""One partition's open batch: filled by send, appended and settled by whoever comes first.

Order within a partition: whoever closes a batch holds the accumulator's gate from taking it until it is appended.
The GIL guards the rest; it is released only while a batch is compressed, written or synced.
"""

import threading
import time

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.exc cimport PyErr_SetInterrupt, PyErr_SetObject, PyErr_WriteUnraisable
from libc.stdint cimport int32_t, int64_t, uint8_t

cimport cython

from logflume import errors

from logflume._native.append_input cimport AppendInput
from logflume._native.core cimport *
from logflume._native.partition_log cimport PartitionLog
from logflume._native.staging cimport Stage, give_stage

__all__ = ["Accumulator", "PendingBatch", "Upkeep"]


@cython.final
cdef class PendingBatch:
    """What the deliveries of one batch share."""

    cdef int settle(self) except -1:
        """Tells those who wait. The state is final."""
        cdef list waiters = self.waiters
        self.waiters = None
        if waiters is not None:
            for call in waiters:
                try:
                    call()
                except KeyboardInterrupt:
                    PyErr_SetInterrupt()    # raised again once the others are told
                except BaseException as error:
                    # Its own bug: the others are told all the same, and the batches behind this one settled.
                    # Set again, as it is caught by now: what is shown is the error that is set, with its traceback.
                    PyErr_SetObject(type(error), error)
                    PyErr_WriteUnraisable(call)
        return 0


cdef class Upkeep:
    """What a producer's accumulators share: settings, the first failure, and who needs the ticker."""

    cdef int notice(self, Accumulator a) except -1:
        """Has the ticker look after `a`."""
        self.busy.add(a)
        if self.idle:
            self.idle = False
            self.wake()
        return 0

    cdef int check_open(self) except -1:
        """InvalidTxnState unless this producer may write now."""
        if self.attributes and self.phase != TXN_OPEN:
            raise errors.InvalidTxnState(
                transactional_id=self.transactional_id,
                reason="no transaction is open: a transactional producer sends inside `with producer.transaction():`")
        return 0

    cdef list accumulators(self):
        """Of all partitions sent to so far."""
        raise NotImplementedError

    # ---- transactions

    def identify(self, int64_t producer_id, int16_t epoch):
        """Write as this producer from now on; sequences begin at 0. Between transactions only."""
        cdef Accumulator a
        self.producer_id = producer_id
        self.producer_epoch = epoch
        self.sequences = {}
        for a in self.accumulators():
            a.sequence = 0

    def begin(self, int64_t redo_bytes_max):
        """Take records. The first `redo_bytes_max` bytes of batches are kept for the commit."""
        self.touched = []
        self.spoiled = None
        self.redo_left = redo_bytes_max
        self.phase = TXN_OPEN

    def settle(self, error=None):
        """Take no more records; append those at hand, or with `error` take them back: it is their deliveries'.

        Returns [(topic, partition log, first offset, end offset, [(base offset, batches)] or None)], None when there
        were more than `redo_bytes_max` bytes of batches, and the first failure, None when there was none.
        """
        cdef Accumulator a
        self.phase = TXN_ENDING
        for a in self.accumulators():
            # Whoever is appending holds the gate: each is waited for.
            if error is None:
                a.close_batch()
            else:
                a.drop_batch(error)
        self.phase = TXN_NONE
        touched, self.touched = self.touched, []
        spoiled, self.spoiled = self.spoiled, None
        cdef dict parts = {}
        for a in touched:
            redo = a.redo if self.redo_left >= 0 else None
            first = a.txn_first
            if a.log in parts:      # the topic was looked up anew meanwhile
                _, _, first, _, before = parts[a.log]
                redo = None if redo is None else before + redo
            parts[a.log] = a.topic, a.log, first, a.txn_end, redo
            a.txn_first = a.txn_end = -1
            a.redo = None
        if spoiled is not None and self.failure is spoiled:
            self.failure = None     # told with the commit
        return list(parts.values()), spoiled


@cython.final
cdef class Accumulator:
    """One partition's open batch."""

    def __init__(self, Upkeep core, PartitionLog log, str topic):
        self.core = core
        self.log = log
        self.topic = topic
        self.partition = log.partition
        self.gate = threading.Lock()
        self.unsynced = []
        self.last_appended = self.txn_first = self.txn_end = -1
        self.fired = self._new_batch()
        self.fired.state = DONE

    cdef PendingBatch _new_batch(self):
        cdef PendingBatch b = PendingBatch.__new__(PendingBatch)
        b.owner = self
        b.base_offset = b.append_time = -1
        return b

    cdef Stage new_stage(self, int64_t batch_bytes):
        cdef Stage stage = self.log.stage_for(batch_bytes)
        stage.codec = self.codec
        stage.level = self.level
        return stage

    cdef Stage open_batch(self):
        """The stage to put into; begins a batch when there is none."""
        cdef Stage stage
        cdef PendingBatch pending
        if self.pending is None:
            self.core.check_open()
            # Made before they are looked at again: making may run a finalizer, and so another thread.
            stage, pending = self.new_stage(self.core.batch_size), self._new_batch()
            if self.pending is None:
                self.batch_limit = stage.batch_bytes
                self.easy_payload = -128 + min(self.core.max_request_size, stage.max_message_bytes,
                                               self.log.config.segment_bytes)
                # Finished by close_batch only: one batch, one PendingBatch.
                stage.batch_bytes = 1 << 40
                self.stage = stage
                self.pending = pending
                self.opened = time.monotonic()
            else:
                give_stage(stage)
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
                if not self.unsynced:
                    self.unsynced_since = self.opened
                self.append_stage(stage, pending)
        return 0

    cdef int append_stage(self, Stage stage, PendingBatch pending) except -1:
        cdef lf_append_info info
        try:
            self.stamp(stage)
            stage.finish()
            self.append_finished(stage, self.core.acks < 0, &info)
        except Exception as error:
            pending.error = error
            pending.state = FAILED
            if self.core.failure is None:
                self.core.failure = error
            if self.core.attributes and self.core.spoiled is None:
                self.core.spoiled = error
            pending.settle()
            return 0
        finally:
            give_stage(stage)
        pending.base_offset = info.base_offset
        pending.last_offset = info.last_offset
        pending.append_time = info.append_time
        if self.core.acks < 0:
            pending.state = APPENDED
            self.unsynced.append(pending)
            self.core.notice(self)      # the ticker may have put it aside while it was being appended
        else:
            pending.state = DONE
            pending.settle()
        return 0

    cdef void stamp(self, Stage stage) noexcept:
        """Who writes, into the batches that this stage finishes from now on."""
        stage.b.producer_id = self.core.producer_id
        stage.b.producer_epoch = self.core.producer_epoch
        stage.b.sequence = self.sequence if self.core.producer_id >= 0 else -1
        stage.b.attributes = self.core.attributes

    cdef int append_finished(self, Stage stage, bint prepare, lf_append_info *info) except -1:
        """Appends a stage's finished batches, in this producer's order. The gate is held."""
        cdef Upkeep core = self.core
        cdef uint8_t *batches = stage.b.buf
        info.base_offset = 0
        info.last_offset = -1       # until it is known: none were written
        if core.producer_id < 0:
            self.log.write_batches(batches, stage.b.start, prepare, info)
            self.last_appended = info.last_offset
            return 0
        if <int32_t>lf_get32(batches + LF_BATCH_BASE_SEQUENCE_AT) != self.sequence:
            # Finished before others of this producer were appended.
            lf_batches_restamp(batches, stage.b.start, core.producer_id, core.producer_epoch, self.sequence)
        if core.phase == TXN_NONE:
            core.check_open()
        try:
            self.log.write_batches(batches, stage.b.start, prepare, info)
        except Exception as error:
            if core.attributes and core.spoiled is None:
                core.spoiled = error
            raise
        finally:
            if info.last_offset >= info.base_offset:
                # Also when the last of several did not go in: those before it have taken their numbers.
                self.sequence = lf_sequence_after(self.sequence, info.last_offset - info.base_offset + 1)
                self.last_appended = info.last_offset
                if core.attributes:
                    self._note(stage, info)
        return 0

    cdef int _note(self, Stage stage, lf_append_info *info) except -1:
        """For the commit: where this transaction's batches lie, and a copy of them while there are few."""
        cdef Upkeep core = self.core
        if self.txn_first < 0:
            self.txn_first = info.base_offset
            self.redo = []
            core.touched.append(self)
        self.txn_end = info.last_offset + 1
        core.redo_left -= stage.b.start
        if core.redo_left >= 0:
            self.redo.append((info.base_offset, PyBytes_FromStringAndSize(<char *>stage.b.buf, stage.b.start)))
        return 0

    cdef int append_many(self, AppendInput given, int64_t at, int64_t stop) except -1:
        """Appends records `at` to `stop` in as many batches as it takes, at once. The gate is held."""
        cdef int64_t now = lf_now_ms()
        cdef lf_append_info info
        cdef Stage stage = self.new_stage(self.core.batch_size)
        try:
            while at < stop:
                self.core.check_open()
                self.stamp(stage)
                if given.value_column is not None:
                    at = stage.fill_columns(given.value_column, given.key_column, given.stamps_at(), given.shared, now, at,
                                            stop)
                else:
                    at = stage.fill_objects(given.values, given.keys, given.timestamps, given.headers, now, at, stop)
                stage.finish()
                self.append_finished(stage, self.is_followed(stage), &info)
                stage.reset()
        finally:
            give_stage(stage)
        return 0

    cdef bint is_followed(self, Stage stage) noexcept:
        """Whether zeroes written ahead pay: a call that fits its stage is synced alone, and others like it follow."""
        return self.core.acks < 0 and stage.b.start < stage.full_bytes

    cdef int drop_batch(self, object error) except -1:
        """Takes the open batch back; its deliveries fail with `error`, which is told nowhere else."""
        cdef Stage stage
        cdef PendingBatch pending
        with self.gate:
            stage, pending = self.stage, self.pending
            self.stage = None
            self.pending = None
            if pending is not None:
                give_stage(stage)
                pending.error = error
                pending.state = FAILED
                pending.settle()
        return 0

    cdef int settle_synced(self) except -1:
        """Syncs what is appended, and settles it. Threads that come meanwhile wait in the core and share a sync."""
        cdef PendingBatch b
        cdef int64_t durable
        cdef list settled = []
        if not self.unsynced:
            return 0
        b = self.unsynced[len(self.unsynced) - 1]
        error = None
        try:
            self.log.sync_to(b.last_offset + 1)
        except Exception as failure:
            error = failure
        # Another thread may have settled some; or what its sync took to the disk is still here, and ours failed.
        durable = -1 if self.log.log == NULL else self.log.log.state.durable_offset
        # In this loop no other thread gets a turn: nothing is made, nothing called.
        while self.unsynced:
            b = <PendingBatch>self.unsynced[0]
            if b.last_offset < durable:
                b.state = DONE
            elif error is None:
                break
            else:
                b.error = error
                b.state = FAILED
                if self.core.failure is None:
                    self.core.failure = error
            del self.unsynced[0]
            settled.append(b)
        for item in settled:
            (<PendingBatch>item).settle()
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
            if pending.state == OPEN:
                raise errors.Closed(what="the delivery (this process was forked while it was being appended)")
        if pending.state == APPENDED:
            # One sync serves what others sent meanwhile too.
            if self.pending is not None:
                self.close_batch()
            self.settle_synced()
        return 0

    cdef int hasten(self, PendingBatch pending) except -1:
        """For event loops: closes this batch now (or those behind it, to share its sync), and has the ticker settle
        it where that takes the disk."""
        if pending.state < DONE and self.pending is not None:
            self.close_batch()
        if pending.state < DONE:
            self.unsynced_since = 0.0
            self.core.wake()
        return 0

    cdef int abandon(self) except -1:
        """In a forked child: the parent appends what is open; its deliveries fail here."""
        cdef PendingBatch b
        if self.pending is not None:
            self.unsynced.append(self.pending)
        for b in self.unsynced:
            b.error = errors.Closed(what="the delivery (its parent process has it)")
            b.state = FAILED
            b.waiters = None
        self.stage = self.pending = None
        self.unsynced = []
        self.gate = threading.Lock()
        return 0
