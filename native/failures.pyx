"""The one place where a status of the C core becomes an exception of logflume.errors."""

import os

from logflume import errors

from logflume._native.core cimport (
    LF_E_CLOSED,
    LF_E_CODEC,
    LF_E_CORRUPT,
    LF_E_BOMB,
    LF_E_COORDINATOR,
    LF_E_FAILPOINT,
    LF_E_FENCED,
    LF_E_FORMAT,
    LF_E_LOCKED,
    LF_E_MAGIC,
    LF_E_NOMEM,
    LF_E_NO_SPACE,
    LF_E_OUT_OF_RANGE,
    LF_E_OUT_OF_SEQUENCE,
    LF_E_READ_ONLY,
    LF_E_SYNC_FAILED,
    LF_E_TIMEOUT,
    LF_E_TOO_LARGE,
    LF_E_TRUNCATED,
    LF_E_TXN_STATE,
)

__all__ = []


cdef int fail(const lf_error *e, str topic="", int32_t partition=-1, int64_t start=-1, int64_t end=-1) except -1:
    cdef int status = e.status
    path = os.fsdecode(<bytes>e.path)
    reason = (<bytes>e.reason).decode()
    detail = f"{reason}: {os.strerror(e.err)}" if e.err else reason
    if status == LF_E_CORRUPT or status == LF_E_TRUNCATED:
        raise errors.CorruptRecord(path=path, position=e.position, reason=reason, offset=None if e.offset < 0 else e.offset)
    if status == LF_E_MAGIC or status == LF_E_FORMAT:
        raise errors.UnsupportedFormat(path=path, reason=reason, position=None if e.position < 0 else e.position)
    if status == LF_E_CODEC:
        raise errors.UnsupportedCompression(codec=reason)
    if status == LF_E_BOMB:
        raise errors.DecompressionTooLarge(limit=e.position, path=path)
    if status == LF_E_OUT_OF_RANGE:
        raise errors.OffsetOutOfRange(topic=topic, partition=partition, offset=e.offset, start_offset=start, end_offset=end)
    if status == LF_E_OUT_OF_SEQUENCE:
        raise errors.OutOfOrderSequence(producer_id=e.offset, topic=topic, partition=partition, reason=reason)
    if status == LF_E_FENCED:
        raise errors.InvalidProducerEpoch(producer_id=e.offset, topic=topic, partition=partition, reason=reason)
    if status == LF_E_COORDINATOR:
        raise errors.TransactionCoordinatorFenced(topic=topic, partition=partition, reason=reason)
    if status == LF_E_TXN_STATE:
        raise errors.InvalidTxnState(transactional_id=None, reason=f"{topic}-{partition}: {reason}")
    if status == LF_E_TOO_LARGE:
        raise errors.RecordTooLarge(size=e.position, limit=end, property=reason)
    if status == LF_E_SYNC_FAILED:
        raise errors.SyncFailed(path=path, reason=detail)
    if status == LF_E_NO_SPACE:
        raise errors.DiskFull(path=path, reason=detail)
    if status == LF_E_READ_ONLY:
        raise errors.ReadOnlyDirectory(path=path, reason=detail)
    if status == LF_E_LOCKED:
        raise errors.DirectoryLocked(path=path, reason=detail)
    if status == LF_E_TIMEOUT:
        raise errors.LockTimeout(what=f"{reason} of {path}", seconds=30)
    if status == LF_E_CLOSED:
        raise errors.UnknownTopicOrPartition(topic=topic, partition=partition)
    if status == LF_E_NOMEM:
        raise MemoryError(f"{path}: {reason}")
    if status == LF_E_FAILPOINT:
        raise errors.StorageError(path=path, reason=f"failpoint {reason}")
    raise errors.StorageError(path=path, reason=detail or f"status {status}")
