"""The directory's page of transactions, and their end in several partitions at once.

What is decided, and by whom, is not known here: the coordinator above holds the page's lock while it decides.
"""

import os

from libc.stdint cimport INT64_MAX, int16_t, int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

cimport cython

from logflume import errors

from logflume._native.core cimport *
from logflume._native.failures cimport fail
from logflume._native.partition_log cimport PartitionLog

__all__ = ["TransactionPage", "complete", "extents", "may_have_open", "reserve"]

cdef extern from "lf/state.h" nogil:
    enum:
        LF_STATE_BYTES
        LF_STATE_CLEAN
    const uint64_t LF_STATE_MAGIC
    uint32_t lf_state_clean_crc(const lf_state *st) noexcept

cdef extern from "lf/txn_page.h" nogil:
    ctypedef struct lf_hold:
        lf_state *state
        int64_t first
    ctypedef struct lf_extent:
        int64_t first, end, other, held
    int lf_txn_page_open(const char *path, int lock_fd, double timeout_s, lf_txn_page **out, uint8_t *alone,
                         lf_error *e) noexcept
    int lf_txn_page_opened(lf_txn_page *page, const char *path, int lock_fd, bint ok, lf_error *e) noexcept
    void lf_txn_page_close(lf_txn_page *page, int lock_fd) noexcept
    void lf_txn_page_abandon(lf_txn_page *page) noexcept
    int lf_txn_page_lock(lf_txn_page *page, double timeout_s) noexcept
    int lf_txn_page_unlock(lf_txn_page *page) noexcept
    int lf_txn_complete(lf_txn_page *page, lf_log **logs, int32_t n, int64_t producer_id, int16_t epoch,
                        int32_t coordinator_epoch, bint commit, const lf_hold *holds, int32_t n_holds, uint64_t held_table,
                        int64_t *offsets, int32_t *failed, lf_error *e) noexcept
    int lf_txn_extents(lf_log **logs, int32_t n, int64_t producer_id, lf_extent *out, int32_t *failed, lf_error *e) noexcept
    int lf_txn_reserve(lf_log **logs, int32_t n, int32_t *failed, lf_error *e) noexcept


@cython.final
cdef class TransactionPage:
    """`logflume-transactions.state`, shared by all processes that use transactions in a directory.

    Parameters: `path`, of the file; `lock_fd`, the open descriptor of the directory's lock file, which outlives this
    (one page for each descriptor); `recover`, called without arguments by whoever opens the page first, before anybody
    else may open it; what it raises is raised here, and the page stays closed; `timeout`, seconds to wait for another
    who is opening it. Raises LockTimeout, StorageError, DirectoryLocked. Any number of threads may use one object. Fork:
    the child calls abandon() and opens its own.
    """

    def __init__(self, path, int lock_fd, *, recover=None, double timeout=30.0):
        cdef lf_error e
        cdef uint8_t alone = 0
        cdef lf_txn_page *page = NULL
        cdef int rc
        raw = os.fsencode(path)
        cdef const char *c_path = raw
        self.path = os.fsdecode(raw)
        self.lock_fd = lock_fd
        with nogil:
            rc = lf_txn_page_open(c_path, lock_fd, timeout, &page, &alone, &e)
        if rc == LF_E_TIMEOUT:
            raise errors.LockTimeout(what=f"opening {self.path}", seconds=timeout)
        if rc:
            fail(&e)
        self.page = page
        if not alone:
            return
        try:
            if recover is not None:
                recover()
        except BaseException:
            self.page = NULL
            lf_txn_page_opened(page, c_path, lock_fd, False, &e)
            raise
        if lf_txn_page_opened(page, c_path, lock_fd, True, &e):
            self.page = NULL
            fail(&e)

    cdef lf_txn_page *enter(self) except NULL:
        if self.page == NULL:
            raise errors.Closed(what=self.path)
        self.users += 1
        return self.page

    cdef void leave(self) noexcept:
        self.users -= 1

    def lock(self, double timeout=30.0):
        """Take the coordinator's lock for this thread; True: an owner died with it, and nobody has said settled() since.

        The caller then finishes what that one may have begun. Raises LockTimeout, ConcurrentAccess (this thread has it).
        """
        cdef int rc
        cdef lf_txn_page *page = self.enter()
        rc = lf_txn_page_lock(page, 0)
        if rc == LF_E_TIMEOUT:
            with nogil:
                rc = lf_txn_page_lock(page, timeout)
        self.leave()
        if rc == LF_E_TIMEOUT:
            raise errors.LockTimeout(what=f"the coordinator's lock of {self.path}", seconds=timeout)
        if rc:
            raise errors.ConcurrentAccess(what=f"the coordinator's lock of {self.path}")
        return bool(page.unsettled) or bool(page.sequence & 1)

    def unlock(self):
        """Let go of the lock. Raises ConcurrentAccess when this thread does not have it."""
        cdef lf_txn_page *page = self.enter()
        self.leave()
        if lf_txn_page_unlock(page):
            raise errors.ConcurrentAccess(what=f"the coordinator's lock of {self.path}")

    def settled(self):
        """With the lock held: what a dead owner began is finished, so that readers may go on."""
        cdef lf_txn_page *page = self.enter()
        self.leave()
        if page.sequence & 1:
            page.sequence += 1
        page.unsettled = 0

    @property
    def sequence(self):
        """int: raised by two with each completion; odd while one is being published, or its owner died at that."""
        self.enter()
        self.leave()
        return self.page.sequence

    @property
    def held(self):
        """bool: the table of held transactions may have something in it. Set with the lock held."""
        self.enter()
        self.leave()
        return bool(self.page.held)

    @held.setter
    def held(self, bint value):
        self.enter()
        self.leave()
        self.page.held = value

    @property
    def closed(self):
        """bool: close() or abandon() was called."""
        return self.page == NULL

    def close(self):
        """Close. Idempotent; waits for calls under way in other threads."""
        import time
        cdef lf_txn_page *page = self.page
        self.page = NULL
        if page == NULL:
            return
        while self.users > 0:
            time.sleep(0.0005)
        lf_txn_page_close(page, self.lock_fd)

    def abandon(self):
        """In a forked child: forget the parent's page; its locks stay with the parent."""
        if self.page != NULL:
            lf_txn_page_abandon(self.page)
            self.page = NULL


cdef int _raise_for(list partitions, int32_t failed, lf_error *e) except -1:
    return (<PartitionLog>partitions[failed]).raise_error(e)


def complete(TransactionPage page, partitions, *, int64_t producer_id, int16_t producer_epoch, int32_t coordinator_epoch=0,
             bint commit, holds=(), uint64_t held_table=0):
    """End a producer's transaction in all `partitions` (PartitionLogs, each once) at one moment for readers that use `page`.

    Returns the markers' offsets in the order of `partitions`, -1 where the producer has no open transaction: there nothing
    is written, so that calling it again finishes what another has begun. Published and safe from kill -9 when it returns;
    durable by sync() of the partitions, or by a record elsewhere that tells the decision. `page` may be None: then readers
    may see the end in one partition before another. `holds`: pairs of a PartitionLog and the offset from which on it hides
    committed transactions, None for none; they take effect at the same moment, for the table `held_table`. Raises
    InvalidProducerEpoch, TransactionCoordinatorFenced, DiskFull, SyncFailed, LockTimeout; then none has ended.
    """
    cdef list given = list(partitions), held = list(holds)
    cdef list entered = []
    cdef int32_t n = <int32_t>len(given), n_holds = <int32_t>len(held), i, failed = 0
    cdef lf_log **logs = <lf_log **>malloc((n + 1) * sizeof(lf_log *))
    cdef lf_hold *c_holds = <lf_hold *>malloc((n_holds + 1) * sizeof(lf_hold))
    cdef int64_t *offsets = <int64_t *>malloc((n + 1) * sizeof(int64_t))
    cdef lf_txn_page *shared = NULL
    cdef lf_error e
    cdef int rc
    try:
        if logs == NULL or offsets == NULL or c_holds == NULL:
            raise MemoryError
        if page is not None:
            shared = page.enter()
        try:
            for i in range(n):
                logs[i] = (<PartitionLog?>given[i]).enter()
                entered.append(given[i])
            for i in range(n_holds):
                c_holds[i].state = (<PartitionLog?>held[i][0]).enter().state
                entered.append(held[i][0])
                c_holds[i].first = INT64_MAX if held[i][1] is None else held[i][1]
            with nogil:
                rc = lf_txn_complete(shared, logs, n, producer_id, producer_epoch, coordinator_epoch, commit, c_holds, n_holds,
                                     held_table, offsets, &failed, &e)
        finally:
            for item in entered:
                (<PartitionLog>item).leave()
            if page is not None:
                page.leave()
        if rc:
            _raise_for(given, failed, &e)
        return [offsets[i] for i in range(n)]
    finally:
        free(logs)
        free(c_holds)
        free(offsets)


def reserve(partitions):
    """Make room for a marker in each of `partitions`: a full disk shows now, and not when the commit is decided.

    Raises DiskFull, SyncFailed, LockTimeout.
    """
    cdef list given = list(partitions)
    cdef int32_t n = <int32_t>len(given), i, entered = 0, failed = 0
    cdef lf_log **logs = <lf_log **>malloc((n + 1) * sizeof(lf_log *))
    cdef lf_error e
    cdef int rc
    if logs == NULL:
        raise MemoryError
    try:
        for i in range(n):
            logs[i] = (<PartitionLog?>given[i]).enter()
            entered += 1
        with nogil:
            rc = lf_txn_reserve(logs, n, &failed, &e)
    finally:
        for i in range(entered):
            (<PartitionLog>given[i]).leave()
        free(logs)
    if rc:
        _raise_for(given, failed, &e)


def extents(partitions, int64_t producer_id):
    """Where this producer's open transaction lies in each of `partitions`, and what else is open there.

    Returns a tuple for each: first offset and end of the transaction's records (None where it has none), first offset of the
    earliest other open transaction, and the offset from which on committed ones are held back; None for none. Raises
    StorageError.
    """
    cdef list given = list(partitions)
    cdef int32_t n = <int32_t>len(given), i, entered = 0, failed = 0
    cdef lf_log **logs = <lf_log **>malloc((n + 1) * sizeof(lf_log *))
    cdef lf_extent *found = <lf_extent *>malloc((n + 1) * sizeof(lf_extent))
    cdef lf_error e
    cdef int rc
    try:
        if logs == NULL or found == NULL:
            raise MemoryError
        try:
            for i in range(n):
                logs[i] = (<PartitionLog?>given[i]).enter()
                entered += 1
            with nogil:
                rc = lf_txn_extents(logs, n, producer_id, found, &failed, &e)
        finally:
            for i in range(entered):
                (<PartitionLog>given[i]).leave()
        if rc:
            _raise_for(given, failed, &e)
        return [(None if found[i].first < 0 else found[i].first, None if found[i].first < 0 else found[i].end,
                 _or_none(found[i].other), _or_none(found[i].held)) for i in range(n)]
    finally:
        free(logs)
        free(found)


cdef object _or_none(int64_t offset):
    return None if offset == INT64_MAX else offset


def may_have_open(path):
    """Whether the partition in the directory `path` may have an open transaction: False only when its shared state says
    that it was closed with none. Opens nothing else, and does not recover it."""
    cdef lf_state state         # a copy: the bytes of a bytes object are not aligned as the page is
    try:
        with open(os.path.join(path, "logflume.state"), "rb", buffering=0) as file:
            data = file.read(LF_STATE_BYTES)
    except FileNotFoundError:
        return True
    if len(data) < LF_STATE_BYTES:
        return True
    memcpy(&state, <const char *>data, sizeof(state))
    return not (state.magic == LF_STATE_MAGIC and state.phase == LF_STATE_CLEAN and state.crc == lf_state_clean_crc(&state)
                and state.first_unstable == INT64_MAX)
