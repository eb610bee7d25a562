"""Files of this machine."""

from __future__ import annotations

import os

from logflume.agent.buckets.store import Output, Store
from logflume.errors import StorageError
from logflume.log.filesystem import raise_typed, sync_directory

__all__ = ["LocalStore", "begin_file", "cut_file"]


class _LocalOutput(Output):
    def __init__(self, path: str, fd: int) -> None:
        self._path = path
        self._fd = fd

    def write(self, data: bytes | memoryview) -> None:
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        except OSError as error:
            raise_typed(error, self._path)

    def sync(self) -> None:
        try:
            os.fdatasync(self._fd)
        except OSError as error:
            raise_typed(error, self._path, syncing=True)

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def begin_file(path: str) -> Output:
    """A new file. Raises StorageError."""
    directory = os.path.dirname(path)
    try:
        os.makedirs(directory, exist_ok=True)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    except FileExistsError:
        raise StorageError(path=path, reason="is there already, and not ours") from None
    except OSError as error:
        raise_typed(error, path)
    sync_directory(directory)
    return _LocalOutput(path, fd)


def cut_file(path: str, size: int) -> None:
    """Cut what lies behind `size`; nothing when the file is not there. Raises StorageError when it is shorter."""
    try:
        found = os.path.getsize(path)
        if found > size:
            os.truncate(path, size)
    except FileNotFoundError:
        return
    except OSError as error:
        raise_typed(error, path)
    if found < size:
        raise StorageError(path=path, reason=f"has {found} bytes of the {size} that were synced")


class LocalStore(Store):
    """`file:///…`."""

    def create(self, path: str) -> Output:
        return begin_file(_path(path))

    def cut(self, path: str, size: int) -> bool:
        cut_file(_path(path), size)
        return True

    def publish(self, path: str, final: str) -> bool:
        old, new = _path(path), _path(final)
        if not os.path.exists(old):
            return False
        if os.path.exists(new):
            raise StorageError(path=new, reason="is there already, and not ours")
        try:
            os.rename(old, new)
        except OSError as error:
            raise_typed(error, new)
        sync_directory(os.path.dirname(new))
        return True

    def remove(self, path: str) -> None:
        try:
            os.unlink(_path(path))
        except FileNotFoundError:
            pass
        except OSError as error:
            raise_typed(error, _path(path))


def _path(address: str) -> str:
    # A bucket's name may have any character: only the scheme is taken off.
    rest = address.removeprefix("file:")
    return rest[2:] if rest.startswith("//") else rest
