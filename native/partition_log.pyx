"""One partition on disk, for Python: thin over the C core.

Lifetime: `close()` waits for calls under way in other threads, then every further call raises Closed; batches
and views already handed out stay valid. Threads: any number may use one object. Fork: a child opens the
partition anew at its first call.
"""

import os

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_GET_SIZE
from libc.stdint cimport INT32_MAX, INT64_MAX, int32_t, int64_t, uint8_t, uint64_t
from libc.errno cimport ESTALE
from libc.stdlib cimport free, malloc

cimport cython

from logflume import errors
from logflume.types import Cut, PartitionReport, SegmentInfo

from logflume._native.append_input cimport AppendInput
from logflume._native.core cimport *
from logflume._native.failures cimport fail
from logflume._native.gather cimport stamp_of
from logflume._native.staging cimport GIL_BYTES, Stage, give_stage, take_stage

__all__ = ["PartitionLog", "arm_failpoints", "failpoint_names"]

cdef extern from "lf/stamp.h" nogil:
    ctypedef struct lf_stamp:
        pass
    int64_t lf_stamp_ms(lf_stamp *s) noexcept

cdef lf_stamp clock         # the GIL guards it
cdef int fork_generation = 0


def _after_fork_in_child():
    global fork_generation
    fork_generation += 1


os.register_at_fork(after_in_child=_after_fork_in_child)


def arm_failpoints(text):
    """Arm failpoints from `name:nth:action[,...]`; actions kill, raise, torn, sleep[=seconds]. "" disarms."""
    if lf_failpoints_parse((text or "").encode()):
        raise errors.InvalidConfig(name="LOGFLUME_FAILPOINT", value=text,
                                   reason="expected name:nth:action of a known failpoint (logflume doctor --failpoints)")


def failpoint_names():
    """list[str]: every failpoint compiled into the core."""
    cdef const char *const *names = lf_failpoint_names()
    cdef list out = []
    cdef int i = 0
    while names[i] != NULL:
        out.append((<bytes>names[i]).decode())
        i += 1
    return out


arm_failpoints(os.environ.get("LOGFLUME_FAILPOINT"))


cdef class PartitionLog:
    """A partition's segments, open for reading and writing.

    Parameters: `path`, the partition's directory (it exists); `topic` and `partition`, for error messages and
    records; `lock_fd`, an open descriptor of the log directory's lock file, which outlives this object. Sizes
    are bytes, times milliseconds. `recovery_offset`: below it a stopped Kafka had synced. `start_offset`: from
    Kafka's checkpoint, -1 when there is none. `compression`: codec of what append() writes, 0..4. `held_table`:
    of the directory's table of held transactions, 0 when it has none.
    Raises the errors of logflume.errors that say what is wrong with the directory.
    """

    def __init__(self, path, str topic, int32_t partition, int lock_fd, *, int64_t segment_bytes=1 << 30,
                 int64_t segment_ms=7 * 86_400_000, int64_t index_interval_bytes=4096,
                 int64_t segment_index_bytes=10 << 20, int64_t max_message_bytes=1_048_588, bint append_time=False,
                 bint allow_gaps=False, bint read_only=False, int64_t recovery_offset=0,
                 int64_t start_offset=-1, int32_t leader_epoch=0,
                 int compression=0, int level=-2147483648, int64_t max_decompressed_bytes=1 << 28, double lock_timeout=30.0,
                 int64_t producer_expiration_ms=86_400_000, uint64_t held_table=0,
                 bint keys_required=False):
        self.path = os.fsdecode(path)
        self.topic = topic
        self.partition = partition
        self.lock_fd = lock_fd
        self.config.recovery_offset = recovery_offset
        self.config.start_offset = start_offset
        self.config.leader_epoch = leader_epoch
        self.config.lock_timeout_s = lock_timeout
        self.config.producer_expiration_ms = producer_expiration_ms
        self.config.held_table = held_table
        self.config.read_only = read_only
        self.max_decompressed_bytes = max_decompressed_bytes
        self.configure(segment_bytes=segment_bytes, segment_ms=segment_ms, index_interval_bytes=index_interval_bytes,
                       segment_index_bytes=segment_index_bytes, max_message_bytes=max_message_bytes,
                       append_time=append_time, allow_gaps=allow_gaps, compression=compression, level=level,
                       keys_required=keys_required)
        self._open()

    def __dealloc__(self):
        cdef lf_error e
        if self.log != NULL:
            if self.generation == fork_generation:
                lf_log_close(self.log, &e)
            else:
                lf_log_abandon(self.log)

    def configure(self, *, int64_t segment_bytes, int64_t segment_ms, int64_t index_interval_bytes,
                  int64_t segment_index_bytes, int64_t max_message_bytes, bint append_time, bint allow_gaps,
                  int compression, int level, bint keys_required=False):
        """Take new settings; they hold from the next append on. `keys_required`: the topic is compacted."""
        # Positions in indexes are 32-bit.
        self.config.segment_bytes = min(segment_bytes, <int64_t>INT32_MAX)
        self.config.segment_ms = segment_ms
        self.config.index_interval_bytes = index_interval_bytes
        self.config.segment_index_bytes = segment_index_bytes
        self.config.append_time = append_time
        self.config.allow_gaps = allow_gaps
        self.max_message_bytes = max_message_bytes
        self.codec = compression
        self.level = level
        self.keys_required = keys_required
        if self.log != NULL:
            self.log.config = self.config

    def _open(self):
        cdef lf_error e
        cdef lf_log *log = NULL
        cdef int rc
        path = os.fsencode(self.path)
        cdef const char *c_path = path
        with nogil:
            rc = lf_log_open(&log, c_path, self.lock_fd, &self.config, &e)
        if rc:
            fail(&e, self.topic, self.partition, -1, -1)
        self.log = log
        self.generation = fork_generation

    def reopen_after_fork(self, int lock_fd):
        """In a forked child: forget the parent's handle, open with the child's own lock descriptor."""
        if self.log != NULL and self.generation != fork_generation:
            lf_log_abandon(self.log)
            self.log = NULL
            self.users = 0
            self.lock_fd = lock_fd
            self._open()

    cdef lf_log *enter(self) except NULL:
        if self.deleted:
            raise errors.UnknownTopicOrPartition(topic=self.topic, partition=self.partition)
        if self.log == NULL or self.closing:
            raise errors.Closed(what=f"{self.topic}-{self.partition}")
        if self.generation != fork_generation:
            raise errors.Closed(what=f"{self.topic}-{self.partition} (opened before fork)")
        self.users += 1
        return self.log

    cdef void leave(self) noexcept:
        self.users -= 1

    cdef int64_t log_end(self) noexcept:
        # A read reports that it was deleted or closed.
        return INT64_MAX if self.log == NULL or self.is_gone() else self.log.state.end_offset

    cdef bint is_gone(self) noexcept:
        return self.deleted or (self.log != NULL and self.log.state.failed == ESTALE)

    cdef int raise_error(self, lf_error *e) except -1:
        cdef int64_t limit = self.config.segment_bytes if e.status == LF_E_TOO_LARGE else -1
        if e.status == LF_E_TIMEOUT:
            raise errors.LockTimeout(what=f"the writer lock of {self.path}", seconds=self.config.lock_timeout_s)
        if self.log == NULL:
            return fail(e, self.topic, self.partition, -1, -1)
        if e.status == LF_E_TOO_LARGE:
            return fail(e, self.topic, self.partition, -1, limit)
        return fail(e, self.topic, self.partition, self.log.state.start_offset, self.log.state.end_offset)

    def close(self):
        """Close. The last process to close trims, syncs and marks the partition clean. Idempotent.

        Raises StorageError when that fails; the partition is closed all the same, and recovered when next opened.
        """
        import time
        cdef lf_error e
        cdef lf_log *log
        cdef int rc
        if self.log == NULL or self.closing:
            return
        self.closing = True
        try:
            while self.users > 0:
                # Again and again: one that had looked at `closing`, but did not sleep yet, misses a single call.
                lf_state_wake(self.log.state)
                time.sleep(0.0005)
        except BaseException:   # Ctrl-C: open as before, so that close() can be called again
            self.closing = False
            raise
        log, self.log = self.log, NULL
        self.closing = False
        if self.generation != fork_generation:
            lf_log_abandon(log)
            return
        with nogil:
            rc = lf_log_close(log, &e)
        if rc:
            fail(&e, self.topic, self.partition, -1, -1)

    @property
    def closed(self):
        """bool: close() was called."""
        return self.log == NULL or self.closing

    @property
    def gone(self):
        """bool: the topic was deleted, here or by another process. One of the same name is another partition."""
        return self.is_gone()

    @property
    def start_offset(self):
        """int: first offset that can be read."""
        self.enter()
        self.leave()
        return self.log.state.start_offset

    @property
    def end_offset(self):
        """int: offset of the next record to be written; all below it are visible."""
        self.enter()
        self.leave()
        return self.log.state.end_offset

    @property
    def durable_offset(self):
        """int: everything below is on disk."""
        self.enter()
        self.leave()
        return self.log.state.durable_offset

    @property
    def recovery(self):
        """PartitionReport: what opening found and did."""
        cdef lf_recovery *r = &self.enter().recovery
        self.leave()
        cuts = ()
        if r.cut_bytes or r.reason[0]:
            cuts = (Cut(path=os.fsdecode(<bytes>r.cut_path), position=r.cut_position, size=r.cut_bytes,
                        reason=(<bytes>r.reason).decode()),)
        if r.bad_snapshot[0]:
            cuts += (Cut(path=os.fsdecode(<bytes>r.bad_snapshot), position=0, size=0,
                         reason=(<bytes>r.bad_snapshot_reason).decode()),)
        return PartitionReport(topic=self.topic, partition=self.partition, start_offset=self.start_offset,
                               end_offset=r.end_offset if r.ran else self.end_offset, clean=not r.ran,
                               bytes_scanned=r.scanned_bytes, cuts=cuts)

    cdef int run(self, int (*step)(lf_log *, lf_error *) noexcept nogil) except -1:
        cdef lf_error e
        cdef int rc
        cdef lf_log *log = self.enter()
        with nogil:
            rc = step(log, &e)
        self.leave()
        return self.raise_error(&e) if rc else 0

    # ---- writing

    cdef int write_batches(self, uint8_t *batches, size_t length, bint prepare, lf_append_info *info) except -1:
        return self.write_within(batches, length, prepare, self.config.lock_timeout_s, info)

    cdef int write_within(self, uint8_t *batches, size_t length, bint prepare, double wait_s, lf_append_info *info) except -1:
        """Raises LockTimeout when the writer lock is not free in time; with 0 also when the producers are not known yet."""
        cdef lf_error e
        cdef int rc
        cdef lf_log *log = self.enter()
        # With the GIL held, while the writer lock is free: see GIL_BYTES.
        rc = lf_log_append(log, batches, length, prepare, 0, info, &e) if <int64_t>length < GIL_BYTES else LF_E_TIMEOUT
        if rc == LF_E_TIMEOUT and (wait_s > 0 or <int64_t>length >= GIL_BYTES):
            with nogil:
                rc = lf_log_append(log, batches, length, prepare, wait_s, info, &e)
        self.leave()
        return self.raise_error(&e) if rc else 0

    cdef int sync_to(self, int64_t offset) except -1:
        cdef lf_error e
        cdef int rc
        cdef lf_log *log = self.enter()
        if log.state.durable_offset >= offset:
            self.leave()
            return 0
        with nogil:
            rc = lf_log_sync(log, offset, &e)
        self.leave()
        return self.raise_error(&e) if rc else 0

    @cython.binding(False)      # a plain builtin: the interpreter calls it directly
    @cython.embedsignature.format("clinic")
    def append(self, value, key=None, headers=None, timestamp=None):
        """Append one record and return its offset.

        When it returns, readers in all processes see the record and it survives kill -9; `sync()` makes it
        survive a power loss. `value` and `key`: bytes-like or None; `timestamp`: ms, now when None.
        Raises RecordTooLarge, DiskFull, SyncFailed, Closed, InvalidRecord (a compacted topic wants a key).
        """
        cdef lf_error e
        cdef int64_t offset
        cdef int rc
        cdef lf_log *log
        if key is None and self.keys_required:
            raise errors.InvalidRecord(reason="no key, and the topic is compacted: nothing could tell which record replaces it")
        if headers is not None or self.codec or not PyBytes_CheckExact(value) or (
                key is not None and not PyBytes_CheckExact(key)):
            return self._append_built(value, key, headers, timestamp)
        cdef int32_t key_len = -1
        cdef const uint8_t *key_at = NULL
        if PyBytes_GET_SIZE(value) > self.max_message_bytes - 128:
            raise errors.RecordTooLarge(size=PyBytes_GET_SIZE(value), limit=self.max_message_bytes)
        if key is not None:
            if PyBytes_GET_SIZE(key) + PyBytes_GET_SIZE(value) > self.max_message_bytes - 128:
                raise errors.RecordTooLarge(size=PyBytes_GET_SIZE(key) + PyBytes_GET_SIZE(value), limit=self.max_message_bytes)
            key_len = <int32_t>PyBytes_GET_SIZE(key)
            key_at = <const uint8_t *>PyBytes_AS_STRING(key)
        cdef int64_t when = lf_stamp_ms(&clock) if timestamp is None else stamp_of(timestamp)
        log = self.enter()
        cdef const uint8_t *value_at = <const uint8_t *>PyBytes_AS_STRING(value)
        cdef int32_t value_len = <int32_t>PyBytes_GET_SIZE(value)
        # With the GIL held while the writer lock is free: letting go of it costs as much as the append.
        rc = lf_log_append_one(log, key_at, key_len, value_at, value_len, when, 0, &offset, &e)
        if rc == LF_E_TIMEOUT:
            with nogil:
                rc = lf_log_append_one(log, key_at, key_len, value_at, value_len, when, self.config.lock_timeout_s, &offset, &e)
        self.leave()
        if rc:
            self.raise_error(&e)
        return offset

    def _append_built(self, value, key, headers, timestamp):
        """As append(), of what has to be built before it is written: any types, with headers, compressed."""
        cdef lf_append_info info
        cdef int64_t when = lf_stamp_ms(&clock) if timestamp is None else stamp_of(timestamp)
        cdef Stage stage = self.stage_for(self.max_message_bytes)
        try:
            stage.put(value, key, headers, when)
            stage.finish()
            self.write_batches(stage.b.buf, stage.b.start, False, &info)
        finally:
            give_stage(stage)
        return info.base_offset

    def append_many(self, values, keys=None, timestamps=None, headers=None, *, int64_t batch_bytes=65536,
                    bint followed=False, lock_timeout_s=None):
        """Append records in whole batches; returns the offset of the first (their offsets are consecutive
        unless other writers append meanwhile). Published and safe from kill -9 when it returns.

        `values`, `keys`: sequences of bytes-like or None, numpy arrays, or anything with the Arrow C data
        interface; `timestamps`: ints in ms or None; `headers`: a list of (str, bytes) pairs, or None, a record;
        `followed`: a sync comes next, and more such calls, so that zeroes written ahead pay;
        `lock_timeout_s`: how long a batch may wait for the writer lock, else LockTimeout; by default the directory's.
        """
        cdef int64_t first = -1
        cdef double wait_s = self.config.lock_timeout_s if lock_timeout_s is None else lock_timeout_s
        self._append_staged(values, keys, timestamps, headers, batch_bytes, self.codec, self.level, wait_s, &first, followed)
        return first

    cdef Stage stage_for(self, int64_t batch_bytes):
        """A staging buffer, set to what this partition takes; give_stage() gives it back."""
        cdef Stage stage = take_stage()
        stage.codec = self.codec
        stage.level = self.level
        stage.max_message_bytes = self.max_message_bytes
        stage.batch_bytes = min(batch_bytes, self.max_message_bytes, <int64_t>self.config.segment_bytes)
        return stage

    cdef int64_t _append_staged(self, object values, object keys, object timestamps, object headers, int64_t batch_bytes,
                                int codec, int level, double wait_s, int64_t *first, bint followed=False) except? -2:
        cdef int64_t at = 0, now = lf_now_ms()
        cdef AppendInput given = AppendInput(values, keys, timestamps, headers)
        cdef lf_append_info info
        cdef Stage stage
        if self.keys_required:
            given.require_keys()
        first[0] = -1
        info.last_offset = self.end_offset - 1
        stage = self.stage_for(batch_bytes)
        stage.codec = codec
        stage.level = level
        try:
            while at < given.length:
                if given.value_column is not None:
                    at = stage.fill_columns(given.value_column, given.key_column, given.stamps_at(), given.shared, now, at,
                                            given.length)
                else:
                    at = stage.fill_objects(given.values, given.keys, given.timestamps, given.headers, now, at, given.length)
                stage.finish()
                self.write_within(stage.b.buf, stage.b.start, followed, wait_s, &info)
                stage.reset()
                if first[0] < 0:
                    first[0] = info.base_offset
        finally:
            give_stage(stage)
        if first[0] < 0:
            first[0] = self.end_offset
        return info.last_offset

    def sync(self, offset=None):
        """Return when everything below `offset` (default: all published) is on disk. One sync serves all waiters.

        Raises SyncFailed; the partition then refuses writes until it is closed and opened again.
        """
        cdef int64_t upto = self.end_offset if offset is None else offset
        self.sync_to(min(upto, <int64_t>self.end_offset))

    def roll(self):
        """Seal the active segment and begin the next, when it holds anything."""
        self.run(lf_log_roll)

    def trim(self):
        """Cut the zeroes behind the end and write the index now: close() then has less left to do."""
        self.run(lf_log_trim)

    # ---- retention

    def set_start_offset(self, int64_t offset):
        """Make `offset` the first that can be read; raises OffsetOutOfRange beyond the end."""
        cdef lf_error e
        cdef int rc
        cdef lf_log *log = self.enter()
        with nogil:
            rc = lf_log_set_start(log, offset, &e)
        self.leave()
        if rc:
            self.raise_error(&e)

    def mark_deleted(self):
        """Refuse all further writes, in every process; readers learn of it when they reach the end."""
        self.run(lf_log_mark_deleted)
        self.deleted = True

    def delete_old_segments(self):
        """Delete segments that lie wholly below start_offset; returns (segments, bytes) removed."""
        cdef lf_error e
        cdef int64_t removed_bytes = 0
        cdef int32_t removed = 0
        cdef int rc
        cdef lf_log *log = self.enter()
        with nogil:
            rc = lf_log_truncate_front(log, &removed_bytes, &removed, &e)
        self.leave()
        if rc:
            self.raise_error(&e)
        return removed, removed_bytes

    def expire(self, int64_t now_ms, int64_t retention_ms, int64_t retention_bytes):
        """Apply retention (-1: without limit); returns (segments, bytes) removed."""
        cdef lf_error e
        cdef int64_t removed_bytes = 0
        cdef int32_t removed = 0
        cdef int rc
        cdef lf_log *log = self.enter()
        with nogil:
            rc = lf_log_expire(log, now_ms, retention_ms, retention_bytes, &removed_bytes, &removed, &e)
        self.leave()
        if rc:
            self.raise_error(&e)
        return removed, removed_bytes

    def segments(self):
        """list[SegmentInfo], oldest first."""
        cdef lf_error e
        cdef int32_t count = 0, cap = 64, i
        cdef lf_segment_info *out
        cdef int rc
        cdef lf_log *log
        while True:
            out = <lf_segment_info *>malloc(cap * sizeof(lf_segment_info))
            if out == NULL:
                raise MemoryError
            log = self.enter()
            with nogil:
                rc = lf_log_segments(log, out, cap, &count, &e)
            self.leave()
            if rc:
                free(out)
                self.raise_error(&e)
            if count <= cap:
                break
            free(out)
            cap = count + 16
        try:
            return [SegmentInfo(path=f"{self.path}/{out[i].base_offset:020d}.log", base_offset=out[i].base_offset,
                                end_offset=out[i].end_offset, size=out[i].size, max_timestamp=out[i].max_timestamp,
                                sealed=bool(out[i].sealed)) for i in range(count)]
        finally:
            free(out)
