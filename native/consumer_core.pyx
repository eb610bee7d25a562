"""Fetching from several partitions, and iterating records one by one."""

from libc.stdint cimport INT32_MAX, int32_t, int64_t, uint8_t
from libc.stdlib cimport free, malloc

cimport cython

from cpython.exc cimport PyErr_CheckSignals

from logflume._native.columns cimport Record, RecordBatch
from logflume._native.core cimport *
from logflume._native.partition_reader cimport PartitionReader
from logflume._native.transactions cimport TransactionPage, lf_txn_page, lf_txn_stable_offsets

__all__ = ["Fetcher", "RecordIterator"]


@cython.final
cdef class Fetcher:
    """Reads from a changing set of PartitionReaders, in turn. Not thread-safe: its consumer has a lock."""

    def __cinit__(self):
        self.readers = []

    def use_page(self, TransactionPage page):
        """See each commit in all partitions or in none: completions on this page (None: on no page) count as one moment."""
        self.page = page

    def set_readers(self, readers):
        """Fetch from these from now on (those of paused partitions left out)."""
        self.readers = list(readers)
        self.start = 0

    def fetch(self, Py_ssize_t max_records, int64_t max_bytes):
        """Whatever is there now, as one RecordBatch; None when there is nothing. Does not wait."""
        cdef RecordBatch out = self.fetch_batch(<int32_t>min(max_records, <Py_ssize_t>INT32_MAX), max_bytes)
        return out if out.c.n else None

    def has_news(self, RecordIterator records not None):
        """Whether a fetch would find records or an error, or a position that is not the end's; or `records` are not
        all handed out. Looks at memory only."""
        cdef PartitionReader reader
        if self.failure is not None or records.row < records.end:
            return True
        for reader in self.readers:
            if reader.next != reader.upper_end():
                return True
        return False

    cdef RecordBatch fetch_batch(self, int32_t max_records, int64_t max_bytes):
        cdef RecordBatch out = RecordBatch.__new__(RecordBatch)
        cdef Py_ssize_t i, k, n = len(self.readers)
        cdef PartitionReader reader
        cdef int64_t share
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure
        if not n:
            return out
        # Every partition gets its share of the bytes, so that none starves behind a busy one.
        share = max(max_bytes // n, 65536)
        self._take_limits()
        for i in range(n):
            k = (self.start + i) % n
            reader = <PartitionReader>self.readers[k]
            if reader.next >= (reader.limit if reader.has_limit and not reader.log.is_gone() else reader.log.log_end()):
                continue
            try:
                reader.read_into(out, max_records - out.c.n, share)
            except Exception as error:
                if not out.c.n:
                    raise
                self.failure = error
                break
            if out.c.n >= max_records:
                # The one that filled the call goes on last.
                self.start = (k + 1) % n
                return out
        self.start = (self.start + 1) % n
        return out

    def limits(self):
        """list[int]: where each reader, all of committed records, ends now, at one moment; None while a commit is being
        published."""
        if not self._take_limits():
            return None
        return [(<PartitionReader>reader).limit for reader in self.readers]

    cdef bint _take_limits(self) except -1:
        """One look at the last stable offsets of all readers of committed records. While a commit is being published
        they keep those they had, and it is False."""
        cdef list given = [], readers = self.readers
        cdef PartitionReader reader
        cdef Py_ssize_t i, n
        cdef lf_state **states
        cdef int64_t *limits
        cdef lf_txn_page *page = NULL
        cdef bint known = False
        for item in readers:
            reader = <PartitionReader>item
            if reader.read_committed and reader.log.log != NULL and not reader.log.closing:
                given.append(reader)
        n = len(given)
        if not n:
            return True
        states = <lf_state **>malloc(n * sizeof(lf_state *))
        limits = <int64_t *>malloc(n * sizeof(int64_t))
        try:
            if states == NULL or limits == NULL:
                raise MemoryError
            for i in range(n):
                states[i] = (<PartitionReader>given[i]).log.log.state
            if self.page is not None and self.page.page != NULL:
                page = self.page.page
            known = lf_txn_stable_offsets(page, states, <int>n, limits)
            for i in range(n):
                reader = <PartitionReader>given[i]
                if known:
                    reader.limit = limits[i]
                elif reader.limit > reader.next and not reader.was_limited:
                    reader.limit = reader.next
                reader.has_limit = reader.was_limited = True
        finally:
            free(states)
            free(limits)
        return known

    def wait(self, double seconds, int spin_us=0):
        """Sleep until one of the partitions has news, somebody wakes this, or `seconds` are over.

        May return early. True when there is something to fetch.
        """
        cdef Py_ssize_t i, n = len(self.readers), entered = 0
        cdef PartitionReader reader
        cdef int rc = LF_E_TIMEOUT
        cdef lf_state **states = <lf_state **>malloc((n + 1) * sizeof(lf_state *))
        cdef int64_t *after = <int64_t *>malloc((n + 1) * sizeof(int64_t))
        cdef uint8_t *stable = <uint8_t *>malloc(n + 1)
        try:
            if states == NULL or after == NULL or stable == NULL:
                raise MemoryError
            for i in range(n):
                reader = <PartitionReader>self.readers[i]
                states[i] = reader.log.enter().state
                entered += 1
                after[i] = reader.next
                stable[i] = reader.read_committed
            with nogil:
                rc = lf_state_wait_stable(states, after, stable, <int>n, seconds, spin_us)
            PyErr_CheckSignals()
        finally:
            for i in range(entered):
                (<PartitionReader>self.readers[i]).log.leave()
            free(states)
            free(after)
            free(stable)
        return rc == LF_OK

    def wake(self):
        """From another thread: end a wait()."""
        cdef PartitionReader reader
        cdef list readers = self.readers
        if readers:
            reader = <PartitionReader>readers[0]
            if reader.log.log != NULL:
                lf_state_wake(reader.log.log.state)


@cython.final
cdef class RecordIterator:
    """Hands out the records of batch after batch. `refill()` gives the next batch, or None to end."""

    def __init__(self, refill):
        self.refill = refill

    def __iter__(self):
        return self

    def __repr__(self):
        return f"<RecordIterator, {self.end - self.row} records at hand>"

    def __bool__(self):
        """Whether there are records of the batch at hand to hand out."""
        return self.row < self.end

    def __next__(self):
        cdef Record out
        while True:
            out = self.take()
            if out is not None:
                return out
            batch = self.refill()
            if batch is None:
                raise StopIteration
            self.load(batch)

    cdef int load(self, RecordBatch batch) except -1:
        """Hand out this batch's records from now on."""
        self.batch = batch
        self.row = 0
        self.end = batch.c.n
        self.part = -1
        self.part_end = 0
        return 0

    cdef Record take(self):
        """The next record of the batch at hand; None when all are handed out."""
        cdef Record out
        if self.row >= self.end:
            self.batch = None
            self.row = self.end = 0
            return None
        while self.row >= self.part_end:    # parts may be without rows
            self.part += 1
            self.part_end = (self.batch.parts[self.part + 1].first_row if self.part + 1 < self.batch.n_parts
                             else self.end)
        out = Record.__new__(Record)
        out.batch = self.batch
        out.row = self.row
        out.part = &self.batch.parts[self.part]
        self.row += 1
        return out

    def unread(self):
        """Give back what was not handed out: {(topic, partition): first offset not handed out}."""
        out = self.peek()
        self.batch = None
        self.row = self.end = 0
        return out

    def peek(self):
        """As unread(), but without giving back."""
        cdef dict out = {}
        cdef int32_t k, first
        cdef RecordBatch batch = self.batch
        if batch is None:
            return out
        for k in range(batch.n_parts):
            first = max(self.row, batch.parts[k].first_row)
            if first < (batch.parts[k + 1].first_row if k + 1 < batch.n_parts else self.end):
                out.setdefault((batch.topics[batch.parts[k].topic], batch.parts[k].partition), batch.c.offsets[first])
        return out
