"""Who of a directory's transactional producers lives: each holds a kernel lock while it does.

The lock is on one byte, of its producer id and epoch, in a file of its own; the kernel frees it when the
process dies.
"""

from __future__ import annotations

import fcntl
import os
import struct

from logflume.log.layout import PRESENCE_FILE

__all__ = ["Presence"]

_FLOCK = struct.Struct("hhqqi4x")  # struct flock: type, whence, start, len, pid
_EPOCH_BITS = 15
_ID_MASK = (1 << 47) - 1  # what is left of a file offset's 63 bits


class Presence:
    """The locks of one open directory. Not thread-safe: used under the coordinator's mutex.

    A forked child must call `forget`: its copy of the descriptor would keep the parent's locks.
    """

    def __init__(self, directory: str) -> None:
        self._path = os.path.join(directory, PRESENCE_FILE)
        self._fd = -1
        self._held: set[int] = set()

    def hold(self, producer_id: int, epoch: int) -> None:
        """Be alive as this producer; until `release`, `close` or death."""
        byte = _byte(producer_id, epoch)
        self._lock(fcntl.F_WRLCK, byte)
        self._held.add(byte)

    def release(self, producer_id: int, epoch: int) -> None:
        """This producer is closed. Nothing happens when it was not held."""
        byte = _byte(producer_id, epoch)
        if byte in self._held:
            self._held.discard(byte)
            self._lock(fcntl.F_UNLCK, byte)

    def is_alive(self, producer_id: int, epoch: int) -> bool:
        """Whether anybody, here or in another process, holds this producer."""
        byte = _byte(producer_id, epoch)
        if byte in self._held:
            return True
        asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, byte, 1, 0)
        kind: int = _FLOCK.unpack(fcntl.fcntl(self._open(), fcntl.F_OFD_GETLK, asked))[0]
        return kind != fcntl.F_UNLCK

    def _lock(self, kind: int, byte: int) -> None:
        fcntl.fcntl(self._open(), fcntl.F_OFD_SETLK, _FLOCK.pack(kind, os.SEEK_SET, byte, 1, 0))

    def _open(self) -> int:
        if self._fd < 0:
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        return self._fd

    def close(self) -> None:
        """Let go of everything."""
        self._held.clear()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    forget = close
    """In a forked child: its copy of the descriptor is closed, which frees none of the parent's locks."""


def _byte(producer_id: int, epoch: int) -> int:
    return (producer_id & _ID_MASK) << _EPOCH_BITS | (epoch & ((1 << _EPOCH_BITS) - 1))
