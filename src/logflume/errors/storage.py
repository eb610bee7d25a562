"""Errors of files and directories."""

from __future__ import annotations

from logflume.errors.base import LogflumeError

__all__ = [
    "CorruptRecord",
    "DirectoryLocked",
    "DiskFull",
    "NetworkFilesystem",
    "ReadOnlyDirectory",
    "RecoveryFailed",
    "StorageError",
    "SyncFailed",
    "UnsupportedFormat",
]


class StorageError(LogflumeError):
    """Something about a file or directory; `path` says which.

    Itself raised for what the kernel refused in a way that no subclass names.
    """

    template = "{path}: storage error[: {reason}]"
    path: str
    reason: str | None = None


class CorruptRecord(StorageError):
    """The bytes at `position` (byte in the file, or line of a text file) are not what was written."""

    code = 2
    template = "{path}: corrupt at position {position}[, offset {offset}]: {reason}"
    position: int
    reason: str
    offset: int | None = None


class UnsupportedFormat(StorageError):
    """Written by a newer logflume, or in Kafka's message formats 0 and 1, which ended with 0.11."""

    code = 43
    template = "{path}[ at position {position}]: unsupported format: {reason}"
    reason: str
    position: int | None = None


class DiskFull(StorageError):
    """The file system has no space left (ENOSPC) or the quota is used up (EDQUOT)."""

    code = 56
    template = "{path}: no space left on the file system[ ({reason})]"


class ReadOnlyDirectory(StorageError):
    """The directory can be read but not written."""

    code = 56
    template = "{path}: not writable[ ({reason})]"


class SyncFailed(StorageError):
    """The kernel reported that data did not reach the disk; the partition refuses writes from here on."""

    code = 56
    template = "{path}: sync to disk failed[ ({reason})]; re-open the log to recover"


class NetworkFilesystem(StorageError):
    """The directory is on a network file system, where locks and maps keep no promises."""

    template = "{path}: is on a network file system ({kind})[: {reason}]; use a local disk"
    kind: str


class DirectoryLocked(StorageError):
    """Another program (a running Kafka, say) holds the directory."""

    retriable = True
    template = "{path}: is in use: {reason}"
    reason: str


class RecoveryFailed(StorageError):
    """Recovery after an unclean stop could not finish; nothing was cut."""

    template = "{path}: recovery failed: {reason}"
    reason: str
