"""What a partition knows of idempotent and transactional producers, and appending in their name.

Producers, open transactions and what was aborted are derived from the log, and are the same in every process that
asks; asking takes in what other processes have appended.
"""

from libc.stdint cimport INT64_MAX, int16_t, int32_t, int64_t, uint8_t
from libc.stdlib cimport free
from libc.string cimport memset

from logflume import errors
from logflume.types import AbortedTransaction, AppendedBatches, OpenTransaction, ProducerState

from logflume._native.core cimport *
from logflume._native.partition_log cimport PartitionLog

__all__ = ["PartitionTransactions"]

cdef extern from "lf/producers.h" nogil:
    ctypedef struct lf_producer_batch:
        int64_t last_offset
        int32_t last_sequence
    ctypedef struct lf_producer:
        int64_t id, last_timestamp, txn_first
        int32_t coordinator_epoch
        int16_t epoch, n_batches
        lf_producer_batch batches[5]
    int lf_producers_get(lf_log *log, int64_t id, lf_producer *out, lf_error *e) noexcept
    int lf_producers_list(lf_log *log, lf_producer **out, size_t *n, lf_error *e) noexcept

cdef extern from "lf/transactions.h" nogil:
    ctypedef struct lf_aborted:
        int64_t producer, first, last
    int lf_log_aborted(lf_log *log, int64_t start, int64_t stop, lf_aborted **out, int32_t *n, lf_error *e) noexcept


cdef tuple fields_of(const lf_producer *w):
    """As ProducerState has them."""
    return (w.id, w.epoch, w.batches[w.n_batches - 1].last_sequence if w.n_batches else -1,
            w.batches[w.n_batches - 1].last_offset if w.n_batches else -1, w.last_timestamp, w.coordinator_epoch,
            w.txn_first)


cdef class PartitionTransactions(PartitionLog):
    """Appending whole batches, and the state of producers."""

    cdef bytearray _whole_batches(self, data):
        """A copy, of which headers, sizes and checksums are right."""
        cdef bytearray copy = bytearray(data)
        cdef uint8_t *p = <uint8_t *><char *>copy
        cdef size_t n = len(copy), at = 0
        cdef lf_batch b
        cdef const char *reason = b""
        if not n:
            raise errors.InvalidRecord(reason="no batches")
        while at < n:
            if lf_batch_check(p + at, n - at, at, True, &b, &reason):
                raise errors.InvalidRecord(reason=f"batch at byte {at}: {reason.decode()}")
            if b.attributes & LF_ATTR_CODEC > 4:
                raise errors.UnsupportedCompression(codec=b.attributes & LF_ATTR_CODEC)
            if b.size > self.max_message_bytes:
                raise errors.RecordTooLarge(size=b.size, limit=self.max_message_bytes)
            at += b.size
        return copy

    cdef int _validate(self, uint8_t *p, size_t n) except -1:
        """Whole batches are what a client may append, down to their records."""
        cdef lf_admit_rules rules
        cdef lf_admit_room room
        cdef lf_refusal refusal
        cdef lf_batch b
        cdef uint8_t *same = NULL
        cdef int64_t size = 0
        cdef size_t at = 0
        cdef int rc = LF_OK
        memset(&room, 0, sizeof(room))
        memset(&rules, 0, sizeof(rules))
        rules.max_bytes = self.max_message_bytes
        rules.before_max_ms = rules.after_max_ms = INT64_MAX
        rules.max_unpacked = self.max_decompressed_bytes
        rules.keys_required = self.keys_required
        rules.append_time = self.config.append_time
        rules.codec = -1
        with nogil:
            while at < n:
                lf_batch_parse(p + at, at, &b)
                rc = lf_admit(&room, &rules, p + at, b.size, 0, &same, &size, &refusal)
                if rc:
                    break
                at += b.size
            lf_admit_room_free(&room)
        if rc and not refusal.code:
            raise MemoryError
        if rc:
            raise errors.InvalidRecord(reason=f"batch at byte {at}: {refusal.reason.decode()}")
        return 0

    def append_batches(self, data, *, bint validate=True, lock_timeout_s=None):
        """Append whole record batches v2, as a producer has made them; their base offsets are set here.

        Parameters: `data`, one batch behind the other; `validate`, also take the records apart: their offsets must be
        consecutive, their keys there where the topic is compacted (headers and checksums are always checked);
        `lock_timeout_s`: how long to wait for the writer lock, else LockTimeout; by default the directory's.
        Returns AppendedBatches. Batches of an idempotent producer that are here already are not written again; when all
        are, `duplicate` is True. Published and safe from kill -9 when it returns. Raises InvalidRecord,
        UnsupportedCompression, RecordTooLarge, OutOfOrderSequence, InvalidProducerEpoch, InvalidTxnState, DiskFull;
        a call of more than segment.bytes may have appended the batches in front by then.
        """
        cdef bytearray copy = self._whole_batches(data)
        cdef uint8_t *p = <uint8_t *><char *>copy
        cdef lf_append_info info
        if validate:
            self._validate(p, len(copy))
        self.write_within(p, len(copy), False, self.config.lock_timeout_s if lock_timeout_s is None else lock_timeout_s, &info)
        return AppendedBatches(info.base_offset, info.last_offset, info.append_time, bool(info.duplicate))

    def append_raw(self, batches):
        """Append whole batches that were accepted once, control batches among them; returns the first offset.

        For copies of a log: sequences and epochs are not checked again, and a marker ends its transaction. Base offsets
        are set here. Raises InvalidRecord, UnsupportedCompression, RecordTooLarge, DiskFull.
        """
        cdef bytearray copy = self._whole_batches(batches)
        cdef lf_append_info info
        cdef lf_error e
        cdef int rc
        cdef uint8_t *p = <uint8_t *><char *>copy
        cdef size_t n = len(copy)
        cdef lf_log *log = self.enter()
        with nogil:
            rc = lf_log_append_accepted(log, p, n, &info, &e)
        self.leave()
        if rc:
            self.raise_error(&e)
        return info.base_offset

    def append_at(self, data, int64_t base_offset):
        """Append accepted batches at the offsets that they once had, the first at `base_offset`; the rest follows it.

        What the log holds already is left out. Offsets missing before it are filled with batches without records.
        Returns AppendedBatches, `duplicate` when all was there. Raises InvalidRecord, CorruptRecord (the log ends in the
        middle of a batch), DiskFull.
        """
        cdef bytearray copy = self._whole_batches(data)
        cdef lf_append_info info
        cdef lf_error e
        cdef int rc
        cdef uint8_t *p = <uint8_t *><char *>copy
        cdef size_t n = len(copy)
        if base_offset < 0:
            raise errors.InvalidRecord(reason=f"no batch has the offset {base_offset}")
        cdef lf_log *log = self.enter()
        with nogil:
            rc = lf_log_append_at(log, p, n, base_offset, &info, &e)
        self.leave()
        if rc:
            self.raise_error(&e)
        return AppendedBatches(info.base_offset, info.last_offset, info.append_time, bool(info.duplicate))

    # ---- looking

    @property
    def last_stable_offset(self):
        """int: below it every transaction is decided; what a read_committed reader may see."""
        cdef lf_log *log = self.enter()
        self.leave()
        return lf_state_stable(log.state)

    cdef list _producers(self, bint with_transaction):
        cdef lf_error e
        cdef int rc
        cdef size_t i, n = 0
        cdef lf_producer *found = NULL
        cdef lf_producer *w
        cdef list out = []
        cdef lf_log *log = self.enter()
        with nogil:
            rc = lf_producers_list(log, &found, &n, &e)
        self.leave()
        if rc:
            self.raise_error(&e)
        try:
            for i in range(n):
                w = &found[i]
                if not with_transaction:
                    out.append(fields_of(w))
                elif w.txn_first >= 0:
                    out.append((w.txn_first, w.id, w.epoch, w.last_timestamp))
        finally:
            free(found)
        out.sort()
        return out

    def producers(self):
        """list[ProducerState], by id: all that are not forgotten. Raises StorageError."""
        return [ProducerState(*fields) for fields in self._producers(False)]

    def producer(self, int64_t producer_id):
        """ProducerState | None: of that one, None when it is not known or forgotten. Raises StorageError."""
        cdef lf_error e
        cdef int rc
        cdef lf_producer found
        cdef lf_log *log = self.enter()
        with nogil:
            rc = lf_producers_get(log, producer_id, &found, &e)
        self.leave()
        if rc:
            self.raise_error(&e)
        return ProducerState(*fields_of(&found)) if found.id >= 0 else None

    def open_transactions(self):
        """list[OpenTransaction], by first offset. The earliest holds up last_stable_offset."""
        return [OpenTransaction(producer_id, epoch, first, timestamp)
                for first, producer_id, epoch, timestamp in self._producers(True)]

    def aborted(self, int64_t start, int64_t stop):
        """list[AbortedTransaction] with records in offsets [start, stop): what a reader of these has to leave out.

        From the `.txnindex` files, as Kafka answers a fetch; one that does not agree with its segment is written anew.
        """
        cdef lf_error e
        cdef int rc
        cdef lf_aborted *list_ = NULL
        cdef int32_t n = 0, i
        cdef lf_log *log = self.enter()
        with nogil:
            rc = lf_log_aborted(log, start, stop, &list_, &n, &e)
        self.leave()
        if rc:
            self.raise_error(&e)
        try:
            return [AbortedTransaction(list_[i].producer, list_[i].first, list_[i].last) for i in range(n)]
        finally:
            free(list_)
