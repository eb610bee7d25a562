"""Locks on single bytes of a file, which the kernel frees when their holder dies.

Open-file-description locks (Linux, `man fcntl`): they belong to the descriptor that `open` gave, not
to the process, so two objects of one process exclude each other as two processes do, and a forked
child that closes its copy of the descriptor neither keeps nor frees them.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct

__all__ = ["is_locked_by_other", "try_lock", "unlock"]

_FLOCK = struct.Struct("hhqqi4x")  # struct flock: type, whence, start, len, pid
TO_THE_END = 0  # as `len`: every byte from `start` on


def try_lock(fd: int, byte: int, *, shared: bool = False) -> bool:
    """Lock a byte, or answer False at once when another holds it."""
    kind = fcntl.F_RDLCK if shared else fcntl.F_WRLCK
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _FLOCK.pack(kind, os.SEEK_SET, byte, 1, 0))
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            return False
        raise  # ENOLCK, EBADF: not "somebody has it"
    return True


def unlock(fd: int, byte: int) -> None:
    """Let a byte go; nothing happens when it was not held."""
    fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _FLOCK.pack(fcntl.F_UNLCK, os.SEEK_SET, byte, 1, 0))


def is_locked_by_other(fd: int, byte: int, size: int = 1) -> bool:
    """Whether another descriptor holds any of these bytes (0: all from `byte` on).

    Locks held through `fd` itself do not count, so it works on a descriptor opened for reading.
    """
    answer = fcntl.fcntl(
        fd, fcntl.F_OFD_GETLK, _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, byte, size, 0)
    )
    kind: int = _FLOCK.unpack(answer)[0]
    return kind != fcntl.F_UNLCK
