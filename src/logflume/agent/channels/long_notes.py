"""Sinks' notes that are too long for the metadata of an offset: they lie in a file, whose name takes their place."""

from __future__ import annotations

import os

from logflume.errors import StorageError
from logflume.log.filesystem import raise_typed, sync_directory

__all__ = ["LongNotes"]

_BYTES_MAX = 3000
_MARK = "@"


class LongNotes:
    """One taker's. Files are `<name>.note-<n>` in the log's directory; of each a new one, never a changed one.

    Notes are JSON: none begins as the name of a file does here.
    """

    def __init__(self, directory: str, name: str) -> None:
        self._directory = directory
        self._prefix = f"{name}.note-"
        self._newest = ""
        self.has_files = True
        """Whether there are any, as far as this process knows."""

    def _files(self) -> list[str]:
        return [name for name in os.listdir(self._directory) if name.startswith(self._prefix)]

    def keep(self, note: str) -> str:
        """What is stored with the offset. A file is on disk when it returns. Raises StorageError, DiskFull."""
        if len(note.encode()) <= _BYTES_MAX:
            self._newest = ""
            return note
        numbers = [int(name[len(self._prefix) :]) for name in self._files()]
        name = f"{self._prefix}{max(numbers, default=0) + 1}"
        path = os.path.join(self._directory, name)
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            with os.fdopen(fd, "wb") as file:
                file.write(note.encode())
                file.flush()
                os.fdatasync(fd)
        except OSError as error:
            raise_typed(error, path)
        sync_directory(self._directory)
        self._newest, self.has_files = name, True
        return _MARK + name

    def drop_others(self) -> None:
        """The newest is stored, on disk: files of those before it may go."""
        if not self.has_files:
            return
        for name in self._files():
            if name != self._newest:
                os.unlink(os.path.join(self._directory, name))
        self.has_files = bool(self._newest)

    def read(self, kept: str) -> str:
        """The note of which `keep` made this. Raises StorageError when its file is gone."""
        if not kept.startswith(_MARK):
            return kept
        path = os.path.join(self._directory, kept[len(_MARK) :])
        try:
            with open(path, encoding="utf-8") as file:
                return file.read()
        except OSError as error:
            raise StorageError(path=path, reason=f"the sink's note: {error}") from error
