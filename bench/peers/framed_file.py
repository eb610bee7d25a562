"""What people write by hand: length and CRC32 before each value, `open("ab")`."""

from __future__ import annotations

import os
import struct
from array import array
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from zlib import crc32

from bench.peers.store import Store

__all__ = ["FramedFile"]

HEADER = struct.Struct("<II")


class FramedFile(Store):
    """A buffered binary file; look-ups through an array of positions kept in memory."""

    name = 'open("ab")'
    rate = {"each": 2.4e6, "surviving": 1.2e6, "many": 2.4e6, "read": 3.4e6, "get": 1.2e6}

    def __init__(self, where: Path) -> None:
        super().__init__(where)
        self.path = where / "records"
        self.file = open(self.path, "ab", buffering=256 << 10)  # noqa: SIM115 - closed by close()
        self.end = self.path.stat().st_size
        self.positions = array("q")

    def append(self, value: bytes) -> int:
        """What a program calls: returns the record's position. Buffered, so lost with the process."""
        self.file.write(HEADER.pack(len(value), crc32(value)) + value)
        position = self.end
        self.end = position + HEADER.size + len(value)
        return position

    def put_each(self, values: Iterable[bytes]) -> None:
        append = self.append
        for value in values:
            append(value)
        self.file.flush()

    def put_surviving(self, values: Iterable[bytes]) -> None:
        fd, write, pack = self.file.fileno(), os.write, HEADER.pack
        for value in values:
            write(fd, pack(len(value), crc32(value)) + value)

    def put_durable(self, value: bytes) -> None:
        fd = self.file.fileno()
        os.write(fd, HEADER.pack(len(value), crc32(value)) + value)
        os.fdatasync(fd)

    def put_many(self, values: Sequence[bytes], *, durable: bool = False) -> None:
        pack = HEADER.pack
        self.file.write(b"".join([pack(len(v), crc32(v)) + v for v in values]))
        self.file.flush()
        if durable:
            os.fdatasync(self.file.fileno())

    def read_all(self) -> Iterator[bytes]:
        unpack, size = HEADER.unpack, HEADER.size
        with open(self.path, "rb", buffering=256 << 10) as file:
            read = file.read
            while header := read(size):
                length, crc = unpack(header)
                value = read(length)
                if crc32(value) != crc:
                    raise ValueError("damaged")
                yield value

    def get_each(self, numbers: Iterable[int]) -> None:
        positions, pread, unpack, size = self._index(), os.pread, HEADER.unpack, HEADER.size
        with open(self.path, "rb") as file:
            fd = file.fileno()
            for number in numbers:
                at = positions[number]
                frame = pread(fd, positions[number + 1] - at, at)
                _length, crc = unpack(frame[:size])
                if crc32(frame[size:]) != crc:
                    raise ValueError("damaged")

    def _index(self) -> array[int]:
        if not self.positions:
            at = 0
            self.positions.append(at)
            for value in self.read_all():
                at += HEADER.size + len(value)
                self.positions.append(at)
        return self.positions

    def close(self) -> None:
        self.file.close()
