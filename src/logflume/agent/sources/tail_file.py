"""One file that others append to."""

from __future__ import annotations

import json
import os

from logflume._native.hashing import crc32c

__all__ = ["Tail", "TailPlace"]

_HEAD_BYTES = 256


class TailPlace:
    """Where a tail stands: what is stored, and what Flume's position file has."""

    __slots__ = ("crc", "head", "inode", "path", "position")

    def __init__(self, inode: int, path: str, position: int, head: int = 0, crc: int = 0) -> None:
        self.inode = inode
        self.path = path
        self.position = position
        self.head = head
        self.crc = crc

    def text(self) -> str:
        """For the store of positions."""
        return json.dumps(
            {
                "inode": self.inode,
                "pos": self.position,
                "file": self.path,
                "head": self.head,
                "crc": self.crc,
            }
        )

    @classmethod
    def of(cls, entry: dict[str, object]) -> TailPlace:
        """From the store, or an entry of Flume's file (which has no `head`)."""
        return cls(
            int(str(entry["inode"])),
            str(entry["file"]),
            int(str(entry["pos"])),
            int(str(entry.get("head", 0))),
            int(str(entry.get("crc", 0))),
        )


class Tail:
    """An open file and the place up to which it was read.

    A file is known by its inode, so that a renamed one is not read again; and by a checksum of its first bytes, so
    that a new file which got the inode of a deleted one is not taken for it.
    """

    def __init__(self, path: str, group: str, place: TailPlace | None, *, at_end: bool) -> None:
        self.path = path
        self.group = group
        self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        info = os.fstat(self.fd)
        self.inode = info.st_ino
        self.position = 0
        self._head = self._crc = 0
        self.read_at = 0.0
        if place is not None and self._is_same(place, info.st_size):
            self.position, self._head, self._crc = place.position, place.head, place.crc
        elif place is None and at_end:
            self.position = info.st_size

    def _is_same(self, place: TailPlace, size: int) -> bool:
        if place.position > size:
            return False  # cut off since, or another file
        self._head, self._crc = place.head, place.crc
        same = self._begins_as_before()
        self._head = self._crc = 0
        return same

    def place(self) -> TailPlace:
        """Where it stands."""
        if self._head < _HEAD_BYTES and self._head < self.position:
            head = os.pread(self.fd, min(_HEAD_BYTES, self.position), 0)
            self._head, self._crc = len(head), crc32c(head)
        return TailPlace(self.inode, self.path, self.position, self._head, self._crc)

    def size(self) -> int:
        """The file's size now. One that was cut off since is read from its start again.

        That is seen by its size, or, when it has grown beyond the place meanwhile, by its first bytes.
        """
        size = os.fstat(self.fd).st_size
        if size < self.position or (size > self.position and not self._begins_as_before()):
            self.position = self._head = self._crc = 0
        return size

    def _begins_as_before(self) -> bool:
        head = os.pread(self.fd, self._head, 0) if self._head else b""
        return len(head) == self._head and crc32c(head) == self._crc

    def read(self, size: int) -> bytes:
        """Bytes from the place on; the place stays."""
        return os.pread(self.fd, size, self.position)

    def close(self) -> None:
        """Let the file go."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
