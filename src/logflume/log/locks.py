"""Kernel locks on bytes of a log directory's lock file. Freed by the kernel when their holder dies.

The file is Kafka's own `.lock`: a running Kafka holds all of it, so the two never share a directory.
Open-file-description locks, because they belong to a descriptor and not to a process: two logs in one
process exclude each other as two processes do.
"""

from __future__ import annotations

import fcntl
import os
import struct

from logflume.errors import DirectoryLocked, LockTimeout, ReadOnlyDirectory
from logflume.log.layout import LOCK_FILE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["DirectoryLock"]

_FLOCK = struct.Struct("hhqqi4x")  # struct flock: type, whence, start, len, pid
_OPEN_BYTE = 0  # shared while the directory is open
_CHANGE_BYTE = 1  # exclusive while topics are changed


class DirectoryLock:
    """The directory's lock file, held open; `fd` is also what partitions lock their bytes with.

    Not for forked children: they call `reopen`.
    """

    def __init__(self, directory: str, *, timeout_s: float, read_only: bool = False) -> None:
        self._path = os.path.join(directory, LOCK_FILE)
        self._timeout_s = timeout_s
        self._read_only = read_only
        self.fd = -1
        self._held = -1  # of a reader, who locks nothing else
        self.reopen()

    def reopen(self) -> None:
        """Open the file anew and mark the directory as in use.

        Raises DirectoryLocked when a Kafka (or an exclusive holder) has it, ReadOnlyDirectory.
        """
        self.close()
        if self._read_only:
            self._hold_for_reading()
            return
        try:
            self.fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise ReadOnlyDirectory(path=self._path, reason=error.strerror) from error
        if not self._lock(_OPEN_BYTE, fcntl.F_RDLCK):
            self.close()
            raise self._taken()

    def _hold_for_reading(self) -> None:
        """Nothing is written, the lock file neither; where it is there, a Kafka that runs is told, and kept out."""
        try:
            self._held = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return
        if not self._lock(_OPEN_BYTE, fcntl.F_RDLCK, self._held):
            self.close()
            raise self._taken()

    def _taken(self) -> DirectoryLocked:
        reason = "another program, such as a running Kafka, holds the lock"
        return DirectoryLocked(path=self._path, reason=reason)

    def close(self) -> None:
        """Let go of everything."""
        for fd in (self.fd, self._held):
            if fd >= 0:
                os.close(fd)
        self.fd = self._held = -1

    def _lock(self, byte: int, kind: int, fd: int = -1) -> bool:
        try:
            fd = self.fd if fd < 0 else fd
            fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _FLOCK.pack(kind, os.SEEK_SET, byte, 1, 0))
        except OSError:
            return False
        return True

    def changing(self) -> _Changing:
        """Context manager: nobody else changes topics meanwhile. Raises LockTimeout."""
        return _Changing(self)


class _Changing:
    """One exclusive hold of the change byte."""

    def __init__(self, lock: DirectoryLock) -> None:
        self._lock = lock

    def __enter__(self) -> None:
        import time

        lock = self._lock
        deadline = time.monotonic() + lock._timeout_s
        while not lock._lock(_CHANGE_BYTE, fcntl.F_WRLCK):
            if time.monotonic() > deadline:
                raise LockTimeout(what=f"changing topics: {lock._path}", seconds=lock._timeout_s)
            time.sleep(0.001)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lock._lock(_CHANGE_BYTE, fcntl.F_UNLCK)
