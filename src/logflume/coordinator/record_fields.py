"""Fields of Kafka's internal records: taken off a buffer with every step checked, and put together.

The same two encodings as on the wire: plain strings and arrays have their size in 16 or 32 bits,
"flexible" ones as an unsigned varint of size + 1, and flexible structures end with tagged fields.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from typing import TypeVar
from uuid import UUID

from logflume.errors import InvalidRecord

__all__ = ["FieldReader", "FieldWriter"]

STRING_SIZE_MAX = 0x7FFF

_Item = TypeVar("_Item")


class FieldReader:
    """Takes fields off the front of a buffer. Every method raises InvalidRecord at its end.

    With `flexible` the sizes of strings, bytes and arrays are varints.
    """

    def __init__(self, data: bytes | memoryview, what: str, *, flexible: bool = False) -> None:
        self.flexible = flexible
        self._data = bytes(data)
        self._position = 0
        self._what = what

    def _take(self, size: int) -> bytes:
        if not 0 <= size <= len(self._data) - self._position:
            raise InvalidRecord(reason=f"{self._what} ends early, at byte {len(self._data)}")
        start = self._position
        self._position += size
        return self._data[start : self._position]

    def int8(self) -> int:
        return int.from_bytes(self._take(1), "big", signed=True)

    def int16(self) -> int:
        return int.from_bytes(self._take(2), "big", signed=True)

    def int32(self) -> int:
        return int.from_bytes(self._take(4), "big", signed=True)

    def int64(self) -> int:
        return int.from_bytes(self._take(8), "big", signed=True)

    def uuid(self) -> UUID:
        return UUID(bytes=self._take(16))

    def string(self) -> str:
        text = self.string_or_none()
        if text is None:
            raise InvalidRecord(reason=f"{self._what} has null where a text must be")
        return text

    def string_or_none(self) -> str | None:
        size = self.uvarint() - 1 if self.flexible else self.int16()
        if size == -1:
            return None
        try:
            return self._take(size).decode("utf-8", "surrogatepass")
        except UnicodeDecodeError as error:
            raise InvalidRecord(reason=f"{self._what}: {error}") from error

    def bytes_(self) -> bytes:
        return self._take(self._size())

    def array(self, item: Callable[[FieldReader], _Item]) -> list[_Item]:
        items = self.array_or_none(item)
        if items is None:
            raise InvalidRecord(reason=f"{self._what} has null where an array must be")
        return items

    def array_or_none(self, item: Callable[[FieldReader], _Item]) -> list[_Item] | None:
        size = self._size()
        if size == -1:
            return None
        # Every item has a byte at least, so a size out of nowhere costs nothing.
        if not 0 <= size <= len(self._data) - self._position:
            raise InvalidRecord(reason=f"{self._what} has an array of {size} items")
        return [item(self) for _ in range(size)]

    def _size(self) -> int:
        return self.uvarint() - 1 if self.flexible else self.int32()

    def uvarint(self) -> int:
        value = 0
        for shift in range(0, 35, 7):
            byte = self._take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise InvalidRecord(reason=f"{self._what} has a variable-length number over five bytes")

    def tags(self) -> dict[int, bytes]:
        """The tagged fields that end a flexible structure, by tag; a plain one has none."""
        if not self.flexible:
            return {}
        return {self.uvarint(): self._take(self.uvarint()) for _ in range(self.uvarint())}

    def tagged_uuid(self, wanted_tag: int) -> UUID | None:
        """The id under a tag; other tagged fields are passed over, as the protocol asks."""
        field = self.tags().get(wanted_tag)
        if field is None:
            return None
        if len(field) != 16:
            raise InvalidRecord(reason=f"{self._what} has a topic id of {len(field)} bytes")
        return UUID(bytes=field)

    def end(self) -> None:
        if self._position != len(self._data):
            extra = len(self._data) - self._position
            raise InvalidRecord(reason=f"{self._what} goes on for {extra} bytes after its end")


class FieldWriter:
    """Puts fields together; `done()` gives the bytes. InvalidRecord for a string too long to say."""

    def __init__(self, version: int | None = None, *, flexible: bool = False) -> None:
        self._flexible = flexible
        self._parts: list[bytes] = []
        if version is not None:
            self.int16(version)

    def done(self) -> bytes:
        return b"".join(self._parts)

    def int8(self, value: int) -> None:
        self._parts.append(value.to_bytes(1, "big", signed=True))

    def int16(self, value: int) -> None:
        self._parts.append(value.to_bytes(2, "big", signed=True))

    def int32(self, value: int) -> None:
        self._parts.append(value.to_bytes(4, "big", signed=True))

    def int64(self, value: int) -> None:
        self._parts.append(value.to_bytes(8, "big", signed=True))

    def uuid(self, value: UUID) -> None:
        self._parts.append(value.bytes)

    def raw(self, data: bytes) -> None:
        """Bytes whose number the reader knows."""
        self._parts.append(data)

    def string(self, text: str | None) -> None:
        data = None if text is None else text.encode("utf-8", "surrogatepass")
        size = -1 if data is None else len(data)
        if size > STRING_SIZE_MAX:
            raise InvalidRecord(reason=f"a string of {size} bytes; {STRING_SIZE_MAX} is the most")
        if self._flexible:
            self.uvarint(size + 1)
        else:
            self.int16(size)
        self._parts.append(data or b"")

    def bytes_(self, data: bytes) -> None:
        self._size(len(data))
        self._parts.append(data)

    def array(self, items: Iterable[_Item], write: Callable[[FieldWriter, _Item], object]) -> None:
        chosen = list(items)
        self._size(len(chosen))
        for item in chosen:
            write(self, item)

    def no_array(self) -> None:
        """Null in the place of an array."""
        self._size(-1)

    def int32s(self, numbers: Iterable[int]) -> None:
        chosen = list(numbers)
        self._size(len(chosen))
        self._parts.append(struct.pack(f">{len(chosen)}i", *chosen))

    def _size(self, size: int) -> None:
        if self._flexible:
            self.uvarint(size + 1)
        else:
            self.int32(size)

    def uvarint(self, value: int) -> None:
        out = bytearray()
        while value > 0x7F:
            out.append(value & 0x7F | 0x80)
            value >>= 7
        out.append(value)
        self._parts.append(bytes(out))

    def tags(self, fields: dict[int, bytes] | None = None) -> None:
        """End a flexible structure, with these tagged fields."""
        if not self._flexible:
            return
        chosen = sorted((fields or {}).items())
        self.uvarint(len(chosen))
        for tag, data in chosen:
            self.uvarint(tag)
            self.uvarint(len(data))
            self._parts.append(data)
