"""A JSON document of a directory that any process may change: replaced whole, synced, seen by all within moments."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any, Generic, TypeVar

from logflume.errors import CorruptRecord, UnsupportedFormat
from logflume.log.locks import DirectoryLock
from logflume.log.small_file import is_settled, read_small, write_atomic

__all__ = ["SharedDocument"]

_RECENT_S = 0.05

_State = TypeVar("_State")


class SharedDocument(Generic[_State]):
    """One file, by its directory's path and its name. Thread-safe.

    A subclass turns the document into a state and back. Raises CorruptRecord, UnsupportedFormat for a file
    that is not understood.
    """

    def __init__(
        self,
        directory: str,
        name: str,
        nothing: _State,
        *,
        version: int,
        mode: int = 0o644,
        lock_timeout_s: float = 30.0,
    ) -> None:
        self._directory = directory
        self._path = os.path.join(directory, name)
        self._nothing = nothing
        self._version = version
        self._mode = mode
        self._lock_timeout_s = lock_timeout_s
        self._stamp: tuple[int, int, int] | None = None
        self._state = nothing
        self._looked = -1.0

    def _load(self, document: Mapping[str, Any]) -> _State:
        """The state; ValueError, KeyError, TypeError, AttributeError where the document is none."""
        raise NotImplementedError

    def _dump(self, state: _State) -> dict[str, Any]:
        """The reverse."""
        raise NotImplementedError

    def current(self) -> _State:
        """The state, which is looked at twenty times a second at most."""
        now = monotonic()
        if now - self._looked > _RECENT_S:
            self._refresh()
            self._looked = now
        return self._state

    def change(self, function: Callable[[_State], _State]) -> _State:
        """Replace the state by what `function` makes of it, on disk when this returns; off the event loop.

        Raises LockTimeout, ReadOnlyDirectory, DiskFull, SyncFailed.
        """
        # A descriptor of its own, so that the threads of this process exclude each other too.
        lock = DirectoryLock(self._directory, timeout_s=self._lock_timeout_s)
        try:
            with lock.changing():
                self._refresh()
                document = {"version": self._version, **self._dump(function(self._state))}
                data = json.dumps(document, indent=1).encode() + b"\n"
                write_atomic(self._path, data, mode=self._mode)
                self._refresh()
                return self._state
        finally:
            lock.close()

    def _refresh(self) -> None:
        try:
            info = os.stat(self._path)
        except FileNotFoundError:
            self._stamp, self._state = None, self._nothing
            return
        stamp = (info.st_mtime_ns, info.st_ino, info.st_size)
        if stamp == self._stamp:
            return
        data = read_small(self._path)
        self._state = self._nothing if data is None else self._parse(data)
        # Another change in the same tick of the files' clock could look like this one.
        self._stamp = stamp if is_settled(info.st_mtime_ns) else None

    def _parse(self, data: bytes) -> _State:
        try:
            document = json.loads(data)
            version = document["version"]
            if isinstance(version, int) and version > self._version:
                reason = f"version {version}; this logflume knows up to {self._version}"
                raise UnsupportedFormat(path=self._path, reason=reason)
            return self._load(document)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            reason = f"not understood: {type(error).__name__}: {error}"
            raise CorruptRecord(path=self._path, position=0, reason=reason) from error
