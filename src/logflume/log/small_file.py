"""Small files that are read whole and replaced whole, so that a crash leaves the old or the new one."""

from __future__ import annotations

import itertools
import os
import time

from logflume.errors import CorruptRecord
from logflume.log.filesystem import raise_typed, sync_directory

__all__ = ["is_settled", "read_small", "remove_temporaries", "write_atomic"]

TEMPORARY_SUFFIX = ".logflume-tmp"

# File systems stamp changes with the kernel's coarse clock: before Linux 6.13 all of one tick, up to 10 ms long, are
# stamped alike, and a file replaced twice may have its first inode number again.
_TICK_NS = 50_000_000

_temporary_numbers = itertools.count()


def write_atomic(path: str, data: bytes, *, sync: bool = True, mode: int = 0o644) -> None:
    """Replace a file's content so that after a crash it is the old or the new one, whole, on disk.

    Without `sync` that holds for the death of the process only: for files that can be made
    again. Several processes may do it at once: the last one stays. Raises DiskFull,
    ReadOnlyDirectory or SyncFailed; then the old content is still there (after SyncFailed
    of the directory it may be either).
    """
    temporary = f"{path}.{os.getpid()}-{next(_temporary_numbers)}{TEMPORARY_SUFFIX}"
    try:
        _write_new(temporary, data, path, sync=sync, mode=mode)
        os.replace(temporary, path)
    except BaseException as error:
        _remove_if_there(temporary)
        if isinstance(error, OSError):
            raise_typed(error, path)
        raise
    if sync:
        sync_directory(os.path.dirname(path) or ".")


def _write_new(temporary: str, data: bytes, path: str, *, sync: bool, mode: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, mode)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        if not sync:
            return
        try:
            os.fsync(descriptor)
        except OSError as error:
            raise_typed(error, path, syncing=True)
    finally:
        os.close(descriptor)


def is_settled(*changed_ns: int) -> bool:
    """Whether a change from now on would get another time than these (`st_mtime_ns`, looked at before reading).

    While one of them is as recent as the clock's tick, what was read then has to be read again at the next look.
    """
    now = time.time_ns()
    return all(abs(now - at) > _TICK_NS for at in changed_ns)


def remove_temporaries(path: str) -> int:
    """Remove what `write_atomic` left in a directory when its process was killed; returns how many.

    Only under a lock that keeps others from writing there.
    """
    names = [name for name in os.listdir(path) if name.endswith(TEMPORARY_SUFFIX)]
    for name in names:
        _remove_if_there(os.path.join(path, name))
    return len(names)


def _remove_if_there(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def read_small(path: str, *, size_max: int = 16 << 20) -> bytes | None:
    """The content of a small file; None when there is no such file.

    Raises CorruptRecord when it is larger than `size_max` bytes, StorageError for what is no file.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(size_max + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise_typed(error, path)
    if len(data) > size_max:
        reason = f"has more than {size_max} bytes, so it is not what its name says"
        raise CorruptRecord(path=path, position=size_max, reason=reason)
    return data
